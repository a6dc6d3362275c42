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
 * multiple of the alignment; no tensors overlap.
 *
 * A model in several files (split.count) is opened by its first one, NAME-00001-of-00003.gguf, which has the
 * metadata; the others lie beside it. Each is valid by itself, says split.no and split.count, and together
 * they hold split.tensors.count tensors.
 *
 * Errors:  OB_ENOTFOUND, OB_EIO, OB_EFORMAT, OB_ETOOBIG, OB_EUNSUPPORTED: name the file and the key or
 *          the tensor.
 * Owns:    the checkpoint, whose mapping all texts point into.
 * Threads: read-only after open.
 * Source:  the GGUF specification (ggml, docs/gguf.md). */
#ifndef OB_MODEL_FORMATS_GGUF_H
#define OB_MODEL_FORMATS_GGUF_H

#include "model/formats/gguf_value.h"

/* Is it a regular file that begins with "GGUF"? */
bool ob_gguf_is_file(const char *path);
OB_MUST_USE enum ob_err ob_gguf_open(const char *path, struct ob_gguf **ret_gguf, struct ob_error *error);
void ob_gguf_free(struct ob_gguf *gguf);

#endif
