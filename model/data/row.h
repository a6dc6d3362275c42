/* row - one line of a JSON Lines file: which kind of row it is, and its texts (docs/data.md).
 *
 * The line is read as Python's json.loads reads it (model/formats/json_reader.h); keys that are null count as absent,
 * keys that are not named here hold anything. What decides, in this order:
 *     messages                     a conversation, also beside a prompt
 *     text                         a text
 *     prompt, completion           a pair
 *     prompt, choices, label       choices; the label is a number from 0 or the text of one choice
 *     conversations                ShareGPT: {"from", "value"} (or role and content), after "system" if it is there
 *     instruction, input, output   Alpaca: a pair, the prompt in the words of its authors' template
 *
 * Errors:  OB_EFORMAT, OB_EUNSUPPORTED, OB_ENOMEM; the caller puts the file and the line before the message.
 * Owns:    all that it points to, until done; done accepts a zeroed row and one whose reading failed.
 * Threads: pure functions. */
#ifndef OB_MODEL_DATA_ROW_H
#define OB_MODEL_DATA_ROW_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/chat/chat.h"

enum ob_row_kind { OB_ROW_TEXT, OB_ROW_PAIR, OB_ROW_CHOICE, OB_ROW_CHAT, OB_ROW_KINDS };
const char *ob_row_kind_name(enum ob_row_kind kind);

struct ob_row_text {
    const char *data; /* UTF-8, may hold NUL */
    size_t bytes;
};

struct ob_row {
    enum ob_row_kind kind;
    struct ob_row_text text;               /* of a text */
    struct ob_row_text prompt, completion; /* of a pair; choices have the prompt */
    struct ob_row_text *choices;           /* at least two */
    size_t choices_count;
    uint32_t label;                   /* of choices: which is right */
    struct ob_chat_message *messages; /* of a chat: at least one */
    size_t messages_count;
    json_t *root; /* what the texts point into */
    char **made;  /* texts that were put together from several */
    size_t made_count, made_max;
};

OB_MUST_USE enum ob_err ob_row_read(const char *line, size_t bytes, struct ob_row *ret_row,
                                    struct ob_error *error);
void ob_row_done(struct ob_row *row);

#endif
