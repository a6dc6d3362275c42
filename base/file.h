/* file - whole files: read with a limit, written so that they are there completely or not at all.
 *
 * Errors:  OB_ENOTFOUND, OB_EIO, OB_EFORMAT (not a regular file), OB_ETOOBIG, OB_EBUSY (already exists),
 *          OB_EFULL (no room), OB_EREFUSED (permissions, see base/access.h), OB_EUSAGE (a path that is too long), OB_ENOMEM: the message names the file.
 * Threads: any; a struct ob_output belongs to one at a time. */
#ifndef OB_BASE_FILE_H
#define OB_BASE_FILE_H

#include <stdint.h>
#include <stdio.h>

#include "base/path.h"
#include "base/progress_callback.h"

/* ret_data is malloc'ed, NUL-terminated; the caller frees it. */
OB_MUST_USE enum ob_err ob_file_read(const char *path, size_t bytes_max, char **ret_data, size_t *ret_bytes,
                                     struct ob_error *error);
/* The file must not exist. Synced before it returns. */
OB_MUST_USE enum ob_err ob_file_write_new(const char *path, const void *data, size_t bytes, unsigned mode,
                                          struct ob_error *error);
/* Makes names in a folder durable: what was created, renamed or removed there. */
OB_MUST_USE enum ob_err ob_file_sync_folder(const char *path, struct ob_error *error);
/* Makes a folder (its parent must exist); one that already exists is fine. */
OB_MUST_USE enum ob_err ob_file_make_folder(const char *path, unsigned mode, struct ob_error *error);

/* ---- a file that is too large to be held: written under NAME.part, synced, renamed ---- */

struct ob_output {
    FILE *file;
    uint64_t written;
    enum ob_err failed; /* the first error stays; later writes do nothing */
    struct ob_error *error;
    const struct ob_progress_callback *progress; /* of writing; NULL, as after open: nobody */
    uint64_t size;                               /* that it will have, for `progress` */
    char temporary[OB_PATH_MAX], final[OB_PATH_MAX];
};

OB_MUST_USE enum ob_err ob_output_open(struct ob_output *output, const char *folder, const char *name,
                                       struct ob_error *error);
void ob_output_write(struct ob_output *output, const void *data, size_t bytes);
/* Zeros up to the next multiple of `alignment`. */
void ob_output_pad(struct ob_output *output, uint64_t alignment);
/* Sync, close, rename; after an error, the caller's (`failed`) or an own one, what was begun is removed. */
OB_MUST_USE enum ob_err ob_output_close(struct ob_output *output, enum ob_err failed);

#endif
