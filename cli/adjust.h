/* adjust - options of `onebyte up` and `onebyte join` on a machine that exists: what is the machine's goes into its configuration,
 * where nothing else changes; what differs is told.
 *
 * Errors:  those of cli/conf.h. */
#ifndef OB_CLI_ADJUST_H
#define OB_CLI_ADJUST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct ob_cli_setting {
    const char *section, *key, *value; /* value NULL: not given, nothing is done */
};

/* "2" for 2, NULL for OB_NOT_GIVEN. Returns ret_text or NULL. */
#define OB_CLI_NUMBER_MAX 24
const char *ob_cli_number(int64_t value, char ret_text[static OB_CLI_NUMBER_MAX]);

/* runs: a daemon uses the configuration now, and takes what changed at its next start. */
OB_MUST_USE enum ob_err ob_cli_adjust(const char *state_dir, const struct ob_cli_setting *settings,
                                      size_t count, bool runs, struct ob_error *error);

#endif
