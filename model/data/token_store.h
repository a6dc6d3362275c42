/* token_store - sequences of tokens, one behind another, with their loss mask; and items of several sequences.
 *
 * Shapes:  tokens (T) i32, loss_mask (T) u8: 1 when the token is a target; never that of a sequence's first token.
 * Errors:  OB_ENOMEM, OB_ETOOBIG.
 * Owns:    its arrays; done accepts a zeroed store.
 * Threads: one at a time while it grows. */
#ifndef OB_MODEL_DATA_TOKEN_STORE_H
#define OB_MODEL_DATA_TOKEN_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct ob_sequence {
    uint64_t start; /* in the tokens */
    uint32_t count; /* at least 2 */
};

struct ob_choice_item { /* sequences [first, first + count) are the candidates of one row */
    uint32_t first, count, label;
};

struct ob_token_store {
    int32_t *tokens;
    uint8_t *loss_mask;
    size_t tokens_count, tokens_max, loss_mask_max;
    struct ob_sequence *sequences;
    size_t sequences_count, sequences_max;
    struct ob_choice_item *items; /* empty: each sequence is an item */
    size_t items_count, items_max;
};

/* A part of a sequence: ids that are all targets, or none. */
struct ob_token_span {
    const int32_t *ids;
    size_t count;
    bool targets;
};

void ob_token_store_done(struct ob_token_store *store);
/* Empties it and keeps its arrays. */
void ob_token_store_clear(struct ob_token_store *store);
/* Appends some of another store's sequences and those of its items that consist of them. */
OB_MUST_USE enum ob_err ob_token_store_append(struct ob_token_store *store, const struct ob_token_store *from,
                                              size_t first_sequence, size_t sequences, size_t first_item,
                                              size_t items, struct ob_error *error);
/* Appends one sequence, of the spans after one another, in all at least 2 tokens. */
OB_MUST_USE enum ob_err ob_token_store_add(struct ob_token_store *store, const struct ob_token_span *spans,
                                           size_t count, struct ob_error *error);
/* The same with the loss mask given. */
OB_MUST_USE enum ob_err ob_token_store_add_masked(struct ob_token_store *store, const int32_t *ids,
                                                  const uint8_t *loss_mask, size_t count,
                                                  struct ob_error *error);
/* Makes the last `count` sequences, at least 2, one item. */
OB_MUST_USE enum ob_err ob_token_store_add_item(struct ob_token_store *store, size_t count, uint32_t label,
                                                struct ob_error *error);

#endif
