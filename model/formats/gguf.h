/* gguf - a GGUF file: its metadata and its tensors, validated before anything is read from it.
 *
 *   OFFSET SIZE FIELD (version 2 or 3, little-endian; a text is le64 length, then bytes)
 *   0      4    "GGUF"
 *   4      4    version
 *   8      8    number of tensors
 *   16     8    number of metadata entries
 *   24     …    entries: text key, le32 type, value. A list is le32 type, le64 count, values
 *   …      …    tensors: text name, le32 dims, le64 sizes (the first one varies fastest), le32 type,
 *               le64 offset from the start of the data
 *   …      …    data, from the next multiple of general.alignment (32 when there is no such entry)
 *
 * Valid if and only if: everything lies in the file; no key and no tensor comes twice; no list holds lists;
 * each tensor has 1 to 4 dimensions, a type of model/formats/dtype.h, rows of whole blocks, and an offset that is a
 * multiple of the alignment; no tensors overlap. A part of a split model is refused.
 *
 * Errors:  OB_ENOTFOUND, OB_EIO, OB_EFORMAT, OB_ETOOBIG, OB_EUNSUPPORTED: name the file and the key or
 *          the tensor.
 * Owns:    the checkpoint, whose mapping all texts point into.
 * Threads: read-only after open.
 * Source:  the GGUF specification (ggml, docs/gguf.md). */
#ifndef OB_MODEL_FORMATS_GGUF_H
#define OB_MODEL_FORMATS_GGUF_H

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

/* Is it a regular file that begins with "GGUF"? */
bool ob_gguf_is_file(const char *path);
OB_MUST_USE enum ob_err ob_gguf_open(const char *path, struct ob_gguf **ret_gguf, struct ob_error *error);
void ob_gguf_free(struct ob_gguf *gguf);
/* GGUF's number of a type. */
uint32_t ob_gguf_dtype_number(enum ob_dtype dtype);

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
