/* tokenizer_split - the pre-tokenizers: a text is cut into pieces, and each piece by the next step.
 *
 * Errors:  OB_ENOMEM; OB_ETOOBIG when a text is too hard for a pattern (PCRE2's match limit).
 * Owns:    `struct ob_splitter` its patterns; done accepts a zeroed struct.
 * Threads: a splitter is read-only once filled; a split run belongs to one thread. */
#ifndef OB_MODEL_TOKENIZER_SPLIT_H
#define OB_MODEL_TOKENIZER_SPLIT_H

#include <stdbool.h>

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

struct ob_splitter {
    struct ob_split_step steps[OB_SPLIT_STEPS_MAX];
    size_t steps_count;
    pcre2_match_context *limits;
};

/* One text's way through the steps. `take` gets each piece, in order; what it returns, if not OB_OK, ends
 * the run. */
struct ob_split_run {
    const struct ob_splitter *splitter;
    pcre2_match_data *match; /* from ob_split_match_data; the caller frees it */
    bool may_prefix;         /* false for what follows bytes that are not UTF-8 */
    enum ob_err (*take)(void *context, const char *piece, size_t bytes);
    void *context;
    struct ob_error *error;
};

OB_MUST_USE enum ob_err ob_splitter_init(struct ob_splitter *splitter, struct ob_error *error);
void ob_splitter_done(struct ob_splitter *splitter);
/* The code becomes the splitter's, on failure as well. */
OB_MUST_USE enum ob_err ob_splitter_add(struct ob_splitter *splitter, struct ob_split_step step,
                                        struct ob_error *error);

pcre2_match_data *ob_split_match_data(void); /* NULL: no memory */
/* Text is valid UTF-8. */
OB_MUST_USE enum ob_err ob_split(const struct ob_split_run *run, const char *text, size_t bytes);

#endif
