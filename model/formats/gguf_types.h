/* gguf_types - what gguf*.c share: types of values, quoting of texts, limits. For gguf*.c only. */
#ifndef OB_MODEL_FORMATS_GGUF_TYPES_H
#define OB_MODEL_FORMATS_GGUF_TYPES_H

#include "base/cursor.h"
#include "model/formats/gguf.h"

#define OB_GGUF_KEY_MAX     65535
#define OB_GGUF_ENTRIES_MAX 65536

/* For "%.*s": of a text from a file at most 80 bytes. */
#define OB_GGUF_QUOTE(text) (int)((text).bytes < 80 ? (text).bytes : 80), (text).data ? (text).data : ""

/* Bytes of one value; 0 for texts and lists. */
size_t ob_gguf_type_bytes(enum ob_gguf_type type);

/* The tensors' descriptions from `in` into gguf->checkpoint, whose first mapping is the file. */
OB_MUST_USE enum ob_err ob_gguf_read_tensors(struct ob_gguf *gguf, struct ob_reader *in, uint64_t count,
                                             struct ob_error *error);

#endif
