/* access - what the operating system refused about a file, as an error that names the cause, the file and the remedy: whose
 * file it is, who asked, which folder on the way is closed, which file system says no.
 *
 * Errors:  what these return is their product, see each.
 * Threads: any. Users are looked up with getpwuid_r. */
#ifndef OB_BASE_ACCESS_H
#define OB_BASE_ACCESS_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/err.h"

/* `what` ("cannot open") of `path` failed with the errno `why`.
 * Returns: OB_EREFUSED (a permission or a read-only file system: trying again does not help), OB_ENOTFOUND (ENOENT),
 *          OB_EFULL (no room), OB_EIO (all others). */
enum ob_err ob_access_fail(struct ob_error *error, const char *path, const char *what, int why);
/* The same of something that is written or was open: ENOENT is OB_EIO, a folder on the way is not there. */
enum ob_err ob_access_fail_writing(struct ob_error *error, const char *path, const char *what, int why);

/* A file whose owner must be the user of this process belongs to somebody else: OB_EREFUSED. */
enum ob_err ob_access_foreign(struct ob_error *error, const char *path, const struct stat *info);

/* Is there a file or folder of this name? One that may not be looked at is an error, not a no: ob_access_fail's. */
OB_MUST_USE enum ob_err ob_access_exists(const char *path, bool *ret_exists, struct ob_error *error);

/* A folder whose content nobody but the user of this process may change.
 * Errors:  OB_EREFUSED: it is another user's, or its mode lets others write. ob_access_fail's. */
OB_MUST_USE enum ob_err ob_access_own_folder(const char *path, struct ob_error *error);
/* A file that is to be opened for writing is not a link to another: OB_EREFUSED. It need not exist. */
OB_MUST_USE enum ob_err ob_access_no_link(const char *path, struct ob_error *error);

#ifdef __clang_analyzer__ /* as in base/err.h: a failure is not OB_OK */
#define ob_access_fail(error, path, what, why) (ob_access_fail((error), (path), (what), (why)), OB_EIO)
#define ob_access_foreign(error, path, info)   (ob_access_foreign((error), (path), (info)), OB_EREFUSED)
#endif

/* "nfs", "cifs", "fuse", … of the file system that holds `path`; its number in hexadecimal when the name is not
 * known, "unknown" when nothing can be learned. */
#define OB_FILE_SYSTEM_MAX 32
void ob_access_file_system(const char *path, char ret_name[static OB_FILE_SYSTEM_MAX]);

#endif
