#include "model/tokenizer/bpe.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "model/tokenizer/json.h"
#include "model/tokenizer/utf8.h"

#define NONE UINT32_MAX /* no neighbour */

static int32_t byte_id(const struct ob_vocab *vocab, bool pieces, uint8_t byte) {
    char key[OB_BYTE_PIECE_BYTES];
    if (!pieces)
        return ob_vocab_find(vocab, key, ob_byte_level_encode(byte, key));
    ob_byte_piece_encode(byte, key);
    return ob_vocab_find(vocab, key, sizeof key);
}

enum ob_err ob_bpe_init(struct ob_bpe *bpe, const struct ob_vocab *vocab, bool pieces, size_t merges,
                        struct ob_error *error) {
    size_t slots = 16;
    while (slots < 2 * merges)
        slots *= 2;
    *bpe = (struct ob_bpe){
        .slots = malloc(slots * sizeof *bpe->slots), .slots_mask = slots - 1, .pieces = pieces};
    if (bpe->slots == NULL)
        return ob_fail(error, OB_ENOMEM, "not enough memory for %zu merges", merges);
    for (size_t i = 0; i < slots; i++)
        bpe->slots[i].pair = UINT64_MAX;
    for (unsigned byte = 0; byte < 256; byte++)
        bpe->byte_ids[byte] = byte_id(vocab, pieces, (uint8_t)byte);
    return OB_OK;
}

void ob_bpe_done(struct ob_bpe *bpe) {
    free(bpe->slots);
    *bpe = (struct ob_bpe){0};
}

static struct ob_merge *slot_of(const struct ob_bpe *bpe, int32_t left, int32_t right) {
    uint64_t pair = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    uint64_t hash = (pair ^ pair >> 29) * 0xbf58476d1ce4e5b9;
    for (size_t i = (size_t)(hash >> 32 ^ hash);; i++) {
        struct ob_merge *slot = &bpe->slots[i & bpe->slots_mask];
        if (slot->pair == pair || slot->pair == UINT64_MAX)
            return slot;
    }
}

void ob_bpe_add(struct ob_bpe *bpe, int32_t left, int32_t right, uint32_t rank, int32_t id) {
    assert(left >= 0 && right >= 0 && id >= 0);
    *slot_of(bpe, left, right) =
        (struct ob_merge){(uint64_t)(uint32_t)left << 32 | (uint32_t)right, rank, id};
}

enum ob_err ob_ids_append(struct ob_ids *ids, int32_t id, struct ob_error *error) {
    if (ids->count == ids->capacity) {
        size_t capacity = ids->capacity == 0 ? 64 : 2 * ids->capacity;
        int32_t *data = reallocarray(ids->data, capacity, sizeof *data);
        if (data == NULL)
            return ob_fail(error, OB_ENOMEM, "not enough memory for %zu tokens", capacity);
        ids->data = data;
        ids->capacity = capacity;
    }
    ids->data[ids->count++] = id;
    return OB_OK;
}

static void free_scratch(struct ob_bpe_work *work) {
    free(work->symbols);
    free(work->heap);
    work->symbols = NULL;
    work->heap = NULL;
    work->symbols_max = 0;
}

void ob_bpe_work_done(struct ob_bpe_work *work) {
    free_scratch(work);
    free(work->cache);
    *work = (struct ob_bpe_work){0};
}

enum ob_err ob_bpe_work_remember(struct ob_bpe_work *work, struct ob_error *error) {
    assert(work->cache == NULL);
    work->cache = calloc(OB_BPE_CACHE_SLOTS, sizeof *work->cache);
    return work->cache != NULL ? OB_OK : ob_fail(error, OB_ENOMEM, "not enough memory to encode texts");
}

