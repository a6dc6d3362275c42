/* formats - what stands around the messages of a conversation, for each format that we know: a table.
 *
 * Texts hold control tokens between two OB_CHAT_MARK; OB_CHAT_BOS and OB_CHAT_EOS stand for the tokenizer's
 * own (bos_token and eos_token of tokenizer_config.json).
 *
 * Owns:    nothing; all is constant.
 * Source:  the chat templates of the models that are named in docs/data.md. */
#ifndef OB_MODEL_CHAT_FORMATS_H
#define OB_MODEL_CHAT_FORMATS_H

#include <stdbool.h>

enum ob_chat_role { OB_CHAT_SYSTEM, OB_CHAT_USER, OB_CHAT_ASSISTANT, OB_CHAT_ROLES };

#define OB_CHAT_MARK        '\1'
#define OB_CHAT_BOS         '\2'
#define OB_CHAT_EOS         '\3'
#define OB_CHAT_CONTROL_MAX 32 /* bytes of a control token's text */

/* What becomes of a system message. Everywhere but with ANYWHERE it may only be the first message. */
enum ob_chat_system {
    OB_CHAT_SYSTEM_ANYWHERE, /* a turn like any other */
    OB_CHAT_SYSTEM_FIRST,    /* a turn of its own */
    OB_CHAT_SYSTEM_IN_USER,  /* it goes before the first user's message, between before and after */
    OB_CHAT_SYSTEM_REFUSED,
};

/* White space (Python's str.strip) that the contents lose. */
enum ob_chat_trim {
    OB_CHAT_TRIM_NONE,
    OB_CHAT_TRIM_EACH,      /* at both ends of each message; not of a system message IN_USER */
    OB_CHAT_TRIM_TOGETHER,  /* the same after a system message IN_USER was put before */
    OB_CHAT_TRIM_ASSISTANT, /* only the assistant's */
};

struct ob_chat_turn {
    const char *before; /* the header */
    const char *reply;  /* what an answer begins with, and does not belong to its content */
    const char *after;  /* of an assistant's turn: a control token first, which ends it */
};

struct ob_chat_format {
    const char *name;
    const char *begin; /* before everything */
    struct ob_chat_turn turns[OB_CHAT_ROLES];
    enum ob_chat_system system;
    enum ob_chat_trim trim;
    const char *default_system; /* the content of a system turn when there is none; NULL: then no turn */
    bool alternates; /* user, assistant, user … after the system message; anything else is refused */
    bool thinks;     /* Qwen3: <think> in the last answer, taken out of those before */
};

/* Ends with a row that has no name. */
extern const struct ob_chat_format OB_CHAT_FORMATS[];

const struct ob_chat_format *ob_chat_format(const char *name); /* NULL: unknown */

#endif
