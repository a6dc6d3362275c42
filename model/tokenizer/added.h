/* added - the `added_tokens` of a tokenizer.json (<|endoftext|> and the like), and finding them in a text.
 *
 * Leftmost first, of those that start at one place the longest. `lstrip` and `rstrip` take the white space
 * around a token into it; one with `single_word` that touches a letter or a digit is passed over as text. As
 * in `tokenizers`, the ones with normalized = false are looked for in the whole text, and only then the
 * others in what is left between: two lists, this is one of them.
 *
 * Errors:  OB_ENOMEM; reading: OB_EFORMAT, OB_EUNSUPPORTED name the token.
 * Owns:    its lists and copies of the contents.
 * Threads: read-only once read. */
#ifndef OB_MODEL_TOKENIZER_ADDED_H
#define OB_MODEL_TOKENIZER_ADDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/tokenizer/normalizer.h"
#include "model/tokenizer/vocab.h"

struct ob_added_token {
    const char *content;
    size_t bytes; /* at least 1 */
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

struct ob_added_tokens {
    struct ob_added raw;        /* normalized = false */
    struct ob_added normalized; /* the others */
};

/* The field, into a vocabulary that has room for its tokens (model/tokenizer/vocab.h). NULL: none. Done accepts a
 * zeroed struct and one whose reading failed. */
OB_MUST_USE enum ob_err ob_added_read(struct ob_added_tokens *tokens, struct ob_vocab *vocab,
                                      const struct ob_normalizer *normalizer, const json_t *field,
                                      bool byte_level, struct ob_error *error);
void ob_added_done(struct ob_added_tokens *tokens);
/* The next match in text[from … bytes); white space before `from` is not taken. plain: special tokens are
 * passed over as text. */
bool ob_added_find(const struct ob_added *added, bool plain, const char *text, size_t bytes, size_t from,
                   struct ob_added_match *ret_match);
/* The token with this content, or NULL. Lives as long as the list. */
const struct ob_added_token *ob_added_named(const struct ob_added *added, const char *content, size_t bytes);

#endif
