/* file - small whole files: read with a limit, written so that they are there completely or not at all.
 * Errors: OB_ENOTFOUND, OB_EIO, OB_ETOOBIG, OB_EBUSY (already there), OB_ENOMEM: name the file. */
#ifndef OB_BASE_FILE_H
#define OB_BASE_FILE_H

#include <stddef.h>

#include "base/err.h"

/* ret_data is malloc'ed, NUL-terminated; the caller frees it. */
OB_MUST_USE enum ob_err ob_file_read(const char *path, size_t bytes_max, char **ret_data, size_t *ret_bytes,
                                     struct ob_error *error);
/* The file must not exist. Synced before it returns. */
OB_MUST_USE enum ob_err ob_file_write_new(const char *path, const void *data, size_t bytes, unsigned mode,
                                          struct ob_error *error);
/* Makes names in a folder durable: what was created, renamed or removed there. */
OB_MUST_USE enum ob_err ob_file_sync_folder(const char *path, struct ob_error *error);
/* Makes a folder (its parent must exist); one that is there already is fine. */
OB_MUST_USE enum ob_err ob_file_make_folder(const char *path, unsigned mode, struct ob_error *error);

#endif
