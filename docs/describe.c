/* describe WHAT - prints the parts of the documentation that are generated from tables in the source:
 *
 *   status    the table of status fields in docs/files.md
 *
 * It is built, run by meson, and not installed. */
#include <stdio.h>
#include <string.h>

#include "daemon/status_fields.h"

static void describe_status(void) {
    puts("| field | type | unit | meaning |\n| --- | --- | --- | --- |");
    for (size_t i = 0; i < OB_STATUS_FIELD_COUNT; i++) {
        const struct ob_status_field *f = &OB_STATUS_FIELDS[i];
        printf("| `%s` | %s | %s | %s |\n", f->path, f->type, f->unit, f->sentence);
    }
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "status") == 0)
        describe_status();
    else
        return 2;
    return fflush(stdout) != 0;
}
