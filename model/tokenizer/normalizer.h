/* normalizer - the `normalizer` of a tokenizer.json: what changes a text before it is cut.
 *
 * Steps: NFC (model/tokenizer/compose.h), Prepend, Replace of one literal text by another, and Sequences of
 * them. The pre-tokenizer Metaspace changes its text with the same steps. Bytes that are not UTF-8 stay as
 * they are. A new step is a function that reads it, one that runs it, and a row in the table of normalizer.c.
 *
 * Errors:  OB_ENOMEM; OB_ETOOBIG when a text grows beyond OB_BPE_PIECE_MAX bytes; reading: OB_EFORMAT,
 *          OB_EUNSUPPORTED name the step.
 * Owns:    its steps' texts; done accepts a zeroed struct and one whose reading failed.
 * Threads: read-only once read.
 * Source:  `tokenizers`' normalizers. */
#ifndef OB_MODEL_TOKENIZER_NORMALIZER_H
#define OB_MODEL_TOKENIZER_NORMALIZER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "model/tokenizer/text_position.h"

#define OB_NORMALIZER_STEPS_MAX 8

/* A text and, when it is not the caller's, what to free. */
struct ob_normalized {
    const char *text;
    size_t bytes;
    char *owned;
};

struct ob_normalizer_step {
    enum ob_err (*run)(const struct ob_normalizer_step *step, enum ob_text_position position,
                       struct ob_normalized *now, struct ob_error *error);
    char *from, *to; /* malloc'ed */
    size_t from_bytes, to_bytes;
    bool only_first; /* a prefix goes before OB_TEXT_FIRST alone */
};

struct ob_normalizer {
    struct ob_normalizer_step steps[OB_NORMALIZER_STEPS_MAX];
    size_t steps_count;
};

/* The field of a tokenizer.json; NULL: no steps. */
OB_MUST_USE enum ob_err ob_normalizer_read(struct ob_normalizer *normalizer, const json_t *field,
                                           struct ob_error *error);
/* `from` (not empty) becomes `to`. */
OB_MUST_USE enum ob_err ob_normalizer_add_replace(struct ob_normalizer *normalizer, const char *from,
                                                  const char *to, struct ob_error *error);
/* `prefix` goes before a text that does not begin with it; only_first: before the first text alone. */
OB_MUST_USE enum ob_err ob_normalizer_add_prefix(struct ob_normalizer *normalizer, const char *prefix,
                                                 bool only_first, struct ob_error *error);
void ob_normalizer_done(struct ob_normalizer *normalizer);
/* Does a step put anything before a text? */
bool ob_normalizer_prepends(const struct ob_normalizer *normalizer);
/* ret->text is `text` itself when nothing changes it. */
OB_MUST_USE enum ob_err ob_normalizer_run(const struct ob_normalizer *normalizer,
                                          enum ob_text_position position, const char *text, size_t bytes,
                                          struct ob_normalized *ret, struct ob_error *error);

#endif
