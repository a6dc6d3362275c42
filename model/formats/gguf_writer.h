/* gguf_writer - the metadata of a GGUF file in the making: entries one after the other in memory.
 *
 * Errors:  `failed` is set when memory runs out, and later calls do nothing: ask once at the end.
 * Owns:    its buffer; done accepts a zeroed one.
 * Threads: one at a time. */
#ifndef OB_MODEL_FORMATS_GGUF_WRITER_H
#define OB_MODEL_FORMATS_GGUF_WRITER_H

#include "model/formats/gguf_value.h"

struct ob_gguf_writer {
    uint8_t *data;
    size_t used, capacity;
    uint64_t entries;
    bool failed;
};

void ob_gguf_writer_done(struct ob_gguf_writer *writer);
void ob_gguf_put(struct ob_gguf_writer *writer, const void *data, size_t bytes);
void ob_gguf_put_u32(struct ob_gguf_writer *writer, uint32_t value);
void ob_gguf_put_u64(struct ob_gguf_writer *writer, uint64_t value);
void ob_gguf_put_text(struct ob_gguf_writer *writer, const char *text, size_t bytes);

/* Whole entries. */
void ob_gguf_add_text(struct ob_gguf_writer *writer, const char *key, const char *text);
void ob_gguf_add_u32(struct ob_gguf_writer *writer, const char *key, uint32_t value);
void ob_gguf_add_f32(struct ob_gguf_writer *writer, const char *key, float value);
void ob_gguf_add_bool(struct ob_gguf_writer *writer, const char *key, bool value);
/* The head of a list, whose values the caller puts after it. */
void ob_gguf_add_list(struct ob_gguf_writer *writer, const char *key, enum ob_gguf_type type, uint64_t count);
/* An entry of another file as it is. */
void ob_gguf_add_copy(struct ob_gguf_writer *writer, const struct ob_gguf_entry *entry);

#endif
