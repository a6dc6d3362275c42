/* documents - the JSON files that go with a checkpoint: config.json, tokenizer.json, tokenizer_config.json,
 * generation_config.json. MODEL is a Hugging Face folder, or a GGUF file whose metadata is put into the same
 * form: who reads them need not know which. Where a folder has no tokenizer.json, it is made of vocab.json
 * and merges.txt (model/convert/hf_tokenizer.h).
 *
 * Errors:  OB_ENOTFOUND (there is no such document), OB_EIO, OB_ETOOBIG, OB_EFORMAT, OB_EUNSUPPORTED:
 *          name the file.
 * Threads: pure functions. */
#ifndef OB_MODEL_CONVERT_DOCUMENTS_H
#define OB_MODEL_CONVERT_DOCUMENTS_H

#include "model/formats/document.h"

OB_MUST_USE enum ob_err ob_document_load(const char *model, const char *name,
                                         struct ob_document *ret_document, struct ob_error *error);
/* A file of a folder as it is (a GGUF file has none); the caller frees it. */
OB_MUST_USE enum ob_err ob_document_text(const char *model, const char *name, char **ret_text,
                                         size_t *ret_bytes, struct ob_error *error);

#endif
