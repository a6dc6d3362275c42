/* tokenizer_rewrite - what changes a text before it is cut: normalizers, and the spaces of Metaspace.
 *
 * Steps: NFC (model/tokenizer/compose.h), replacing one literal text by another, and putting a text in front.
 * Bytes that are not UTF-8 stay as they are.
 *
 * Errors:  OB_ENOMEM; OB_ETOOBIG when a text grows beyond OB_BPE_PIECE_MAX bytes.
 * Owns:    its steps' texts; done accepts a zeroed struct.
 * Threads: read-only once filled.
 * Source:  `tokenizers`' normalizers. */
#ifndef OB_MODEL_TOKENIZER_REWRITE_H
#define OB_MODEL_TOKENIZER_REWRITE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define OB_REWRITE_STEPS_MAX 8

enum ob_rewrite_kind {
    OB_REWRITE_NFC,
    OB_REWRITE_REPLACE, /* each `from` becomes `to` */
    OB_REWRITE_PREPEND, /* `to` goes before a text that is not empty */
    OB_REWRITE_PREFIX,  /* the same, unless the text begins with it already */
};

/* Where a text stands: nothing is put before one that goes on. */
enum ob_place { OB_PLACE_BEGINS, OB_PLACE_INSIDE, OB_PLACE_GOES_ON };

struct ob_rewrite_step {
    enum ob_rewrite_kind kind;
    bool only_first; /* PREFIX: only OB_PLACE_BEGINS */
    char *from, *to; /* malloc'ed */
    size_t from_bytes, to_bytes;
};

struct ob_rewrite {
    struct ob_rewrite_step steps[OB_REWRITE_STEPS_MAX];
    size_t steps_count;
};

/* A text and, when it is not the caller's, what to free. */
struct ob_rewritten {
    const char *text;
    size_t bytes;
    char *owned;
};

/* Copies the texts. from NULL: the step has none. */
OB_MUST_USE enum ob_err ob_rewrite_add(struct ob_rewrite *rewrite, enum ob_rewrite_kind kind, bool only_first,
                                       const char *from, size_t from_bytes, const char *to, size_t to_bytes,
                                       struct ob_error *error);
void ob_rewrite_done(struct ob_rewrite *rewrite);
/* ret->text is `text` itself when nothing changes it. */
OB_MUST_USE enum ob_err ob_rewrite_run(const struct ob_rewrite *rewrite, enum ob_place place,
                                       const char *text, size_t bytes, struct ob_rewritten *ret,
                                       struct ob_error *error);

#endif
