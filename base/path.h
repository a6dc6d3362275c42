/* path - the names of files: one bound for all of them.
 *
 * Errors:  OB_EUSAGE when a name would be longer than OB_PATH_MAX; ret_path is untouched.
 * Threads: pure functions. */
#ifndef OB_BASE_PATH_H
#define OB_BASE_PATH_H

#include "base/err.h"

#define OB_PATH_MAX 4096 /* bytes of a path, NUL included: Linux's own */

/* FOLDER/NAME. ret_path may not overlap the two. */
OB_MUST_USE enum ob_err ob_path_join(char ret_path[static OB_PATH_MAX], const char *folder, const char *name,
                                     struct ob_error *error);
/* PATH with `ending` behind it, as in "log.sqlite" and "-wal". */
OB_MUST_USE enum ob_err ob_path_append(char ret_path[static OB_PATH_MAX], const char *path,
                                       const char *ending, struct ob_error *error);

#endif
