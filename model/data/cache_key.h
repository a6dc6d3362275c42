/* cache_key - what decides the tokens of a row file: its bytes, and how they are read.
 *
 * Errors:  OB_EIO, OB_EREFUSED and OB_ENOTFOUND (base/access.h), OB_ENOMEM, OB_ESTATE (told to stop), OB_EUNSUPPORTED (not a regular file, or a tokenizer without
 *          a digest: nothing is kept then). Messages name the file.
 * Owns:    nothing.
 * Threads: the pool's, while it hashes the file. */
#ifndef OB_MODEL_DATA_CACHE_KEY_H
#define OB_MODEL_DATA_CACHE_KEY_H

#include "base/pool.h"
#include "base/progress_callback.h"
#include "model/data/cache.h"
#include "model/data/row_encoder.h"

/* Raise it with every change of what becomes of a row: it is a part of the key. */
#define OB_CACHE_ROWS_VERSION 1

struct ob_cache_question {
    const char *path;
    const struct ob_row_encoder *encoder; /* with its chat, if the model has one */
    uint32_t shard, shards;
};

OB_MUST_USE enum ob_err ob_cache_key(const struct ob_cache_question *question, struct ob_pool *pool,
                                     const struct ob_progress_callback *progress,
                                     uint8_t ret_key[static OB_CACHE_KEY_BYTES], struct ob_error *error);
/* Has the file been touched since? Two stamps of an untouched file are equal. */
struct ob_file_stamp {
    uint64_t device, inode, size;
    int64_t modified_ns, changed_ns;
};
struct ob_file_stamp ob_file_stamp(const char *path); /* all zero: it is not there */

#endif
