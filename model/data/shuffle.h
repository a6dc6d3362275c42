/* shuffle - an endless shuffled order of `items` things, without a list.
 *
 * Epoch e visits each item once, in the order of a permutation of [0, items) that is keyed by (seed, e): a
 * Feistel network of eight rounds over the smallest even number of bits that holds the items, applied again until
 * its result lies inside (on average less than four steps). Its round function and its keys are splitmix64, in
 * integers, so that a seed means the same order everywhere. An epoch has ceil(items / sequences) mini-batches, whose
 * sizes differ by at most one.
 *
 * Owns:    nothing.
 * Source:  Black and Rogaway 2002 (cycle walking), Steele et al. 2014 (splitmix64). */
#ifndef OB_MODEL_DATA_SHUFFLE_H
#define OB_MODEL_DATA_SHUFFLE_H

#include <stddef.h>
#include <stdint.h>

struct ob_shuffle_batch {
    uint64_t epoch;
    uint64_t first, count; /* places of the mini-batch in the epoch's order */
};

/* The seed of somebody's own order: the first 8 bytes of BLAKE2b-128(key = "onebyte/rows", le64(seed) ‖ owner). */
uint64_t ob_shuffle_seed(uint64_t seed, const uint8_t *owner, size_t bytes);
/* Where mini-batch number `draw` is. items and sequences are at least 1. */
struct ob_shuffle_batch ob_shuffle_batch(uint64_t items, uint64_t sequences, uint64_t draw);
/* The item at a place in [0, items) of an epoch's order. */
uint64_t ob_shuffle_item(uint64_t items, uint64_t seed, uint64_t epoch, uint64_t place);

#endif
