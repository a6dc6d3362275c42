/* unicode - where the Unicode versions of the libraries and of `tokenizers` differ.
 *
 * OB_UNICODE_ADDED: the characters that Unicode 15 to 16 added, with their general categories.
 *
 * PCRE2 10.42 knows Unicode 14; with these, \p{...} means Unicode 16 with it and with its followers, which is
 * what `tokenizers` 0.23 has. Where PCRE2 knows them already, nothing changes. */
#ifndef OB_MODEL_TOKENIZER_UNICODE_H
#define OB_MODEL_TOKENIZER_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ob_unicode_range {
    uint32_t first, last;
    char category[3];
};

extern const struct ob_unicode_range OB_UNICODE_ADDED[];
extern const size_t OB_UNICODE_ADDED_COUNT;

/* Does `tokenizers` compose it with nothing, and libutf8proc with something, or reorder it? Characters that
 * Unicode 10 to 18 added, with a combining class or in a canonical decomposition; and U+11A7, which
 * libutf8proc 2.8 takes for a final consonant. */
bool ob_unicode_stands_alone(uint32_t character);

#endif
