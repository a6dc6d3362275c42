#include "model/tokenizer/vocab.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "model/tokenizer/json.h"
#include "model/tokenizer/utf8.h"

static bool stands_for_itself(uint32_t byte) {
    return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
}

/* The other 68 bytes are 0x00-0x20, 0x7f-0xa0 and 0xad, from U+0100 on. */
size_t ob_byte_level_encode(uint8_t byte, char ret_text[static 4]) {
    uint32_t character = byte;
    if (!stands_for_itself(byte))
        character = byte <= 0x20 ? 0x100u + byte : byte <= 0xa0 ? 0x121u + byte - 0x7f : 0x143u;
    return ob_utf8_encode(character, ret_text);
}

static bool byte_level_decode(uint32_t character, char *ret_byte) {
    uint32_t byte;
    if (character < 0x100 && stands_for_itself(character))
        byte = character;
    else if (character >= 0x100 && character <= 0x120)
        byte = character - 0x100;
    else if (character >= 0x121 && character <= 0x142)
        byte = character - 0x121 + 0x7f;
    else if (character == 0x143)
        byte = 0xad;
    else
        return false;
    *ret_byte = (char)(uint8_t)byte;
    return true;
}

void ob_byte_piece_encode(uint8_t byte, char ret_text[static OB_BYTE_PIECE_BYTES]) {
    static const char DIGITS[] = "0123456789ABCDEF";
    const char text[OB_BYTE_PIECE_BYTES] = {'<', '0', 'x', DIGITS[byte >> 4], DIGITS[byte & 15], '>'};
    memcpy(ret_text, text, sizeof text);
}

/* True when the key is <0xHH>. */
static bool byte_piece_decode(const char *key, size_t bytes, char *ret_byte) {
    if (bytes != OB_BYTE_PIECE_BYTES)
        return false;
    for (unsigned byte = 0; byte < 256; byte++) {
        char spelled[OB_BYTE_PIECE_BYTES];
        ob_byte_piece_encode((uint8_t)byte, spelled);
        *ret_byte = (char)(uint8_t)byte;
        if (memcmp(spelled, key, sizeof spelled) == 0)
            return true;
    }
    return false;
}

static size_t piece_to_text(const char *key, size_t bytes, char *ret_text) {
    static const size_t SPACE_BYTES = sizeof OB_SPACE_PIECE - 1;
    if (byte_piece_decode(key, bytes, ret_text))
        return 1;
    size_t used = 0;
    for (size_t at = 0; at < bytes;) {
        bool space = bytes - at >= SPACE_BYTES && memcmp(key + at, OB_SPACE_PIECE, SPACE_BYTES) == 0;
        ret_text[used++] = space ? ' ' : key[at];
        at += space ? SPACE_BYTES : 1;
    }
    return used;
}

/* The text of a key into `ret_text` (as long as the key is enough); SIZE_MAX when the key is not in the
 * byte alphabet. */
static size_t key_to_text(const char *key, size_t bytes, char *ret_text) {
    size_t used = 0;
    for (size_t at = 0; at < bytes;) {
        uint32_t character;
        size_t length = ob_utf8_decode(key + at, bytes - at, &character);
        if (length == 0 || !byte_level_decode(character, &ret_text[used]))
            return SIZE_MAX;
        used++;
        at += length;
    }
    return used;
}

enum ob_err ob_vocab_init(struct ob_vocab *vocab, size_t ids, size_t keys, size_t bytes,
                          struct ob_error *error) {
    assert(ids <= OB_TOKEN_IDS_MAX && bytes < UINT32_MAX / 2);
    size_t slots = 16;
    while (slots < 2 * keys)
        slots *= 2;
    *vocab = (struct ob_vocab){.ids = ids, .arena_bytes = 2 * bytes, .slots_mask = slots - 1};
    vocab->tokens = calloc(ids + 1, sizeof *vocab->tokens);
    vocab->arena = malloc(vocab->arena_bytes + 1);
    vocab->slots = calloc(slots, sizeof *vocab->slots);
    if (vocab->tokens == NULL || vocab->arena == NULL || vocab->slots == NULL) {
        ob_vocab_done(vocab);
        return ob_fail(error, OB_ENOMEM, "not enough memory for a vocabulary of %zu tokens", ids);
    }
    return OB_OK;
}

