/* prefix - caches the states of sequences after the frozen layers. They are the same for every direction and
 * every epoch. They are kept first in memory, then in an unnamed file.
 *
 * Nothing is evicted: each row returns once an epoch, so the oldest is the next to be needed. When both places
 * are full, further states are recomputed each time.
 * Key: BLAKE2b-128 of the tokens, keyed with their first position. Value: (tokens, width) float32,
 * exactly as computed.
 *
 * Errors:  OB_ENOMEM; OB_EIO names the folder. A disk that fills up later is not an error: nothing more is kept.
 * Owns:    its memory and the file, which disappears with the process.
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
/* Forgets everything: the model, its layers or the products have changed. */
void ob_prefix_clear(struct ob_prefix *prefix);
/* The states of a sequence, valid until clear; NULL: they are not kept. Counts a hit or a miss. `position`: the row of
 * its first token in the tables of positions, of which long sequences have their own. */
const float *ob_prefix_get(struct ob_prefix *prefix, const int32_t *tokens, size_t count, uint32_t position);
/* Keeps them if there is room. The sequence must not be present yet. */
void ob_prefix_put(struct ob_prefix *prefix, const int32_t *tokens, size_t count, uint32_t position,
                   const float *states);
struct ob_prefix_counters ob_prefix_counters(const struct ob_prefix *prefix);

#endif
