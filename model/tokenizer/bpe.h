/* bpe - the `model` of a tokenizer.json: the byte pair encoding of one piece of text.
 *
 * Starts with one token for each byte (or, among pieces, for each character; one that is no token, and a byte
 * that is not UTF-8, becomes its bytes' tokens; a byte without a token is left out, as in `tokenizers`) and
 * merges, again and again, the neighbours whose merge comes first in the list; of equal ones the leftmost. A
 * heap of candidates over a linked list: a piece of n bytes costs O(n log n), however long it is.
 *
 * Errors:  OB_ENOMEM; reading: OB_EFORMAT, OB_EUNSUPPORTED, OB_ETOOBIG.
 * Owns:    `struct ob_bpe` its tables; `struct ob_bpe_work` is one caller's scratch and grows.
 * Threads: a bpe is read-only once filled; a work and an id list belong to one thread. */
#ifndef OB_MODEL_TOKENIZER_BPE_H
#define OB_MODEL_TOKENIZER_BPE_H

#include "model/tokenizer/vocab.h"

#define OB_BPE_PIECE_MAX (1u << 30) /* bytes of one piece */
#define OB_BPE_WHOLE_MAX 1024       /* bytes of the longest key, when whole_first */

struct ob_merge {
    uint64_t pair; /* left id << 32 | right id; UINT64_MAX: empty */
    uint32_t rank;
    int32_t id; /* of the two joined */
};

struct ob_bpe {
    struct ob_merge *slots;
    size_t slots_mask;
    int32_t byte_ids[256]; /* -1: this byte has no token */
    bool pieces;           /* the vocabulary is spelled in pieces */
    bool whole_first;      /* `ignore_merges`: a piece that is a token stays one */
};

struct ob_ids {
    int32_t *data;
    size_t count, capacity;
};

struct ob_bpe_symbol {
    int32_t id; /* -1: joined to its left neighbour */
    uint32_t before, after;
};

#define OB_BPE_CACHED_BYTES 26
#define OB_BPE_CACHED_IDS   9
#define OB_BPE_CACHE_SLOTS  (1u << 14)

/* What a short piece became: 64 bytes, one cache line. A piece always becomes the same. */
struct ob_bpe_cached {
    uint8_t bytes, ids; /* bytes 0: empty */
    char piece[OB_BPE_CACHED_BYTES];
    int32_t id[OB_BPE_CACHED_IDS];
};

struct ob_bpe_work {
    struct ob_bpe_symbol *symbols;
    uint64_t *heap; /* rank << 32 | position of the left symbol */
    size_t symbols_max, heap_used;
    struct ob_bpe_cached *cache; /* (OB_BPE_CACHE_SLOTS), or NULL: nothing is remembered */
};

/* The whole of `model`: the vocabulary first, with room for `added` (ob_vocab_read). On failure the caller still
 * calls both done functions. */
OB_MUST_USE enum ob_err ob_bpe_read(struct ob_bpe *bpe, struct ob_vocab *vocab, const json_t *model,
                                    const json_t *added, bool byte_level, struct ob_error *error);
/* Room for `merges` of them; the bytes' tokens are looked up in `vocab`. */
OB_MUST_USE enum ob_err ob_bpe_init(struct ob_bpe *bpe, const struct ob_vocab *vocab, bool pieces,
                                    size_t merges, struct ob_error *error);
void ob_bpe_done(struct ob_bpe *bpe);
/* A pair that comes twice counts with its last rank, as in `tokenizers`. */
void ob_bpe_add(struct ob_bpe *bpe, int32_t left, int32_t right, uint32_t rank, int32_t id);

/* Appends the piece's ids. */
OB_MUST_USE enum ob_err ob_bpe_piece(const struct ob_bpe *bpe, const struct ob_vocab *vocab,
                                     struct ob_bpe_work *work, const char *piece, size_t bytes,
                                     struct ob_ids *ids, struct ob_error *error);
/* From now on short pieces are remembered. The work then belongs to one bpe. */
OB_MUST_USE enum ob_err ob_bpe_work_remember(struct ob_bpe_work *work, struct ob_error *error);
void ob_bpe_work_done(struct ob_bpe_work *work);
OB_MUST_USE enum ob_err ob_ids_append(struct ob_ids *ids, int32_t id, struct ob_error *error);

#endif
