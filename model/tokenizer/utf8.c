#include "model/tokenizer/utf8.h"

#include <assert.h>
#include <string.h>
#include <utf8proc.h>

size_t ob_utf8_decode(const char *text, size_t bytes, uint32_t *ret_character) {
    if (bytes == 0)
        return 0;
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
    if (at[0] < 0x80) { /* most of them; no call */
        *ret_character = at[0];
        return 1;
    }
    utf8proc_int32_t character;
    utf8proc_ssize_t length = utf8proc_iterate(at, bytes < 4 ? (utf8proc_ssize_t)bytes : 4, &character);
    if (length <= 0)
        return 0;
    *ret_character = (uint32_t)character;
    return (size_t)length;
}

size_t ob_utf8_encode(uint32_t character, char ret_text[static 4]) {
    assert(character < 0x110000);
    return (size_t)utf8proc_encode_char((utf8proc_int32_t)character, (utf8proc_uint8_t *)ret_text);
}

size_t ob_utf8_valid(const char *text, size_t bytes) {
    size_t at = 0, length;
    uint32_t character;
    while ((length = ob_utf8_decode(text + at, bytes - at, &character)) > 0)
        at += length;
    return at;
}

bool ob_utf8_is_space(uint32_t c) {
    return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
           c == 0x3000;
}

size_t ob_utf8_spaces_before(const char *text, size_t bytes) {
    size_t at = 0, length;
    uint32_t character;
    while ((length = ob_utf8_decode(text + at, bytes - at, &character)) > 0 && ob_utf8_is_space(character))
        at += length;
    return at;
}

/* The last character of a text: its length, or 0 when the text ends with something else. */
static size_t decode_last(const char *text, size_t bytes, uint32_t *ret_character) {
    size_t start = bytes > 0 ? bytes - 1 : 0;
    while (start > 0 && bytes - start < 4 && ((uint8_t)text[start] & 0xc0) == 0x80)
        start--;
    size_t length = ob_utf8_decode(text + start, bytes - start, ret_character);
    return length == bytes - start ? length : 0;
}

size_t ob_utf8_spaces_after(const char *text, size_t bytes) {
    size_t end = bytes, length;
    uint32_t character;
    while ((length = decode_last(text, end, &character)) > 0 && ob_utf8_is_space(character))
        end -= length;
    return bytes - end;
}

/* Alphabetic symbols that are not letters: circled and squared ones. */
static bool is_letter_symbol(uint32_t c) {
    return (c >= 0x24b6 && c <= 0x24e9) || (c >= 0x1f130 && c <= 0x1f149) || (c >= 0x1f150 && c <= 0x1f169) ||
           (c >= 0x1f170 && c <= 0x1f189);
}

static bool is_word(uint32_t character) {
    switch (utf8proc_category((utf8proc_int32_t)character)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
        return true;
    default:
        return character == 0x200c || character == 0x200d || is_letter_symbol(character);
    }
}

bool ob_utf8_word_at_start(const char *text, size_t bytes) {
    uint32_t character;
    return ob_utf8_decode(text, bytes, &character) > 0 && is_word(character);
}

bool ob_utf8_word_at_end(const char *text, size_t bytes) {
    uint32_t character;
    return decode_last(text, bytes, &character) > 0 && is_word(character);
}

const char *ob_utf8_quote(const char *text, size_t bytes, char ret_quote[static OB_QUOTE_BYTES]) {
    size_t used = 0, at = 0;
    while (at < bytes && used + 4 + sizeof "..." <= OB_QUOTE_BYTES) {
        uint32_t character;
        size_t length = ob_utf8_decode(text + at, bytes - at, &character);
        if (length == 0 || character < 0x20 || (character >= 0x7f && character < 0xa0)) {
            ret_quote[used++] = '?';
            at += length > 0 ? length : 1;
            continue;
        }
        memcpy(ret_quote + used, text + at, length);
        used += length;
        at += length;
    }
    memcpy(ret_quote + used, at < bytes ? "..." : "", at < bytes ? sizeof "..." : 1);
    return ret_quote;
}
