/* tokenizer_unicode - the characters that Unicode 15 to 16 added, with their general categories.
 *
 * PCRE2 10.42 knows Unicode 14; with these, \p{...} means Unicode 16 with it and with its followers, which is
 * what `tokenizers` 0.23 has. Where PCRE2 knows them already, nothing changes. */
#ifndef OB_MODEL_TOKENIZER_UNICODE_H
#define OB_MODEL_TOKENIZER_UNICODE_H

#include <stddef.h>
#include <stdint.h>

struct ob_unicode_range {
    uint32_t first, last;
    char category[3];
};

extern const struct ob_unicode_range OB_UNICODE_ADDED[];
extern const size_t OB_UNICODE_ADDED_COUNT;

#endif
