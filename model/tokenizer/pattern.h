/* pattern - patterns written for Oniguruma, which `tokenizers` uses, compiled for PCRE2.
 *
 * The two differ in places (what \s holds, \h, \v, `$`, `{1,3}+`, nested classes), so a pattern is taken
 * apart and written anew. Understood, because it means the same in both: literals, `.`, groups ( (?: (?i:
 * (?= (?! (?>, alternatives, ? * + {n} {n,} {n,m}, the lazy and possessive forms of the first three, classes
 * with ranges, \s \S \d \D \p{…} \P{…} with general categories (in classes not \D and \P), \r \n \t \f \v \a
 * \e \x{…} \uHHHH and escaped punctuation. The rest is rejected with an error that names it.
 *
 * Errors:  OB_EUNSUPPORTED, OB_ETOOBIG, OB_ENOMEM.
 * Source:  Oniguruma's doc/RE, pcre2pattern(3). */
#ifndef OB_MODEL_TOKENIZER_PATTERN_H
#define OB_MODEL_TOKENIZER_PATTERN_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stddef.h>

#include "base/err.h"

#define OB_PATTERN_BYTES_MAX 4096

/* ret_code: freed by the caller with pcre2_code_free. Texts that it is matched against are valid UTF-8. */
OB_MUST_USE enum ob_err ob_pattern_compile(const char *pattern, size_t bytes, pcre2_code **ret_code,
                                           struct ob_error *error);
/* The pattern is a plain text. */
OB_MUST_USE enum ob_err ob_pattern_compile_literal(const char *text, size_t bytes, pcre2_code **ret_code,
                                                   struct ob_error *error);

#endif
