#include "model/data/token_store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

void ob_token_store_done(struct ob_token_store *store) {
    free(store->tokens);
    free(store->loss_mask);
    free(store->sequences);
    free(store->items);
    *store = (struct ob_token_store){0};
}

void ob_token_store_clear(struct ob_token_store *store) {
    store->tokens_count = store->sequences_count = store->items_count = 0;
}

/* Room for one sequence of so many tokens. */
static enum ob_err reserve(struct ob_token_store *store, size_t tokens, struct ob_error *error) {
    assert(tokens >= 2);
    if (store->sequences_count == UINT32_MAX)
        return ob_fail(error, OB_ETOOBIG, "more than %u sequences", UINT32_MAX);
    if (!ob_array_reserve(&store->tokens, store->tokens_count, tokens, sizeof *store->tokens,
                          &store->tokens_max) ||
        !ob_array_reserve(&store->loss_mask, store->tokens_count, tokens, 1, &store->loss_mask_max) ||
        !ob_array_reserve(&store->sequences, store->sequences_count, 1, sizeof *store->sequences,
                          &store->sequences_max))
        return ob_fail(error, OB_ENOMEM, "not enough memory for its tokens");
    return OB_OK;
}

/* What has been written behind the store's tokens is a sequence. */
static void enter_sequence(struct ob_token_store *store, size_t tokens) {
    store->loss_mask[store->tokens_count] = 0; /* nothing predicts it */
    store->sequences[store->sequences_count++] =
        (struct ob_sequence){.start = store->tokens_count, .count = (uint32_t)tokens};
    store->tokens_count += tokens;
}

enum ob_err ob_token_store_add(struct ob_token_store *store, const struct ob_token_span *spans, size_t count,
                               struct ob_error *error) {
    size_t tokens = 0;
    for (size_t i = 0; i < count; i++)
        tokens += spans[i].count;
    enum ob_err err = reserve(store, tokens, error);
    if (err != OB_OK)
        return err;
    size_t at = store->tokens_count;
    for (size_t i = 0; i < count; i++) {
        if (spans[i].count > 0)
            memcpy(store->tokens + at, spans[i].ids, spans[i].count * sizeof *store->tokens);
        memset(store->loss_mask + at, spans[i].targets, spans[i].count);
        at += spans[i].count;
    }
    enter_sequence(store, tokens);
    return OB_OK;
}

enum ob_err ob_token_store_add_masked(struct ob_token_store *store, const int32_t *ids,
                                      const uint8_t *loss_mask, size_t count, struct ob_error *error) {
    enum ob_err err = reserve(store, count, error);
    if (err != OB_OK)
        return err;
    memcpy(store->tokens + store->tokens_count, ids, count * sizeof *ids);
    memcpy(store->loss_mask + store->tokens_count, loss_mask, count);
    enter_sequence(store, count);
    return OB_OK;
}

enum ob_err ob_token_store_add_item(struct ob_token_store *store, size_t count, uint32_t label,
                                    struct ob_error *error) {
    assert(count >= 2 && label < count && count <= store->sequences_count);
    if (!ob_array_reserve(&store->items, store->items_count, 1, sizeof *store->items, &store->items_max))
        return ob_fail(error, OB_ENOMEM, "not enough memory for its choices");
    size_t first = store->sequences_count - count;
    store->items[store->items_count++] = (struct ob_choice_item){(uint32_t)first, (uint32_t)count, label};
    return OB_OK;
}

static enum ob_err append_items(struct ob_token_store *store, const struct ob_token_store *from,
                                size_t first_sequence, size_t first_item, size_t items,
                                struct ob_error *error) {
    size_t offset = store->sequences_count;
    if (items > 0 &&
        !ob_array_reserve(&store->items, store->items_count, items, sizeof *store->items, &store->items_max))
        return ob_fail(error, OB_ENOMEM, "not enough memory for its choices");
    for (size_t i = first_item; i < first_item + items; i++) {
        struct ob_choice_item item = from->items[i];
        assert(item.first >= first_sequence);
        item.first = (uint32_t)(item.first - first_sequence + offset);
        store->items[store->items_count++] = item;
    }
    return OB_OK;
}

enum ob_err ob_token_store_append(struct ob_token_store *store, const struct ob_token_store *from,
                                  size_t first_sequence, size_t sequences, size_t first_item, size_t items,
                                  struct ob_error *error) {
    enum ob_err err = append_items(store, from, first_sequence, first_item, items, error);
    for (size_t i = first_sequence; err == OB_OK && i < first_sequence + sequences; i++) {
        const struct ob_sequence *sequence = &from->sequences[i];
        err = ob_token_store_add_masked(store, from->tokens + sequence->start,
                                        from->loss_mask + sequence->start, sequence->count, error);
    }
    return err;
}
