#include "model/formats/gguf_value.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"

const char *ob_gguf_path(const struct ob_gguf *gguf) {
    const struct ob_checkpoint *checkpoint = gguf->checkpoint;
    return checkpoint->mapping_count > 0 ? checkpoint->mappings[checkpoint->mapping_count - 1].path
                                         : checkpoint->path;
}

size_t ob_gguf_type_bytes(enum ob_gguf_type type) {
    static const uint8_t BYTES[OB_GGUF_TYPE_COUNT] = {
        [OB_GGUF_U8] = 1,  [OB_GGUF_I8] = 1,  [OB_GGUF_U16] = 2, [OB_GGUF_I16] = 2,
        [OB_GGUF_U32] = 4, [OB_GGUF_I32] = 4, [OB_GGUF_F32] = 4, [OB_GGUF_BOOL] = 1,
        [OB_GGUF_U64] = 8, [OB_GGUF_I64] = 8, [OB_GGUF_F64] = 8};
    assert((unsigned)type < OB_GGUF_TYPE_COUNT);
    return BYTES[type];
}

int ob_gguf_compare_keys(const struct ob_gguf_entry *a, const struct ob_gguf_entry *b) {
    size_t shorter = a->key.bytes < b->key.bytes ? a->key.bytes : b->key.bytes;
    int first = memcmp(a->key.data, b->key.data, shorter);
    return first != 0 ? first : (a->key.bytes > b->key.bytes) - (a->key.bytes < b->key.bytes);
}

static int by_key(const void *a, const void *b) {
    return ob_gguf_compare_keys(a, b);
}

const struct ob_gguf_entry *ob_gguf_find(const struct ob_gguf *gguf, const char *key) {
    struct ob_gguf_entry wanted = {.key = {key, strlen(key)}};
    return bsearch(&wanted, gguf->entries, gguf->entry_count, sizeof *gguf->entries, by_key);
}

static void complain(struct ob_gguf_reader *reader, const char *key, const char *expected) {
    if (!reader->failed)
        reader->failed = ob_fail(reader->error, OB_EFORMAT, "%s: entry %s is not %s",
                                 reader->gguf->checkpoint->path, key, expected);
}

static const struct ob_gguf_entry *single(const struct ob_gguf_reader *reader, const char *key) {
    const struct ob_gguf_entry *entry = reader->failed ? NULL : ob_gguf_find(reader->gguf, key);
    return entry;
}

static bool integer_of(const struct ob_gguf_entry *entry, int64_t *ret_value) {
    const uint8_t *at = entry->value;
    if (entry->is_list)
        return false;
    switch (entry->type) {
    case OB_GGUF_U8:
        *ret_value = *at;
        return true;
    case OB_GGUF_I8:
        *ret_value = *at < 0x80 ? *at : *at - 0x100;
        return true;
    case OB_GGUF_U16:
        *ret_value = ob_load_u16(at);
        return true;
    case OB_GGUF_I16:
        *ret_value = (int16_t)ob_load_u16(at);
        return true;
    case OB_GGUF_U32:
        *ret_value = ob_load_u32(at);
        return true;
    case OB_GGUF_I32:
        *ret_value = (int32_t)ob_load_u32(at);
        return true;
    case OB_GGUF_U64:
        *ret_value = (int64_t)ob_load_u64(at);
        return *ret_value >= 0;
    case OB_GGUF_I64:
        *ret_value = (int64_t)ob_load_u64(at);
        return true;
    case OB_GGUF_F32:
    case OB_GGUF_F64:
    case OB_GGUF_BOOL:
    case OB_GGUF_TEXT:
    case OB_GGUF_LIST:
    case OB_GGUF_TYPE_COUNT:
        break;
    }
    return false;
}

bool ob_gguf_integer(struct ob_gguf_reader *reader, const char *key, int64_t low, int64_t high,
                     int64_t *ret_value) {
    int64_t value;
    const struct ob_gguf_entry *entry = single(reader, key);
    if (!entry)
        return false;
    if (!integer_of(entry, &value) || value < low || value > high) {
        if (!reader->failed)
            reader->failed = ob_fail(reader->error, OB_EFORMAT,
                                     "%s: entry %s is not a whole number from %" PRId64 " to %" PRId64,
                                     reader->gguf->checkpoint->path, key, low, high);
        return false;
    }
    *ret_value = value;
    return true;
}

bool ob_gguf_real(struct ob_gguf_reader *reader, const char *key, double *ret_value) {
    const struct ob_gguf_entry *entry = single(reader, key);
    if (!entry)
        return false;
    if (entry->is_list || (entry->type != OB_GGUF_F32 && entry->type != OB_GGUF_F64)) {
        complain(reader, key, "a number with a point");
        return false;
    }
    if (entry->type == OB_GGUF_F32) {
        uint32_t bits = ob_load_u32(entry->value);
        float value;
        memcpy(&value, &bits, sizeof value);
        *ret_value = (double)value;
    } else {
        uint64_t bits = ob_load_u64(entry->value);
        memcpy(ret_value, &bits, sizeof *ret_value);
    }
    return true;
}

bool ob_gguf_bool(struct ob_gguf_reader *reader, const char *key, bool *ret_value) {
    const struct ob_gguf_entry *entry = single(reader, key);
    if (!entry)
        return false;
    if (entry->is_list || entry->type != OB_GGUF_BOOL || *entry->value > 1) {
        complain(reader, key, "true or false");
        return false;
    }
    *ret_value = *entry->value == 1;
    return true;
}

bool ob_gguf_text(struct ob_gguf_reader *reader, const char *key, struct ob_gguf_text *ret_text) {
    const struct ob_gguf_entry *entry = single(reader, key);
    if (!entry)
        return false;
    const uint8_t *at = entry->value;
    struct ob_gguf_text text = {0};
    if (!entry->is_list && entry->type == OB_GGUF_TEXT)
        text = ob_gguf_next_text(&at);
    if (!text.data || memchr(text.data, 0, text.bytes)) {
        complain(reader, key, "a text");
        return false;
    }
    *ret_text = text;
    return true;
}

bool ob_gguf_text_is(struct ob_gguf_text text, const char *value) {
    return text.bytes == strlen(value) && memcmp(text.data, value, text.bytes) == 0;
}

const struct ob_gguf_entry *ob_gguf_list(struct ob_gguf_reader *reader, const char *key,
                                         enum ob_gguf_type type) {
    const struct ob_gguf_entry *entry = single(reader, key);
    if (entry && (!entry->is_list || entry->type != type)) {
        complain(reader, key, "a list of the type that is expected there");
        return NULL;
    }
    return entry;
}

struct ob_gguf_text ob_gguf_next_text(const uint8_t **at) {
    uint64_t bytes = ob_load_u64(*at);
    const char *data = (const char *)*at + 8;
    *at += 8 + bytes;
    return (struct ob_gguf_text){data, (size_t)bytes};
}
