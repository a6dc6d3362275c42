/* corpus_parts - what a corpus consists of; for corpus*.c only. */
#ifndef OB_MODEL_DATA_CORPUS_INTERNAL_H
#define OB_MODEL_DATA_CORPUS_INTERNAL_H

#include "model/chat/chat.h"
#include "model/data/corpus.h"
#include "model/data/reader.h"

struct ob_corpus_sequence {
    size_t start; /* in the tokens */
    uint32_t count;
};

struct ob_corpus_item { /* of rows with choices */
    uint32_t first, count, label;
};

struct ob_corpus {
    int32_t *tokens;
    uint8_t *counted; /* a token is a target */
    size_t tokens_count, tokens_max, counted_max;
    struct ob_corpus_sequence *sequences;
    size_t sequences_count, sequences_max;
    struct ob_corpus_item *items; /* empty: each sequence is an item */
    size_t items_count, items_max;
    size_t widest, longest; /* item: sequences, tokens */
    size_t skipped, rows;   /* rows: usable ones */
    bool has_choices;
};

/* A part of a sequence: ids that are all targets, or none. */
struct ob_corpus_span {
    const int32_t *ids;
    size_t count;
    bool targets;
};

/* Appends one sequence, of the spans after one another; its first token is no target. */
OB_MUST_USE enum ob_err ob_corpus_keep(struct ob_corpus *corpus, const struct ob_corpus_span *spans,
                                       size_t count, struct ob_error *error);
/* The same with the targets marked one by one. */
OB_MUST_USE enum ob_err ob_corpus_keep_marked(struct ob_corpus *corpus, const int32_t *ids,
                                              const uint8_t *targets, size_t count, struct ob_error *error);
/* Makes the last `count` sequences one item. */
OB_MUST_USE enum ob_err ob_corpus_keep_item(struct ob_corpus *corpus, size_t count, uint32_t label,
                                            struct ob_error *error);
/* What rows become sequences with. */
struct ob_corpus_intake {
    struct ob_corpus *corpus;
    const struct ob_tokenizer *tokenizer;
    const struct ob_corpus_options *options;
    struct ob_chat *chat;        /* opened for the first row with messages; the intake's */
    struct ob_error chat_failed; /* or why that was impossible; code OB_OK: not tried, or done */
};

/* corpus_rows.c: one row into sequences; fills the report but for its line. */
OB_MUST_USE enum ob_err ob_corpus_take_row(struct ob_corpus_intake *intake, const struct ob_corpus_row *row,
                                           struct ob_row_report *report, struct ob_error *error);
/* corpus_chat.c: the same of a row with messages. */
OB_MUST_USE enum ob_err ob_corpus_take_chat(struct ob_corpus_intake *intake, const struct ob_corpus_row *row,
                                            struct ob_row_report *report, struct ob_error *error);

#endif
