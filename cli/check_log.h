/* check_log - what verify and export share: a log is looked through, and what is wrong in it is printed.
 * Errors: those of ob_log_check. */
#ifndef OB_CLI_CHECK_LOG_H
#define OB_CLI_CHECK_LOG_H

#include "run/log_check.h"

/* Findings go to standard error, named by `state_dir`; ret_check says how many there were. */
OB_MUST_USE enum ob_err ob_cli_check_log(const char *state_dir, const struct ob_manifest *manifest,
                                         struct ob_store *store, struct ob_log_check *ret_check,
                                         struct ob_error *error);

#endif
