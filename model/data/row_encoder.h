/* row_encoder - a row into sequences: what is a target, and what is cut (docs/data.md).
 *
 * Prompts and what follows them are encoded apart, as at generation. A conversation that is too long loses its end.
 *
 * Errors:  OB_EMISMATCH for a token that the model has no embedding for; those of model/tokenizer/tokenizer.h, model/chat/chat.h, model/data/token_store.h; the caller puts the file
 *          and the line before the message.
 * Owns:    the chat; the tokenizer and the options must outlive it. Done accepts a zeroed encoder.
 * Threads: many may encode with one encoder, each with a scratch and into a store of its own. */
#ifndef OB_MODEL_DATA_ROW_ENCODER_H
#define OB_MODEL_DATA_ROW_ENCODER_H

#include <pthread.h>

#include "model/data/row.h"
#include "model/data/token_store.h"
#include "model/tokenizer/tokenizer.h"

enum ob_row_fate {
    OB_ROW_KEPT,
    OB_ROW_CUT, /* kept, but longer than length_max: tokens were cut off, or it became several sequences */
    OB_ROW_SKIPPED, /* it has no target */
    OB_ROW_BAD      /* an error */
};

/* What became of one row. */
struct ob_row_report {
    uint64_t line;
    enum ob_row_fate fate;
    enum ob_row_kind kind;  /* not of BAD */
    size_t tokens, targets; /* before it is cut; of choices the longest candidate's, and all candidates' */
    uint32_t label, choices;
    const char *why; /* of all but KEPT. BAD: the error's text; else one of few constant texts */
};

struct ob_row_encoder {
    const struct ob_tokenizer *tokenizer;
    size_t length_max;           /* tokens of one sequence, at least 2 */
    uint32_t embedding_rows;     /* of the model: ids from there on are refused; 0: not known */
    const char *model;           /* whose chat template is taken; NULL: rows with messages are refused */
    const char *chat_template;   /* the format that the user names; NULL or "": the model's own */
    struct ob_chat *chat;        /* opened for the first row with messages; the encoder's, as are: */
    struct ob_error chat_failed; /* why that was impossible; code OB_OK: not tried, or done */
    pthread_mutex_t mutex;       /* around those two */
};

/* Appends to the store (of a row that is refused, perhaps a part), and fills the report but for its line. scratch: the thread's, or NULL. */
OB_MUST_USE enum ob_err ob_row_encode(struct ob_row_encoder *encoder, struct ob_tokenizer_scratch *scratch,
                                      const struct ob_row *row, struct ob_token_store *store,
                                      struct ob_row_report *report, struct ob_error *error);
void ob_row_encoder_done(struct ob_row_encoder *encoder);

#endif
