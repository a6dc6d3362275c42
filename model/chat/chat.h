/* chat - conversations into token ids, in the words of the chat template that a model was trained with.
 *
 * A format (model/chat/formats.h) says what stands around each message. Which one a model has, its
 * `chat_template` says: a program (Jinja) that is never run. Its text is one of a fixed list of known ones
 * (model/chat/known.h), or the user names the format, or it is refused; nothing is guessed.
 *
 * Control tokens come from the format alone: in what people wrote, what spells a special token is text.
 *
 * Targets are what the model has to say by itself: of each answer that is not empty all tokens after the
 * header with which a model is asked for it, up to and with the special token that ends the turn. A token
 * that holds the end of a header and the beginning of an answer is one of them.
 *
 * Errors:  OB_EUNSUPPORTED: no template, an unknown one, one whose control tokens the tokenizer does not
 *          have: names the model. OB_EFORMAT: roles that the format does not take, or not in this order.
 *          OB_EUSAGE: no such format.
 * Owns:    what it says; the tokenizer must live as long.
 * Threads: read-only once opened.
 * Source:  `transformers`' apply_chat_template (docs/data.md). */
#ifndef OB_MODEL_CHAT_CHAT_H
#define OB_MODEL_CHAT_CHAT_H

#include <jansson.h>

#include "model/chat/formats.h"
#include "model/tokenizer/tokenizer.h"

struct ob_chat_message {
    enum ob_chat_role role;
    const char *content; /* UTF-8; the caller's */
    size_t bytes;
};

struct ob_chat_ids {
    int32_t *ids;     /* malloc'ed, as is: */
    uint8_t *targets; /* 1: a target; never of ids[0] */
    size_t count;
};

struct ob_chat;

/* What a model says about its conversations. Its folder or GGUF file is read by model/convert/open_tokenizer.h. */
struct ob_chat_documents {
    const char *name;     /* the model, for messages */
    const char *template; /* chat_template.jinja; NULL: there is none */
    size_t template_bytes;
    const json_t *config; /* tokenizer_config.json; NULL: there is none */
};

/* format: NULL or "": the model's own. */
OB_MUST_USE enum ob_err ob_chat_new(const struct ob_chat_documents *documents, const char *format,
                                    const struct ob_tokenizer *tokenizer, struct ob_chat **ret_chat,
                                    struct ob_error *error);
void ob_chat_free(struct ob_chat *chat);
const char *ob_chat_name(const struct ob_chat *chat);
/* OB_EUSAGE, with the names that there are, unless this is one of them, empty or NULL. */
OB_MUST_USE enum ob_err ob_chat_check_name(const char *format, struct ob_error *error);
/* False when there is no such role. */
bool ob_chat_role(const char *name, enum ob_chat_role *ret_role);
/* At least one message. scratch: the thread's, or NULL. ask: the header of an answer that is to come follows at the end. The caller calls
 * ob_chat_ids_done; no prefix or suffix is added (the format has its own). */
OB_MUST_USE enum ob_err ob_chat_encode(const struct ob_chat *chat, struct ob_tokenizer_scratch *scratch,
                                       const struct ob_chat_message *messages, size_t count, bool ask,
                                       struct ob_chat_ids *ret_ids, struct ob_error *error);
void ob_chat_ids_done(struct ob_chat_ids *ids); /* accepts a zeroed one */
/* BOS and EOS of tokenizer_config.json, where they are special tokens; -1: not known. */
int32_t ob_chat_bos(const struct ob_chat *chat);
int32_t ob_chat_eos(const struct ob_chat *chat);
/* The special token that ends an answer. */
int32_t ob_chat_end(const struct ob_chat *chat);

#endif
