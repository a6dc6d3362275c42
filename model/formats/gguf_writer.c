#include "model/formats/gguf_writer.h"

#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"

void ob_gguf_writer_done(struct ob_gguf_writer *writer) {
    free(writer->data);
    *writer = (struct ob_gguf_writer){0};
}

void ob_gguf_put(struct ob_gguf_writer *writer, const void *data, size_t bytes) {
    if (writer->failed || bytes == 0)
        return;
    if (writer->capacity - writer->used < bytes) {
        size_t capacity = 2 * (writer->capacity + bytes);
        uint8_t *grown = realloc(writer->data, capacity);
        if (!grown) {
            writer->failed = true;
            return;
        }
        writer->data = grown;
        writer->capacity = capacity;
    }
    memcpy(writer->data + writer->used, data, bytes);
    writer->used += bytes;
}

void ob_gguf_put_u32(struct ob_gguf_writer *writer, uint32_t value) {
    uint8_t bytes[4];
    ob_store_u32(bytes, value);
    ob_gguf_put(writer, bytes, sizeof bytes);
}

void ob_gguf_put_u64(struct ob_gguf_writer *writer, uint64_t value) {
    uint8_t bytes[8];
    ob_store_u64(bytes, value);
    ob_gguf_put(writer, bytes, sizeof bytes);
}

void ob_gguf_put_text(struct ob_gguf_writer *writer, const char *text, size_t bytes) {
    ob_gguf_put_u64(writer, bytes);
    ob_gguf_put(writer, text, bytes);
}

static void add(struct ob_gguf_writer *writer, const char *key, enum ob_gguf_type type) {
    ob_gguf_put_text(writer, key, strlen(key));
    ob_gguf_put_u32(writer, (uint32_t)type);
    writer->entries++;
}

void ob_gguf_add_text(struct ob_gguf_writer *writer, const char *key, const char *text) {
    add(writer, key, OB_GGUF_TEXT);
    ob_gguf_put_text(writer, text, strlen(text));
}

void ob_gguf_add_u32(struct ob_gguf_writer *writer, const char *key, uint32_t value) {
    add(writer, key, OB_GGUF_U32);
    ob_gguf_put_u32(writer, value);
}

void ob_gguf_add_f32(struct ob_gguf_writer *writer, const char *key, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    add(writer, key, OB_GGUF_F32);
    ob_gguf_put_u32(writer, bits);
}

void ob_gguf_add_bool(struct ob_gguf_writer *writer, const char *key, bool value) {
    uint8_t byte = value ? 1 : 0;
    add(writer, key, OB_GGUF_BOOL);
    ob_gguf_put(writer, &byte, 1);
}

void ob_gguf_add_list(struct ob_gguf_writer *writer, const char *key, enum ob_gguf_type type,
                      uint64_t count) {
    add(writer, key, OB_GGUF_LIST);
    ob_gguf_put_u32(writer, (uint32_t)type);
    ob_gguf_put_u64(writer, count);
}

void ob_gguf_add_copy(struct ob_gguf_writer *writer, const struct ob_gguf_entry *entry) {
    ob_gguf_put(writer, entry->start, (size_t)(entry->end - entry->start));
    writer->entries++;
}
