/* pre_tokenizer - the `pre_tokenizer` of a tokenizer.json: a text is cut into pieces, and each piece by the next
 * step.
 *
 * Steps: ByteLevel, Split with a pattern (model/tokenizer/pattern.h), Digits, Metaspace; Sequences of them.
 * ByteLevel comes last: what follows it would see its byte alphabet instead of the text. Metaspace comes first: it
 * changes the text before anything cuts it. Each byte that is not UTF-8 is a piece of its own.
 * A new step is a function that reads it and a row in the table of pre_tokenizer.c.
 *
 * Errors:  OB_ENOMEM; OB_ETOOBIG when a text is too hard for a pattern (PCRE2's match limit); reading: OB_EFORMAT,
 *          OB_EUNSUPPORTED name the step.
 * Owns:    its patterns; done accepts a zeroed struct and one whose reading failed.
 * Threads: read-only once read; a run belongs to one thread. */
#ifndef OB_MODEL_TOKENIZER_PRE_TOKENIZER_H
#define OB_MODEL_TOKENIZER_PRE_TOKENIZER_H

#include <jansson.h>
#include <stdbool.h>

#include "model/tokenizer/normalizer.h"
#include "model/tokenizer/pattern.h"

#define OB_SPLIT_STEPS_MAX 8

enum ob_split_keep {
    OB_SPLIT_KEEP_BOTH,     /* what matches and what lies between are pieces */
    OB_SPLIT_KEEP_MATCHES,  /* what lies between is dropped */
    OB_SPLIT_KEEP_GAPS,     /* what matches is dropped */
    OB_SPLIT_WITH_PREVIOUS, /* a match belongs to the gap before it; after another match it is a piece */
    OB_SPLIT_WITH_NEXT,     /* the same with the gap after it */
};

struct ob_split_step {
    pcre2_code *code; /* NULL: the piece stays whole */
    enum ob_split_keep keep;
    bool prefix_space; /* first, a piece that does not start with a space gets one, if the run allows it */
};

struct ob_pre_tokenizer {
    struct ob_normalizer metaspace; /* changes the text first */
    struct ob_split_step steps[OB_SPLIT_STEPS_MAX];
    size_t steps_count;
    pcre2_match_context *limits;
};

/* One text's way through the steps. `take` gets each piece, in order; what it returns, if not OB_OK, ends
 * the run. */
struct ob_split_run {
    const struct ob_pre_tokenizer *pre_tokenizer;
    pcre2_match_data *match; /* from ob_split_match_data; the caller frees it */
    enum ob_err (*take)(void *context, const char *piece, size_t bytes);
    void *context;
    struct ob_error *error;
    bool may_prefix; /* the run's own */
};

/* Does the field (NULL: there is none) have a ByteLevel? Then the vocabulary is spelled in its alphabet. */
bool ob_pre_tokenizer_is_byte_level(const json_t *field);
OB_MUST_USE enum ob_err ob_pre_tokenizer_read(struct ob_pre_tokenizer *pre_tokenizer, const json_t *field,
                                              struct ob_error *error);
void ob_pre_tokenizer_done(struct ob_pre_tokenizer *pre_tokenizer);

pcre2_match_data *ob_split_match_data(void); /* NULL: no memory */
OB_MUST_USE enum ob_err ob_split(struct ob_split_run *run, enum ob_text_position position, const char *text,
                                 size_t bytes);

#endif