static struct ob_bpe_cached *cache_slot(const struct ob_bpe_work *work, const char *piece, size_t bytes) {
    uint64_t words[4] = {0}, hash = bytes;
    memcpy(words, piece, bytes);
    for (int i = 0; i < 4; i++)
        hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15 ^ hash >> 29;
    return &work->cache[(hash >> 32) % OB_BPE_CACHE_SLOTS];
}

/* False: not remembered. */
static bool recall(const struct ob_bpe_work *work, const char *piece, size_t bytes, struct ob_ids *ids,
                   enum ob_err *ret_err, struct ob_error *error) {
    if (work->cache == NULL || bytes > OB_BPE_CACHED_BYTES)
        return false;
    const struct ob_bpe_cached *slot = cache_slot(work, piece, bytes);
    if (slot->bytes != bytes || memcmp(slot->piece, piece, bytes) != 0)
        return false;
    *ret_err = OB_OK;
    for (size_t i = 0; *ret_err == OB_OK && i < slot->ids; i++)
        *ret_err = ob_ids_append(ids, slot->id[i], error);
    return true;
}

static void remember(const struct ob_bpe_work *work, const char *piece, size_t bytes, const int32_t *ids,
                     size_t count) {
    if (work->cache == NULL || bytes > OB_BPE_CACHED_BYTES || count > OB_BPE_CACHED_IDS)
        return;
    struct ob_bpe_cached *slot = cache_slot(work, piece, bytes);
    slot->bytes = (uint8_t)bytes;
    slot->ids = (uint8_t)count;
    memcpy(slot->piece, piece, bytes);
    if (ids != NULL && count > 0)
        memcpy(slot->id, ids, count * sizeof *ids);
}

static enum ob_err work_reserve(struct ob_bpe_work *work, size_t symbols, struct ob_error *error) {
    if (symbols <= work->symbols_max)
        return OB_OK;
    free_scratch(work);
    size_t wanted = symbols < 128 ? 128 : symbols + symbols / 2;
    work->symbols = calloc(wanted, sizeof *work->symbols);
    /* A candidate for each pair at the start, and at most two more for each merge. */
    work->heap = calloc(wanted, 3 * sizeof *work->heap);
    if (work->symbols == NULL || work->heap == NULL) {
        free_scratch(work);
        return ob_fail(error, OB_ENOMEM, "not enough memory for a piece of %zu bytes", symbols);
    }
    work->symbols_max = wanted;
    return OB_OK;
}

