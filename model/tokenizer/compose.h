/* compose - NFC, of the Unicode version that `tokenizers` has.
 *
 * `tokenizers` (0.23) composes by Unicode 9 and takes a character that is newer for one that combines with
 * nothing; libutf8proc knows later versions. What both know is the same in both (Unicode's stability policy),
 * so a text is cut at each character that combines only since Unicode 10 (model/tokenizer/unicode.h), and
 * that character stays as it is. Bytes that are not UTF-8 stay as they are, too. Linear in the text, whatever
 * marks it has.
 *
 * Errors:  OB_ENOMEM, OB_ETOOBIG, OB_EFORMAT (libutf8proc failed).
 * Owns:    ret_text is malloc'ed, the caller frees it.
 * Threads: pure function.
 * Source:  Unicode Standard Annex 15. */
#ifndef OB_MODEL_TOKENIZER_COMPOSE_H
#define OB_MODEL_TOKENIZER_COMPOSE_H

#include <stddef.h>

#include "base/err.h"

#define OB_COMPOSED_BYTES_MAX 3 /* for a byte of the text */

OB_MUST_USE enum ob_err ob_compose(const char *text, size_t bytes, char **ret_text, size_t *ret_bytes,
                                   struct ob_error *error);

#endif
