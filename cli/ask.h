/* ask - asking the daemon of a state directory.
 * Errors:  OB_ESTATE, the daemon's own complaint; those of ob_status_ask. */
#ifndef OB_CLI_ASK_H
#define OB_CLI_ASK_H

#include <jansson.h>

#include "cli/place.h"

/* The answer (caller's) has "ok": true. */
OB_MUST_USE enum ob_err ob_cli_ask(const char *state_dir, const json_t *request, json_t **ret_answer,
                                   struct ob_error *error);
/* {"command": command} */
OB_MUST_USE enum ob_err ob_cli_ask_command(const char *state_dir, const char *command, json_t **ret_answer,
                                           struct ob_error *error);
/* A command whose answer says nothing more: the exit code. */
int ob_cli_tell(const struct ob_cli_at *at, const char *command);

#endif