static void heap_push(struct ob_bpe_work *work, uint64_t value) {
    assert(work->heap_used < 3 * work->symbols_max);
    size_t at = work->heap_used++;
    while (at > 0 && work->heap[(at - 1) / 2] > value) {
        work->heap[at] = work->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    work->heap[at] = value;
}

static uint64_t heap_pop(struct ob_bpe_work *work) {
    uint64_t *heap = work->heap, top = heap[0], last = heap[--work->heap_used];
    size_t at = 0, child;
    while ((child = 2 * at + 1) < work->heap_used) {
        if (child + 1 < work->heap_used && heap[child + 1] < heap[child])
            child++;
        if (heap[child] >= last)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return top;
}

/* The merge of the symbol at `left` with the one after it, or NULL. */
static const struct ob_merge *merge_at(const struct ob_bpe *bpe, const struct ob_bpe_work *work,
                                       uint32_t left) {
    const struct ob_bpe_symbol *symbol = &work->symbols[left];
    if (symbol->id < 0 || symbol->after == NONE)
        return NULL;
    const struct ob_merge *merge = slot_of(bpe, symbol->id, work->symbols[symbol->after].id);
    return merge->pair == UINT64_MAX ? NULL : merge;
}

static void consider(const struct ob_bpe *bpe, struct ob_bpe_work *work, uint32_t left) {
    const struct ob_merge *merge = left == NONE ? NULL : merge_at(bpe, work, left);
    if (merge != NULL)
        heap_push(work, (uint64_t)merge->rank << 32 | left);
}

static void join(struct ob_bpe_work *work, uint32_t left, int32_t id) {
    struct ob_bpe_symbol *symbol = &work->symbols[left], *gone = &work->symbols[symbol->after];
    symbol->id = id;
    symbol->after = gone->after;
    if (gone->after != NONE)
        work->symbols[gone->after].before = left;
    gone->id = -1;
}

static void merge_all(const struct ob_bpe *bpe, struct ob_bpe_work *work, uint32_t count) {
    work->heap_used = 0;
    for (uint32_t i = 0; i + 1 < count; i++)
        consider(bpe, work, i);
    while (work->heap_used > 0) {
        uint64_t top = heap_pop(work);
        uint32_t left = (uint32_t)top;
        /* A candidate is stale when one of its symbols has been joined to another since. */
        const struct ob_merge *merge = merge_at(bpe, work, left);
        if (merge == NULL || merge->rank != top >> 32)
            continue;
        join(work, left, merge->id);
        consider(bpe, work, work->symbols[left].before);
        consider(bpe, work, left);
    }
}

/* A token of the model: an added one is found before a text is cut, or not at all. */
static int32_t find(const struct ob_vocab *vocab, const char *key, size_t bytes) {
    int32_t id = ob_vocab_find(vocab, key, bytes);
    return id >= 0 && vocab->tokens[id].only_added ? -1 : id;
}

/* The id of a piece that is a token as a whole; -1 otherwise. */
static int32_t whole_piece(const struct ob_bpe *bpe, const struct ob_vocab *vocab, const char *piece,
                           size_t bytes) {
    if (bpe->pieces)
        return find(vocab, piece, bytes);
    char key[OB_BPE_WHOLE_MAX + 4];
    size_t used = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (used >= OB_BPE_WHOLE_MAX)
            return -1;
        used += ob_byte_level_encode((uint8_t)piece[i], key + used);
    }
    return find(vocab, key, used);
}

/* The first symbols of a piece; their number. A byte that has no token is left out. */
static uint32_t start_symbols(const struct ob_bpe *bpe, const struct ob_vocab *vocab,
                              struct ob_bpe_work *work, const char *piece, size_t bytes) {
    uint32_t count = 0;
    for (size_t at = 0; at < bytes;) {
        uint32_t character;
        size_t length = bpe->pieces ? ob_utf8_decode(piece + at, bytes - at, &character) : 0;
        int32_t id = length > 0 ? find(vocab, piece + at, length) : -1;
        if (id < 0) {
            length = 1;
            id = bpe->byte_ids[(uint8_t)piece[at]];
        }
        at += length;
        if (id < 0)
            continue;
        work->symbols[count] = (struct ob_bpe_symbol){id, count == 0 ? NONE : count - 1, count + 1};
        count++;
    }
    if (count > 0)
        work->symbols[count - 1].after = NONE;
    return count;
}

static enum ob_err merge_piece(const struct ob_bpe *bpe, const struct ob_vocab *vocab,
                               struct ob_bpe_work *work, const char *piece, size_t bytes, struct ob_ids *ids,
                               struct ob_error *error) {
    int32_t whole = bpe->whole_first ? whole_piece(bpe, vocab, piece, bytes) : -1;
    if (whole >= 0)
        return ob_ids_append(ids, whole, error);
    enum ob_err err = work_reserve(work, bytes, error);
    if (err != OB_OK)
        return err;
    uint32_t count = start_symbols(bpe, vocab, work, piece, bytes);
    merge_all(bpe, work, count);
    for (uint32_t i = count > 0 ? 0 : NONE; i != NONE && err == OB_OK; i = work->symbols[i].after)
        err = ob_ids_append(ids, work->symbols[i].id, error);
    return err;
}

enum ob_err ob_bpe_piece(const struct ob_bpe *bpe, const struct ob_vocab *vocab, struct ob_bpe_work *work,
                         const char *piece, size_t bytes, struct ob_ids *ids, struct ob_error *error) {
    assert(bytes > 0 && bytes <= OB_BPE_PIECE_MAX);
    enum ob_err err;
    if (recall(work, piece, bytes, ids, &err, error))
        return err;
    size_t first = ids->count;
    err = merge_piece(bpe, vocab, work, piece, bytes, ids, error);
    if (err == OB_OK)
        remember(work, piece, bytes, ids->count > first ? ids->data + first : NULL, ids->count - first);
    return err;
}

/* ---- from a tokenizer.json ---- */

struct span {
    const char *text;
    size_t bytes;
};

static struct span span_of(const json_t *string) {
    return (struct span){json_string_value(string), json_string_length(string)};
}

/* A merge is "left right" or ["left", "right"]. */
static bool merge_sides(const json_t *merge, struct span *ret_left, struct span *ret_right) {
    if (json_is_array(merge)) {
        const json_t *left = json_array_get(merge, 0), *right = json_array_get(merge, 1);
        if (json_array_size(merge) != 2 || !json_is_string(left) || !json_is_string(right))
            return false;
        *ret_left = span_of(left);
        *ret_right = span_of(right);
        return true;
    }
    if (!json_is_string(merge))
        return false;
    struct span both = span_of(merge);
    const char *space = memchr(both.text, ' ', both.bytes);
    if (space == NULL)
        return false;
    *ret_left = (struct span){both.text, (size_t)(space - both.text)};
    *ret_right = (struct span){space + 1, both.bytes - ret_left->bytes - 1};
    return memchr(ret_right->text, ' ', ret_right->bytes) == NULL;
}

/* `joined` is scratch for the longest key. */
static enum ob_err read_merge(struct ob_bpe *bpe, const struct ob_vocab *vocab, const json_t *merge,
                              size_t rank, char *joined, struct ob_error *error) {
    struct span sides[2];
    char quote[OB_QUOTE_BYTES];
    if (!merge_sides(merge, &sides[0], &sides[1]))
        return ob_fail(error, OB_EFORMAT, "merge %zu is not two tokens", rank);
    int32_t ids[2];
    for (int side = 0; side < 2; side++) {
        ids[side] = ob_vocab_find(vocab, sides[side].text, sides[side].bytes);
        if (ids[side] < 0)
            return ob_fail(error, OB_EFORMAT, "merge %zu has the unknown token \"%s\"", rank,
                           ob_utf8_quote(sides[side].text, sides[side].bytes, quote));
    }
    memcpy(joined, sides[0].text, sides[0].bytes);
    memcpy(joined + sides[0].bytes, sides[1].text, sides[1].bytes);
    size_t bytes = sides[0].bytes + sides[1].bytes;
    int32_t id = ob_vocab_find(vocab, joined, bytes);
    if (id < 0)
        return ob_fail(error, OB_EFORMAT, "merge %zu produces the unknown token \"%s\"", rank,
                       ob_utf8_quote(joined, bytes, quote));
    ob_bpe_add(bpe, ids[0], ids[1], (uint32_t)rank, id);
    return OB_OK;
}

static enum ob_err read_merges(struct ob_bpe *bpe, const struct ob_vocab *vocab, const json_t *field,
                               bool byte_level, struct ob_error *error) {
    size_t count = json_array_size(field);
    enum ob_err err = ob_bpe_init(bpe, vocab, !byte_level, count, error);
    if (err != OB_OK)
        return err;
    char *joined = malloc(2 * vocab->key_bytes_max + 1);
    if (joined == NULL)
        return ob_fail(error, OB_ENOMEM, "not enough memory for %zu merges", count);
    for (size_t i = 0; err == OB_OK && i < count; i++)
        err = read_merge(bpe, vocab, json_array_get(field, i), i, joined, error);
    free(joined);
    return err;
}

static bool has_all_bytes(const struct ob_bpe *bpe) {
    for (unsigned byte = 0; byte < 256; byte++)
        if (bpe->byte_ids[byte] < 0)
            return false;
    return true;
}

/* A token for the unknown, and byte fallback, mean nothing where each byte has a token. */
static enum ob_err check_bytes(const struct ob_bpe *bpe, const json_t *model, bool byte_level,
                               struct ob_error *error) {
    bool fallback;
    enum ob_err err = ob_json_bool(model, "byte_fallback", false, &fallback, error);
    if (err != OB_OK)
        return err;
    if (!byte_level && !fallback)
        return ob_fail(error, OB_EUNSUPPORTED,
                       "BPE without a ByteLevel pre_tokenizer or \"byte_fallback\" is not supported");
    if (has_all_bytes(bpe))
        return OB_OK;
    if (!byte_level)
        return ob_fail(error, OB_EUNSUPPORTED,
                       "\"byte_fallback\" without all tokens from <0x00> to <0xFF> is "
                       "not supported");
    err = ob_json_must_be_empty(model, "unk_token", error);
    return err != OB_OK ? err : ob_json_must_be_empty(model, "byte_fallback", error);
}

static enum ob_err read_options(struct ob_bpe *bpe, const struct ob_vocab *vocab, const json_t *model,
                                bool byte_level, struct ob_error *error) {
    static const char *const EMPTY[] = {"dropout", "continuing_subword_prefix", "end_of_word_suffix"};
    enum ob_err err = OB_OK;
    for (size_t i = 0; err == OB_OK && i < sizeof EMPTY / sizeof *EMPTY; i++)
        err = ob_json_must_be_empty(model, EMPTY[i], error);
    if (err == OB_OK)
        err = check_bytes(bpe, model, byte_level, error);
    if (err == OB_OK)
        err = ob_json_bool(model, "ignore_merges", false, &bpe->whole_first, error);
    if (err == OB_OK && byte_level && bpe->whole_first && vocab->key_bytes_max > OB_BPE_WHOLE_MAX)
        err = ob_fail(error, OB_ETOOBIG, "a token of %zu bytes with ignore_merges; at most %d are supported",
                      vocab->key_bytes_max, OB_BPE_WHOLE_MAX);
    return err;
}

static enum ob_err check_types(const json_t *model, struct ob_error *error) {
    if (!json_is_object(model))
        return ob_fail(error, OB_EFORMAT, "no \"model\"");
    char quote[OB_QUOTE_BYTES];
    const json_t *type = ob_json_field(model, "type"); /* not in the oldest files, which are BPE */
    if (type != NULL && !json_is_string(type))
        return ob_fail(error, OB_EFORMAT, "the model's \"type\" is not a string");
    if (type != NULL && strcmp(json_string_value(type), "BPE") != 0)
        return ob_fail(error, OB_EUNSUPPORTED, "the model \"%s\" is not supported, only BPE is",
                       ob_utf8_quote(json_string_value(type), json_string_length(type), quote));
    if (!json_is_object(ob_json_field(model, "vocab")))
        return ob_fail(error, OB_EFORMAT, "the model has no \"vocab\"");
    if (!json_is_array(ob_json_field(model, "merges")))
        return ob_fail(error, OB_EFORMAT, "the model has no \"merges\"");
    return OB_OK;
}

enum ob_err ob_bpe_read(struct ob_bpe *bpe, struct ob_vocab *vocab, const json_t *model, const json_t *added,
                        bool byte_level, struct ob_error *error) {
    enum ob_err err = check_types(model, error);
    if (err == OB_OK)
        err = ob_vocab_read(vocab, ob_json_field(model, "vocab"), added,
                            byte_level ? OB_SPELLING_BYTES : OB_SPELLING_PIECES, error);
    if (err == OB_OK)
        err = read_merges(bpe, vocab, ob_json_field(model, "merges"), byte_level, error);
    return err != OB_OK ? err : read_options(bpe, vocab, model, byte_level, error);
}
