#include "cli/adjust.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "cli/conf.h"

const char *ob_cli_number(int64_t value, char ret_text[static OB_CLI_NUMBER_MAX]) {
    (void)snprintf(ret_text, OB_CLI_NUMBER_MAX, "%" PRId64, value);
    return value == OB_NOT_GIVEN ? NULL : ret_text;
}

enum ob_err ob_cli_adjust(const char *state_dir, const struct ob_cli_setting *settings, size_t count,
                          bool runs, struct ob_error *error) {
    size_t changed = 0;
    for (size_t i = 0; i < count; i++) {
        char before[OB_PATH_MAX] = "";
        const struct ob_cli_setting *s = &settings[i];
        if (!s->value)
            continue;
        enum ob_err failed = ob_cli_conf_value(state_dir, s->section, s->key, before, error);
        if (!failed && (strcmp(before, s->value) == 0 || (!before[0] && strcmp(s->value, "no") == 0)))
            continue; /* a switch that is not there is off */
        if (!failed)
            failed = ob_cli_conf_set(state_dir, s->section, s->key, s->value, error);
        if (failed)
            return failed;
        printf("  %s is now \"%s\" (it was \"%s\") in %s/" OB_CLI_CONF "\n", s->key, s->value, before,
               state_dir);
        changed++;
    }
    if (changed > 0 && runs)
        puts("  the daemon that runs takes it at its next start: `onebyte down`, then the same command");
    return OB_OK;
}
