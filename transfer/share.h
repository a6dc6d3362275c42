/* transfer_share - a file that is named by its bytes: opened, hashed, and read block by block for others.
 *
 * Its hashes are taken once, when it is opened. A file that somebody changes afterwards is served as it is then;
 * who asked notices, and takes it from another.
 *
 * Errors:  OB_ENOTFOUND, OB_EREFUSED, OB_EIO, OB_ETOOBIG (empty, or larger than bytes_max), OB_ENOMEM; they name the
 *          file.
 * Owns:    the descriptor and the hashes (1/1,024 of the file).
 * Threads: one at a time; opening uses the pool. */
#ifndef OB_TRANSFER_SHARE_H
#define OB_TRANSFER_SHARE_H

#include "base/pool.h"
#include "base/progress_callback.h"
#include "record/file_tree.h"

struct ob_share {
    struct ob_file_tree tree;
    struct ob_hash name;
    int descriptor;
};

/* pool: NULL, the calling thread alone. progress: counts the file's bytes; NULL: nobody. */
OB_MUST_USE enum ob_err ob_share_open(const char *path, uint64_t bytes_max, struct ob_pool *pool,
                                      const struct ob_progress_callback *progress, struct ob_share *ret_share,
                                      struct ob_error *error);
void ob_share_close(struct ob_share *share); /* one of zeros is fine */
/* Any block of any level. False: it cannot be read, any longer or at all. ret_data: room for OB_FILE_BLOCK. */
bool ob_share_read(const struct ob_share *share, unsigned level, uint64_t block, uint8_t *ret_data,
                   size_t *ret_bytes);

#endif
