/* newplace - a state directory that is made for a run on this machine: folder, identity, room.
 *
 * Errors:  OB_EUSAGE (a name that is none, too little memory or disk: with numbers), those of files and of base/access.h. */
#ifndef OB_CLI_NEWPLACE_H
#define OB_CLI_NEWPLACE_H

#include "base/path.h"
#include "transport/identity.h"

/* Where it will be: `state_dir` made absolute, or ROOT/NAME (cli/place.h). The folder need not exist. */
OB_MUST_USE enum ob_err ob_cli_new_place(const char *state_dir, const char *name,
                                         char ret_path[static OB_PATH_MAX], struct ob_error *error);
/* It and the folders above it, mode 0700; those that exist stay as they are. *ret_made: it did not exist. */
OB_MUST_USE enum ob_err ob_cli_make_place(const char *path, bool *ret_made, struct ob_error *error);
/* Takes away what ob_cli_make_place made and whatever is in it. */
void ob_cli_unmake_place(const char *path);
/* A folder on the way that is closed to this user is an error. */
OB_MUST_USE enum ob_err ob_cli_place_has(const char *state_dir, const char *name, bool *ret_has,
                                         struct ob_error *error);
/* The identity in it, made if it is not there. The caller wipes it. */
OB_MUST_USE enum ob_err ob_cli_place_identity(const char *state_dir, struct ob_identity *ret_identity,
                                              struct ob_error *error);
/* Does what a run needs fit this machine? base_bytes are mapped from a file, trained_bytes are held. `path`: on the disk that is
 * meant; it need not exist yet. */
OB_MUST_USE enum ob_err ob_cli_check_room(const char *path, uint64_t base_bytes, uint64_t trained_bytes,
                                          struct ob_error *error);
/* An absolute path of a file or folder that must exist. */
OB_MUST_USE enum ob_err ob_cli_absolute(const char *what, const char *path, char ret_path[static OB_PATH_MAX],
                                        struct ob_error *error);
/* This host's name, fit for a machine's. */
void ob_cli_host_name(char ret_name[static 64]);

#endif
