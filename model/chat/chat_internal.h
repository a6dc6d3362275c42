/* chat_parts - what an opened chat consists of; for chat*.c only. */
#ifndef OB_MODEL_CHAT_CHAT_INTERNAL_H
#define OB_MODEL_CHAT_CHAT_INTERNAL_H

#include "model/chat/formats.h"

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
