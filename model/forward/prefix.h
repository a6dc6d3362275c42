/* prefix - the states that sequences have after the layers that nothing trains: they are the same for every
 * direction and every epoch, so they are kept, first in memory, then in a file that has no name.
 *
 * What is kept is never thrown out again to make room: rows come back once an epoch, and whoever throws out
 * the oldest throws out the next. When both places are full, further states are computed anew each time.
 * Key: BLAKE2b-128 of the tokens, keyed with their first position. Value: (tokens, width) float32, exactly as they were computed.
 *
 * Errors:  OB_ENOMEM; OB_EIO names the folder. A disk that is full later is no error: nothing more is kept.
 * Owns:    its memory and the file, which is gone when the process is.
 * Threads: one caller at a time. */
#ifndef OB_MODEL_FORWARD_PREFIX_H
#define OB_MODEL_FORWARD_PREFIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct ob_prefix;

struct ob_prefix_counters {
    uint64_t hits, misses; /* sequences */
    size_t memory_bytes, file_bytes;
};

/* folder: of the file; NULL, or file_bytes 0: memory alone. */
OB_MUST_USE enum ob_err ob_prefix_new(size_t width, size_t memory_bytes, const char *folder,
                                      size_t file_bytes, struct ob_prefix **ret_prefix,
                                      struct ob_error *error);
void ob_prefix_free(struct ob_prefix *prefix);
/* Forgets everything: the model, its layers or the products are others now. */
void ob_prefix_clear(struct ob_prefix *prefix);
/* The states of a sequence, valid until clear; NULL: they are not kept. Counts. `position`: the row of its first token
 * in the tables of positions, which long sequences have of their own. */
const float *ob_prefix_get(struct ob_prefix *prefix, const int32_t *tokens, size_t count, uint32_t position);
/* Keeps them when there is room. The sequence is not there yet. */
void ob_prefix_put(struct ob_prefix *prefix, const int32_t *tokens, size_t count, uint32_t position,
                   const float *states);
struct ob_prefix_counters ob_prefix_counters(const struct ob_prefix *prefix);

#endif
