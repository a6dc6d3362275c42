/* tool - what the subcommands of `onebyte` share. One file for each group of subcommands, one table in
 * onebyte.c. Exit codes: 0 done; 1 failed; 2 wrong usage; 3 a check that was asked for did not hold (verify,
 * audit).
 */
#ifndef OB_CLI_OPTIONS_H
#define OB_CLI_OPTIONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { OB_EXIT_DONE = 0, OB_EXIT_FAILED = 1, OB_EXIT_USAGE = 2, OB_EXIT_CHECK = 3 };

#define OB_TOOL_VALUES_MAX 16

/* An option of a subcommand: `--name VALUE`, or a switch when `is_switch`. One that `is_list` may be given
 * several times. */
struct ob_tool_option {
    const char *name;
    bool is_switch, is_list;
    const char
        *value; /* set by ob_tool_parse: the text, "yes" for a switch, else what was there (a default) */
    const char *values[OB_TOOL_VALUES_MAX]; /* of a list, in order */
    size_t value_count;
};

/* Reads options and up to `operand_max` operands; both arrays end up filled. Returns false after a complaint.
 */
bool ob_tool_parse(int argc, char **argv, struct ob_tool_option *options, size_t option_count,
                   const char **operands, size_t operand_max, size_t *ret_operand_count);
bool ob_tool_integer(const struct ob_tool_option *option, int64_t low, int64_t high, int64_t *ret_value);
bool ob_tool_real(const struct ob_tool_option *option, double low, double high, double *ret_value);
/* Prints "onebyte: …" and gives the exit code. */
int ob_tool_complain(const struct ob_error *error);
int ob_tool_usage(const char *what);

/* Asks the daemon of a state directory; its answer (caller's) has "ok": true.
 * Errors:  OB_ESTATE, the daemon's own complaint; those of ob_status_ask. */
OB_MUST_USE enum ob_err ob_tool_ask(const char *state_dir, const json_t *request, json_t **ret_answer,
                                    struct ob_error *error);

int ob_tool_keygen(int argc, char **argv);
int ob_tool_run(int argc, char **argv);
int ob_tool_invite(int argc, char **argv);
int ob_tool_renew(int argc, char **argv);
int ob_tool_revoke(int argc, char **argv);
int ob_tool_authority(int argc, char **argv);
int ob_tool_cert(int argc, char **argv);
int ob_tool_status(int argc, char **argv);
int ob_tool_leave(int argc, char **argv);
int ob_tool_pause(int argc, char **argv);
int ob_tool_resume(int argc, char **argv);
int ob_tool_log(int argc, char **argv);
int ob_tool_verify(int argc, char **argv);
int ob_tool_audit(int argc, char **argv);
int ob_tool_export(int argc, char **argv);
int ob_tool_apply(int argc, char **argv);
int ob_tool_data(int argc, char **argv);
int ob_tool_eval(int argc, char **argv);
int ob_tool_generate(int argc, char **argv);
int ob_tool_probe(int argc, char **argv);
int ob_tool_bench(int argc, char **argv);

#endif
