/* tokenizer_added - finding the added tokens (<|endoftext|> and the like) in a text.
 *
 * Leftmost first, of those that start at one place the longest. `lstrip` and `rstrip` take the white space
 * around a token into it; one with `single_word` that touches a letter or a digit is passed over as text. As
 * in `tokenizers`, the ones with normalized = false are looked for in the whole text, and only then the
 * others in what is left between: two lists, this is one of them.
 *
 * Errors:  OB_ENOMEM.
 * Owns:    its list and copies of the contents.
 * Threads: read-only once sorted. */
#ifndef OB_MODEL_TOKENIZER_ADDED_H
#define OB_MODEL_TOKENIZER_ADDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct ob_added_token {
    const char *content; /* ob_added_add copies it */
    size_t bytes;        /* at least 1 */
    int32_t id;
    bool lstrip, rstrip, single_word, special;
};

struct ob_added {
    struct ob_added_token *tokens; /* by first byte, then the longest first */
    size_t count;
    uint32_t first[257]; /* tokens that start with byte b: [first[b], first[b+1]) */
};

struct ob_added_match {
    size_t start, end; /* with the white space that it takes */
    int32_t id;
};

OB_MUST_USE enum ob_err ob_added_add(struct ob_added *added, const struct ob_added_token *token,
                                     struct ob_error *error);
void ob_added_sort(struct ob_added *added);
void ob_added_done(struct ob_added *added);
/* The next match in text[from … bytes); white space before `from` is not taken. plain: special tokens are
 * passed over as text. */
bool ob_added_find(const struct ob_added *added, bool plain, const char *text, size_t bytes, size_t from,
                   struct ob_added_match *ret_match);
/* The token with this content, or NULL. Lives as long as the list. */
const struct ob_added_token *ob_added_named(const struct ob_added *added, const char *content, size_t bytes);

#endif
