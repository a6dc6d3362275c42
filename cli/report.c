#include <stdio.h>

#include "cli/command.h"
#include "model/formats/json_value.h"

int ob_cli_fail(const struct ob_error *error) {
    if (error->text[0]) /* else a program that this one ran has said it */
        fprintf(stderr, "onebyte: %s\n", error->text);
    return error->code == OB_EUSAGE ? OB_EXIT_USAGE : OB_EXIT_FAILED;
}

int ob_cli_fail_usage(const char *what) {
    fprintf(stderr, "onebyte: %s\n", what);
    return OB_EXIT_USAGE;
}

int ob_cli_print_json(json_t *root, bool good) {
    if (root && good) {
        (void)ob_json_print(root, stdout);
        return OB_EXIT_DONE;
    }
    json_decref(root);
    fprintf(stderr, "onebyte: not enough memory for the result\n");
    return OB_EXIT_FAILED;
}
