/* adjust - options of `onebyte up` and `onebyte join` on a machine that exists: what is the machine's goes into its configuration,
 * where nothing else changes; what differs is told.
 *
 * Errors:  those of cli/conf.h. */
#ifndef OB_CLI_ADJUST_H
#define OB_CLI_ADJUST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/options.h"

struct ob_cli_setting {
    const char *section, *key, *value; /* value NULL: not given, nothing is done */
    bool asked; /* by --set: "no" is written too where nothing stands, it may not be the default */
};

/* "2" for 2, NULL for OB_NOT_GIVEN. Returns ret_text or NULL. */
#define OB_CLI_NUMBER_MAX 24
const char *ob_cli_number(int64_t value, char ret_text[static OB_CLI_NUMBER_MAX]);

/* "SECTION.KEY=VALUE" of an option --set, each a setting behind the `count` that are there; the words are cut in `text`, which
 * holds them as long as the settings are used. Errors: OB_EUSAGE (none of that form, too many). */
#define OB_CLI_SETTINGS_MAX 48
struct ob_cli_settings {
    struct ob_cli_setting items[OB_CLI_SETTINGS_MAX];
    size_t count;
    char text[8192];
    size_t used;
};
OB_MUST_USE enum ob_err ob_cli_settings_add(struct ob_cli_settings *settings,
                                            const struct ob_option_list *given, struct ob_error *error);
#define OB_CLI_OPTION_SET(type)                                                                              \
    {                                                                                                        \
        "set", "SECTION.KEY=VALUE", "a line of this machine's onebyte.conf, see onebyte.conf(5)",            \
            OB_ARGUMENT(type, set)                                                                           \
    }

/* runs: a daemon uses the configuration now, and takes what changed at its next start. */
OB_MUST_USE enum ob_err ob_cli_adjust(const char *state_dir, const struct ob_cli_setting *settings,
                                      size_t count, bool runs, struct ob_error *error);

/* What --set says, in a configuration that was just written. */
OB_MUST_USE enum ob_err ob_cli_adjust_new(const char *state_dir, const struct ob_option_list *given,
                                          struct ob_error *error);

#endif
