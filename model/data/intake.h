/* intake - a row file into a token store, by all threads of a pool: each block of lines is cut into slices, which become
 * sequences at the same time and are then put together in the file's order.
 *
 * Errors:  those of model/data/reader.h, model/data/row.h and model/data/row_encoder.h name the file and the line;
 *          OB_ESTATE: told to stop.
 * Owns:    nothing; the store is the caller's, and holds a part of the rows after a failure.
 * Threads: the pool's. `report` and `progress` are called in the calling thread. */
#ifndef OB_MODEL_DATA_INTAKE_H
#define OB_MODEL_DATA_INTAKE_H

#include "base/pool.h"
#include "base/progress_callback.h"
#include "model/data/row_encoder.h"

struct ob_intake {
    const char *path;
    struct ob_row_encoder *encoder;
    uint32_t shard, shards; /* keep rows with row number mod shards = shard; shards 0 or 1: all */
    struct ob_pool *pool;   /* NULL: one thread */
    /* Hears of each row, in the file's order; with it, a bad row does not end the reading. NULL: nobody does. */
    void (*report)(void *context, const struct ob_row_report *report);
    void *context;
    const struct ob_progress_callback *progress; /* NULL: nobody */
};

/* ret_skipped: rows without a target. */
OB_MUST_USE enum ob_err ob_intake_rows(const struct ob_intake *intake, struct ob_token_store *store,
                                       size_t *ret_skipped, struct ob_error *error);

#endif
