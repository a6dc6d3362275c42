/* cache - the tokens of a row file, kept on the disk so that the next start need not make them again.
 *
 * One file, little-endian; as hostile as any other: it is used only if all of it is as described here.
 */
/* clang-format off */
/*
 *     OFFSET   SIZE  MEANING
 *     0        8     "OBROWS", 0, 1 (the version of this format)
 *     8        32    key: of the row file's bytes, the tokenizer, and all that decides what becomes of a row
 *     40       8     T, tokens
 *     48       8     S, sequences
 *     56       8     I, items: 0, or all sequences belong to items, in their order
 *     64       8     rows that were skipped
 *     72       4T    token ids, each below the tokenizer's vocabulary and the model's embedding
 *              4S    tokens of each sequence: 2 to the run's length, T in all
 *              12I   of each item: its first sequence, their number (2 to 256), the label
 *              T     loss mask, 0 or 1: 0 at the start of a sequence, at least one 1 in each
 *              32    BLAKE2b-256 of all bytes before
 */
/* clang-format on */
/*
 * Errors:  reading: OB_ENOTFOUND, OB_EMISMATCH (of another key: stale), OB_EFORMAT (damaged), OB_EIO, OB_ENOMEM,
 *          OB_ESTATE (told to stop). Writing: OB_EIO, OB_EFULL. Messages name the file.
 * Owns:    the store is the caller's, also after a failure untouched.
 * Threads: pure functions. */
#ifndef OB_MODEL_DATA_CACHE_H
#define OB_MODEL_DATA_CACHE_H

#include "base/progress_callback.h"
#include "model/data/token_store.h"

#define OB_CACHE_KEY_BYTES 32

struct ob_cache_bounds {
    uint8_t key[OB_CACHE_KEY_BYTES];
    uint32_t vocabulary; /* ids are below it */
    size_t length_max;
};

OB_MUST_USE enum ob_err ob_cache_read(const char *path, const struct ob_cache_bounds *bounds,
                                      struct ob_token_store *ret_store, size_t *ret_skipped,
                                      struct ob_error *error);
/* Whole or not at all. OB_EFULL, before anything is written, when less than as much again and 256 MiB would stay free. */
OB_MUST_USE enum ob_err ob_cache_write(const char *path, const uint8_t key[static OB_CACHE_KEY_BYTES],
                                       const struct ob_token_store *store, size_t skipped,
                                       struct ob_error *error);

#endif
