/* gguf_value - the metadata of a GGUF file in memory, and reading their values with types and bounds checked.
 *
 * Errors:  OB_EFORMAT names the file and the entry; the first one stays in the reader's `failed`.
 * Owns:    nothing; texts point into the file's mapping.
 * Threads: as model/formats/gguf.h. */
#ifndef OB_MODEL_FORMATS_GGUF_VALUE_H
#define OB_MODEL_FORMATS_GGUF_VALUE_H

#include "model/formats/checkpoint.h"

enum ob_gguf_type {
    OB_GGUF_U8,
    OB_GGUF_I8,
    OB_GGUF_U16,
    OB_GGUF_I16,
    OB_GGUF_U32,
    OB_GGUF_I32,
    OB_GGUF_F32,
    OB_GGUF_BOOL,
    OB_GGUF_TEXT,
    OB_GGUF_LIST,
    OB_GGUF_U64,
    OB_GGUF_I64,
    OB_GGUF_F64,
    OB_GGUF_TYPE_COUNT
};

struct ob_gguf_text {
    const char *data; /* no NUL at its end */
    size_t bytes;
};

struct ob_gguf_entry {
    struct ob_gguf_text key;
    enum ob_gguf_type type; /* of a list: of its values */
    bool is_list;
    uint64_t count;             /* 1, or of a list */
    const uint8_t *value;       /* the first value as it lies in the file */
    const uint8_t *start, *end; /* the whole entry */
};

struct ob_gguf {
    struct ob_checkpoint *checkpoint; /* tensors under their GGUF names, in the order of their data */
    size_t entry_count;
    struct ob_gguf_entry *entries;
    uint64_t alignment;
};

/* The file that is being read, for messages: the last one that was mapped. */
const char *ob_gguf_path(const struct ob_gguf *gguf);

/* For "%.*s": of a text from a file at most 80 bytes. */
#define OB_GGUF_QUOTE(text) (int)((text).bytes < 80 ? (text).bytes : 80), (text).data ? (text).data : ""

/* Bytes of one value; 0 for texts and lists. */
size_t ob_gguf_type_bytes(enum ob_gguf_type type);
/* The order of gguf->entries. */
int ob_gguf_compare_keys(const struct ob_gguf_entry *a, const struct ob_gguf_entry *b);

/* Reading entries: NULL or false when there is none, the first complaint stays in `failed`. */
struct ob_gguf_reader {
    const struct ob_gguf *gguf;
    struct ob_error *error;
    enum ob_err failed;
};
const struct ob_gguf_entry *ob_gguf_find(const struct ob_gguf *gguf, const char *key);
/* An integer of any width that lies in [low, high]. */
bool ob_gguf_integer(struct ob_gguf_reader *reader, const char *key, int64_t low, int64_t high,
                     int64_t *ret_value);
bool ob_gguf_real(struct ob_gguf_reader *reader, const char *key, double *ret_value);
bool ob_gguf_bool(struct ob_gguf_reader *reader, const char *key, bool *ret_value);
/* A text without NULs. */
bool ob_gguf_text(struct ob_gguf_reader *reader, const char *key, struct ob_gguf_text *ret_text);
bool ob_gguf_text_is(struct ob_gguf_text text, const char *value);
/* A list of values of one type. */
const struct ob_gguf_entry *ob_gguf_list(struct ob_gguf_reader *reader, const char *key,
                                         enum ob_gguf_type type);
/* The next text of a list; `at` starts as entry->value. */
struct ob_gguf_text ob_gguf_next_text(const uint8_t **at);

#endif
