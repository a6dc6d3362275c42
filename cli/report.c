#include <stdio.h>

#include "cli/command.h"

int ob_cli_fail(const struct ob_error *error) {
    fprintf(stderr, "onebyte: %s\n", error->text);
    return error->code == OB_EUSAGE ? OB_EXIT_USAGE : OB_EXIT_FAILED;
}

int ob_cli_fail_usage(const char *what) {
    fprintf(stderr, "onebyte: %s\n", what);
    return OB_EXIT_USAGE;
}
