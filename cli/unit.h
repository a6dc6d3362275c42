/* unit - the daemon of a state directory as a service of systemd (systemd.service(5)): of the user's own manager, for root of the
 * system's. The unit is called onebyte-NAME.service after the state directory, and is enabled: it starts again with the machine, or
 * when the user logs in.
 *
 * Its file is $XDG_CONFIG_HOME/systemd/user/UNIT (~/.config without it), for root /etc/systemd/system/UNIT; it is written anew at
 * each start.
 * Errors:  OB_EUSAGE: systemd is not there, or the daemon ended; the text says where to look. OB_EIO: the file cannot be written. */
#ifndef OB_CLI_UNIT_H
#define OB_CLI_UNIT_H

#include <stdbool.h>

#include "base/path.h"

#define OB_UNIT_NAME_MAX 256

/* "onebyte-rows.service" for "…/onebyte/rows"; what a unit's name cannot have is "_". */
void ob_unit_name(const char *state_dir, char ret_name[static OB_UNIT_NAME_MAX]);
/* A path as one word of a line in a unit file, in quotes. OB_EUSAGE: it has a control character. */
OB_MUST_USE enum ob_err ob_unit_quote(const char *path, char ret_word[static 4 * OB_PATH_MAX],
                                      struct ob_error *error);
/* Is there a manager that could keep it? To be asked before anything takes time. */
OB_MUST_USE enum ob_err ob_unit_check_manager(struct ob_error *error);
/* Writes it, enables and starts it, and waits until the daemon says that it is ready. On failure it is removed. */
OB_MUST_USE enum ob_err ob_unit_start(const char *state_dir, const char *daemon, const char *conf,
                                      struct ob_error *error);
/* Does it still run? */
OB_MUST_USE enum ob_err ob_unit_check(const char *state_dir, struct ob_error *error);
/* Stops and disables it, and removes its file. */
void ob_unit_remove(const char *state_dir);
/* Was it made, and not removed? */
bool ob_unit_exists(const char *state_dir);
/* Where its messages are: "journalctl --user -u onebyte-rows.service". */
#define OB_UNIT_JOURNAL_MAX (OB_UNIT_NAME_MAX + 64)
const char *ob_unit_journal(const char *state_dir, char ret_text[static OB_UNIT_JOURNAL_MAX]);

#endif
