/* launch - the daemon of a state directory as a child that goes on without us, and what became of it.
 *
 * Its messages go to STATE_DIR/onebyted.log. The program is the onebyted beside this one, in ../sbin, or in $PATH.
 *
 * Errors:  OB_EUSAGE, the daemon ended with exit code 2 (a restart does not help); OB_EIO, it ended otherwise, or could
 *          not be started; the text is the last line that it wrote. */
#ifndef OB_CLI_LAUNCH_H
#define OB_CLI_LAUNCH_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/path.h"
#include "cli/guard.h"

/* Replaces this process by the daemon. Returns only on failure. */
OB_MUST_USE enum ob_err ob_cli_become_daemon(const char *state_dir, struct ob_error *error);
/* Starts it and waits until its status socket answers. It is the guard's child from then on, until the caller says that it stays. `service`: as a unit of systemd (cli/unit.h), *ret_pid is then
 * OB_CLI_SERVICE; one that systemd keeps already stays one. */
#define OB_CLI_SERVICE ((pid_t)0)
OB_MUST_USE enum ob_err ob_cli_launch(const char *state_dir, bool service, struct ob_cli_guard *guard,
                                      pid_t *ret_pid, struct ob_error *error);
/* It has ended, and its port was chosen for it, not by its owner: when another program was faster, its configuration gets the next
 * free one. True: it is worth another start; at most OB_CLI_MOVES of them. */
#define OB_CLI_MOVES 8
bool ob_cli_move(const char *state_dir);
/* Is it still there? When not, as an error, what it last said. Its number stays ours until unlaunch, or until this
 * program ends: whoever signals it (cli/guard.h, from another thread) reaches no process that got the number since. */
OB_MUST_USE enum ob_err ob_cli_launched(const char *state_dir, pid_t pid, struct ob_error *error);
/* Ends one that was launched, and waits for it: it, and the guard, must not be told of it again. */
void ob_cli_unlaunch(const char *state_dir, pid_t pid);
/* Runs another subcommand of this program with our terminal, and waits for it. `arguments` end with NULL.
 * Errors: it said why itself, so the text is empty. OB_EUSAGE: its exit code was that of one; else OB_ESTATE. */
OB_MUST_USE enum ob_err ob_cli_run_self(const char *const *arguments, struct ob_error *error);

/* The files of this program and of the daemon that belongs to it. */
OB_MUST_USE enum ob_err ob_cli_programs(char ret_client[static OB_PATH_MAX],
                                        char ret_daemon[static OB_PATH_MAX], struct ob_error *error);

#endif
