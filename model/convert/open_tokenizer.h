/* open_tokenizer - the tokenizer of a model, and how it writes a conversation, from the documents that go with its
 * checkpoint (model/convert/documents.h): a Hugging Face folder or a GGUF file.
 *
 * Errors:  those of the documents, model/tokenizer/tokenizer.h and model/chat/chat.h: name the file.
 * Owns:    the caller frees what it gets; the tokenizer must outlive the chat.
 * Threads: pure functions. */
#ifndef OB_MODEL_CONVERT_OPEN_TOKENIZER_H
#define OB_MODEL_CONVERT_OPEN_TOKENIZER_H

#include "model/chat/chat.h"
#include "model/tokenizer/tokenizer.h"

OB_MUST_USE enum ob_err ob_tokenizer_open(const char *model, struct ob_tokenizer **ret_tokenizer,
                                          struct ob_error *error);
/* format: NULL or "": the model's own. */
OB_MUST_USE enum ob_err ob_chat_open(const char *model, const char *format,
                                     const struct ob_tokenizer *tokenizer, struct ob_chat **ret_chat,
                                     struct ob_error *error);

#endif
