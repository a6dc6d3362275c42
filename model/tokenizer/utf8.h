/* utf8 - UTF-8 as the tokenizer needs it. No locale, no allocation, no errors. */
#ifndef OB_MODEL_TOKENIZER_UTF8_H
#define OB_MODEL_TOKENIZER_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the character at text[0 … bytes), and the character itself; 0 when they are not valid UTF-8
 * (overlong forms, surrogates and anything above U+10FFFF included) or when there are none. */
size_t ob_utf8_decode(const char *text, size_t bytes, uint32_t *ret_character);
/* Writes 1 … 4 bytes; the character is below U+110000. */
size_t ob_utf8_encode(uint32_t character, char ret_text[static 4]);
/* Length of the longest prefix that is valid UTF-8. */
size_t ob_utf8_valid(const char *text, size_t bytes);

/* Unicode's White_Space, as the `regex` and Oniguruma engines have it for \s. */
bool ob_utf8_is_space(uint32_t character);
/* How many bytes at the start, or at the end, of a text are white space. */
size_t ob_utf8_spaces_before(const char *text, size_t bytes);
size_t ob_utf8_spaces_after(const char *text, size_t bytes);

/* Does the text begin, or end, with a character of a word (\w of the `regex` engine: letters, marks, digits,
 * connectors, joiners)? */
bool ob_utf8_word_at_start(const char *text, size_t bytes);
bool ob_utf8_word_at_end(const char *text, size_t bytes);

/* A text from a file, made fit for a message: cut short, control characters and broken UTF-8 as '?'. */
#define OB_QUOTE_BYTES 48
const char *ob_utf8_quote(const char *text, size_t bytes, char ret_quote[static OB_QUOTE_BYTES]);

#endif
