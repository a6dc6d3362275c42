/* control - an opened chat, and the control tokens in the texts of its format; for this folder only.
 *
 * Owns:    nothing; the texts are the format's.
 * Threads: pure functions. */
#ifndef OB_MODEL_CHAT_CONTROL_H
#define OB_MODEL_CHAT_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/chat/formats.h"
#include "model/tokenizer/tokenizer.h"

struct ob_chat {
    const struct ob_chat_format *format;
    const struct ob_tokenizer *tokenizer;
    int32_t bos, eos; /* -1: not known; then the format does without */
    int32_t end;      /* ends an answer */
};

/* The next control token of a format's text, from *at on, and what stands before it: *ret_bytes bytes at *at.
 * Moves *at behind the token. False: there is none any more, all that is left is text. */
struct ob_chat_control {
    char kind; /* OB_CHAT_MARK, OB_CHAT_BOS, OB_CHAT_EOS */
    const char *text;
    size_t bytes; /* of a MARK */
};
bool ob_chat_next_control(const char **at, const char **ret_text, size_t *ret_bytes,
                          struct ob_chat_control *ret_control);
/* Its id; -1: the tokenizer has no such special token. */
int32_t ob_chat_control_id(const struct ob_chat *chat, const struct ob_chat_control *control);

#endif
