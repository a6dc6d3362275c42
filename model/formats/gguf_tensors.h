/* gguf_tensors - the tensors of a GGUF file: descriptions read, checked against the file and each other. */
#ifndef OB_MODEL_FORMATS_GGUF_TENSORS_H
#define OB_MODEL_FORMATS_GGUF_TENSORS_H

#include "base/cursor.h"
#include "model/formats/gguf_value.h"

/* `count` descriptions from `in` into gguf->checkpoint, whose last mapping is the file that `in` reads. */
OB_MUST_USE enum ob_err ob_gguf_read_tensors(struct ob_gguf *gguf, struct ob_reader *in, uint64_t count,
                                             struct ob_error *error);
/* GGUF's number of a type. */
uint32_t ob_gguf_dtype_number(enum ob_dtype dtype);

#endif