void ob_vocab_done(struct ob_vocab *vocab) {
    free(vocab->tokens);
    free(vocab->arena);
    free(vocab->slots);
    *vocab = (struct ob_vocab){0};
}

static size_t hash(const char *key, size_t bytes) {
    uint64_t value = 0xcbf29ce484222325; /* FNV-1a, then folded: the low bits alone are weak */
    for (size_t i = 0; i < bytes; i++)
        value = (value ^ (uint8_t)key[i]) * 0x100000001b3;
    return (size_t)(value ^ value >> 32);
}

static uint32_t *slot_of(const struct ob_vocab *vocab, const char *key, size_t bytes) {
    for (size_t i = hash(key, bytes);; i++) {
        uint32_t *slot = &vocab->slots[i & vocab->slots_mask];
        if (*slot == 0)
            return slot;
        const struct ob_token *token = &vocab->tokens[*slot - 1];
        if (token->key_bytes == bytes && memcmp(vocab->arena + token->key, key, bytes) == 0)
            return slot;
    }
}

int32_t ob_vocab_find(const struct ob_vocab *vocab, const char *key, size_t bytes) {
    return (int32_t)*slot_of(vocab, key, bytes) - 1;
}

/* The text of what stands at `key` in the arena, at the arena's end. */
static void spell(struct ob_vocab *vocab, struct ob_token *token, uint32_t key, size_t bytes,
                  enum ob_spelling spelling) {
    assert(vocab->arena_used + bytes <= vocab->arena_bytes);
    char *text = vocab->arena + vocab->arena_used;
    size_t text_bytes = spelling == OB_SPELLING_BYTES    ? key_to_text(vocab->arena + key, bytes, text)
                        : spelling == OB_SPELLING_PIECES ? piece_to_text(vocab->arena + key, bytes, text)
                                                         : SIZE_MAX;
    token->text = text_bytes == SIZE_MAX ? key : (uint32_t)vocab->arena_used;
    token->text_bytes = (uint32_t)(text_bytes == SIZE_MAX ? bytes : text_bytes);
    vocab->arena_used += text_bytes == SIZE_MAX ? 0 : text_bytes;
}

enum ob_err ob_vocab_add(struct ob_vocab *vocab, int32_t id, const char *key, size_t bytes,
                         enum ob_spelling spelling, struct ob_error *error) {
    assert(id >= 0 && (size_t)id < vocab->ids);
    assert(vocab->arena_used + 2 * bytes <= vocab->arena_bytes);
    char quote[OB_QUOTE_BYTES];
    struct ob_token *token = &vocab->tokens[id];
    if (token->present)
        return ob_fail(error, OB_EFORMAT, "id %d of token \"%s\" is already taken by another token", id,
                       ob_utf8_quote(key, bytes, quote));
    uint32_t *slot = slot_of(vocab, key, bytes);
    if (*slot != 0)
        return ob_fail(error, OB_EFORMAT, "token \"%s\" has two ids, %u and %d",
                       ob_utf8_quote(key, bytes, quote), *slot - 1, id);
    *token = (struct ob_token){.key = (uint32_t)vocab->arena_used, .key_bytes = (uint32_t)bytes};
    memcpy(vocab->arena + vocab->arena_used, key, bytes);
    vocab->arena_used += bytes;
    spell(vocab, token, token->key, bytes, spelling);
    token->present = true;
    *slot = (uint32_t)id + 1;
    if (bytes > vocab->key_bytes_max)
        vocab->key_bytes_max = bytes;
    return OB_OK;
}

enum ob_err ob_vocab_respell(struct ob_vocab *vocab, int32_t id, const char *key, size_t bytes,
                             enum ob_spelling spelling, struct ob_error *error) {
    struct ob_token *token = &vocab->tokens[id];
    assert(token->present);
    size_t wanted = vocab->arena_used + 2 * bytes;
    if (wanted > vocab->arena_bytes) {
        size_t more = wanted + wanted / 2;
        char *arena = more < UINT32_MAX ? realloc(vocab->arena, more) : NULL;
        if (arena == NULL)
            return ob_fail(error, OB_ENOMEM, "not enough memory for a vocabulary of %zu bytes", more);
        vocab->arena = arena;
        vocab->arena_bytes = more;
    }
    memcpy(vocab->arena + vocab->arena_used, key, bytes);
    vocab->arena_used += bytes;
    spell(vocab, token, (uint32_t)(vocab->arena_used - bytes), bytes, spelling);
    return OB_OK;
}

/* ---- from a tokenizer.json ---- */

struct size {
    size_t ids, keys, bytes;
};

static enum ob_err check_id(const json_t *id, const char *key, size_t bytes, struct ob_error *error) {
    char quote[OB_QUOTE_BYTES];
    if (!json_is_integer(id))
        return ob_fail(error, OB_EFORMAT, "the id of token \"%s\" is not a whole number",
                       ob_utf8_quote(key, bytes, quote));
    json_int_t value = json_integer_value(id);
    if (value < 0 || value >= OB_TOKEN_IDS_MAX)
        return ob_fail(error, value < 0 ? OB_EFORMAT : OB_ETOOBIG,
                       "the id %lld of token \"%s\" is not in [0, %u)", (long long)value,
                       ob_utf8_quote(key, bytes, quote), OB_TOKEN_IDS_MAX);
    return OB_OK;
}

static void size_add(struct size *size, json_int_t id, size_t bytes) {
    if ((size_t)id >= size->ids)
        size->ids = (size_t)id + 1;
    size->keys++;
    size->bytes += bytes;
}

static enum ob_err measure_vocab(const json_t *vocab, struct size *size, struct ob_error *error) {
    const char *key;
    size_t bytes;
    json_t *id;
    json_object_keylen_foreach((json_t *)vocab, key, bytes, id) {
        enum ob_err err = check_id(id, key, bytes, error);
        if (err != OB_OK)
            return err;
        size_add(size, json_integer_value(id), bytes);
    }
    return OB_OK;
}

static enum ob_err measure_added(const json_t *added, struct size *size, struct ob_error *error) {
    for (size_t i = 0; i < json_array_size(added); i++) {
        const json_t *token = json_array_get(added, i);
        const json_t *content = ob_json_field(token, "content");
        if (!json_is_string(content) || json_string_length(content) == 0)
            return ob_fail(error, OB_EFORMAT, "added token %zu has no \"content\"", i);
        const char *text = json_string_value(content);
        size_t bytes = json_string_length(content);
        enum ob_err err = check_id(ob_json_field(token, "id"), text, bytes, error);
        if (err != OB_OK)
            return err;
        size_add(size, json_integer_value(ob_json_field(token, "id")), bytes);
    }
    return OB_OK;
}

static enum ob_err enter_vocab(struct ob_vocab *vocab, const json_t *field, enum ob_spelling spelling,
                               struct ob_error *error) {
    const char *key;
    size_t bytes;
    json_t *id;
    json_object_keylen_foreach((json_t *)field, key, bytes, id) {
        enum ob_err err = ob_vocab_add(vocab, (int32_t)json_integer_value(id), key, bytes, spelling, error);
        if (err != OB_OK)
            return err;
    }
    return OB_OK;
}

enum ob_err ob_vocab_read(struct ob_vocab *vocab, const json_t *field, const json_t *added,
                          enum ob_spelling spelling, struct ob_error *error) {
    struct size size = {0};
    if (!json_is_object(field))
        return ob_fail(error, OB_EFORMAT, "the model has no \"vocab\"");
    if (added != NULL && !json_is_array(added))
        return ob_fail(error, OB_EFORMAT, "\"added_tokens\" is not an array");
    enum ob_err err = measure_vocab(field, &size, error);
    if (err == OB_OK)
        err = measure_added(added, &size, error);
    if (err == OB_OK)
        err = ob_vocab_init(vocab, size.ids, size.keys, size.bytes, error);
    return err != OB_OK ? err : enter_vocab(vocab, field, spelling, error);
}
