#include "model/tokenizer/pattern.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/tokenizer/unicode.h"
#include "model/tokenizer/utf8.h"

/* Unicode's White_Space and what it leaves. PCRE2's own \s has U+180E as well. */
#define SPACES                                                                                               \
    "\\x{9}-\\x{D}\\x{20}\\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}"     \
    "\\x{3000}"
#define NOT_SPACES                                                                                           \
    "\\x{0}-\\x{8}\\x{E}-\\x{1F}\\x{21}-\\x{84}\\x{86}-\\x{9F}\\x{A1}-\\x{167F}\\x{1681}-\\x{1FFF}"          \
    "\\x{200B}-\\x{2027}\\x{202A}-\\x{202E}\\x{2030}-\\x{205E}\\x{2060}-\\x{2FFF}\\x{3001}-\\x{10FFFF}"

static const char *const CATEGORIES[] = {
    "L",  "Lu", "Ll", "Lt", "Lm", "Lo", "M",  "Mn", "Mc", "Me", "N", "Nd", "Nl", "No", "P",  "Pc", "Pd",
    "Ps", "Pe", "Pi", "Pf", "Po", "S",  "Sm", "Sc", "Sk", "So", "Z", "Zs", "Zl", "Zp", "Cc", "Cf", "Co"};

struct translation {
    const char *at, *end;
    char out[32 * OB_PATTERN_BYTES_MAX];
    size_t used;
    bool failed; /* `out` is full */
};

/* What one escape or character of a class is: a class cannot be an end of a range. */
enum item { ITEM_CHARACTER, ITEM_CLASS };

static void put(struct translation *to, const char *text, size_t bytes) {
    if (bytes > sizeof to->out - to->used) {
        to->failed = true;
        return;
    }
    memcpy(to->out + to->used, text, bytes);
    to->used += bytes;
}

OB_PRINTF(2, 3) static void put_format(struct translation *to, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    put(to, text, length > 0 ? (size_t)length : 0);
}

static enum ob_err refuse(const struct translation *from, const char *at, struct ob_error *error) {
    char quote[OB_QUOTE_BYTES];
    return ob_fail(error, OB_EUNSUPPORTED, "the pattern's \"%s\" is not supported",
                   ob_utf8_quote(at, (size_t)(from->end - at), quote));
}

static bool starts_with(const struct translation *from, const char *text) {
    size_t bytes = strlen(text);
    return (size_t)(from->end - from->at) >= bytes && memcmp(from->at, text, bytes) == 0;
}

/* Any character as a number, so that none has a meaning. */
static enum ob_err put_character(struct translation *to, struct ob_error *error) {
    uint32_t character;
    size_t length = ob_utf8_decode(to->at, (size_t)(to->end - to->at), &character);
    if (length == 0)
        return refuse(to, to->at, error);
    put_format(to, "\\x{%X}", character);
    to->at += length;
    return OB_OK;
}

/* The members of a category, to stand in a class. */
static void put_category(struct translation *to, const char *name) {
    put_format(to, "\\p{%s}", name);
    for (size_t i = 0; i < OB_UNICODE_ADDED_COUNT; i++) {
        const struct ob_unicode_range *range = &OB_UNICODE_ADDED[i];
        if (strncmp(range->category, name, strlen(name)) == 0)
            put_format(to, "\\x{%X}-\\x{%X}", range->first, range->last);
    }
}

/* `opposite`: all the others, which cannot be said inside a class. */
static void put_category_class(struct translation *to, const char *name, bool in_class, bool opposite) {
    if (!in_class)
        put(to, opposite ? "[^" : "[", opposite ? 2 : 1);
    put_category(to, name);
    if (!in_class)
        put(to, "]", 1);
}

/* to->at is behind \p or \P. */
static enum ob_err put_property(struct translation *to, bool in_class, bool opposite,
                                struct ob_error *error) {
    const char *start = to->at - 2;
    const char *close =
        to->at < to->end && *to->at == '{' ? memchr(to->at, '}', (size_t)(to->end - to->at)) : NULL;
    if (close == NULL)
        return refuse(to, start, error);
    const char *name = to->at + 1;
    if (*name == '^') {
        name++;
        opposite = !opposite;
    }
    size_t bytes = (size_t)(close - name);
    for (size_t i = 0; i < sizeof CATEGORIES / sizeof *CATEGORIES && !(opposite && in_class); i++) {
        if (strlen(CATEGORIES[i]) == bytes && memcmp(CATEGORIES[i], name, bytes) == 0) {
            put_category_class(to, CATEGORIES[i], in_class, opposite);
            to->at = close + 1;
            return OB_OK;
        }
    }
    return refuse(to, start, error);
}

/* \x{H…} and \uHHHH; to->at is behind the letter. */
static enum ob_err put_number(struct translation *to, char letter, struct ob_error *error) {
    const char *start = to->at - 2;
    bool braces = letter == 'x';
    if (braces && (to->at == to->end || *to->at++ != '{'))
        return refuse(to, start, error);
    uint32_t value = 0;
    size_t digits = 0, digits_max = braces ? 6 : 4;
    for (; digits < digits_max && to->at < to->end; digits++, to->at++) {
        if (memchr("0123456789abcdefABCDEF", *to->at, 22) == NULL)
            break;
        value = value << 4 | (uint32_t)(*to->at <= '9' ? *to->at - '0' : (*to->at | 0x20) - 'a' + 10);
    }
    bool closed = !braces || (to->at < to->end && *to->at++ == '}');
    if (digits == 0 || (!braces && digits < 4) || !closed || value > 0x10ffff ||
        (value >= 0xd800 && value < 0xe000))
        return refuse(to, start, error);
    put_format(to, "\\x{%X}", value);
    return OB_OK;
}

/* One escape, inside a class or outside; to->at is at the backslash. */
static enum ob_err put_escape(struct translation *to, bool in_class, enum item *ret_item,
                              struct ob_error *error) {
    static const char LETTERS[] = "rntfvae", CODES[] = "\r\n\t\f\v\a\x1b";
    if (to->end - to->at < 2)
        return refuse(to, to->at, error);
    char letter = to->at[1];
    to->at += 2;
    *ret_item = ITEM_CLASS;
    switch (letter) {
    case 's':
        put_format(to, in_class ? "%s" : "[%s]", SPACES);
        return OB_OK;
    case 'S':
        put_format(to, in_class ? "%s" : "[%s]", NOT_SPACES);
        return OB_OK;
    case 'd':
    case 'D':
        if (in_class && letter == 'D')
            return refuse(to, to->at - 2, error);
        put_category_class(to, "Nd", in_class, letter == 'D');
        return OB_OK;
    case 'p':
    case 'P':
        return put_property(to, in_class, letter == 'P', error);
    default:
        break;
    }
    *ret_item = ITEM_CHARACTER;
    if (letter == 'x' || letter == 'u')
        return put_number(to, letter, error);
    const char *known = letter == 0 ? NULL : strchr(LETTERS, letter);
    if (known != NULL) {
        put_format(to, "\\x{%X}", (unsigned)CODES[known - LETTERS]);
        return OB_OK;
    }
    bool punctuation = letter > 0x20 && letter < 0x7f && !(letter >= '0' && letter <= '9') &&
                       !((letter | 0x20) >= 'a' && (letter | 0x20) <= 'z');
    to->at--;
    if (punctuation || letter == ' ')
        return put_character(to, error);
    return refuse(to, to->at - 1, error);
}

static enum ob_err put_class_item(struct translation *to, enum item *ret_item, struct ob_error *error) {
    *ret_item = ITEM_CHARACTER;
    if (*to->at == '\\')
        return put_escape(to, true, ret_item, error);
    if (*to->at == '[' || *to->at == '-' || starts_with(to, "&&"))
        return refuse(to, to->at, error);
    return put_character(to, error);
}

/* A hyphen is an operator between two characters, itself at the start or the end, and refused elsewhere. */
static enum ob_err put_class(struct translation *to, struct ob_error *error) {
    const char *start = to->at++;
    put(to, "[", 1);
    if (to->at < to->end && *to->at == '^') {
        put(to, "^", 1);
        to->at++;
    }
    for (bool first = true; to->at < to->end; first = false) {
        if (*to->at == ']') {
            if (first)
                return refuse(to, start, error);
            to->at++;
            put(to, "]", 1);
            return OB_OK;
        }
        if (*to->at == '-' && (first || starts_with(to, "-]"))) {
            put_format(to, "\\x{2D}");
            to->at++;
            continue;
        }
        const char *item_start = to->at;
        enum item item, upper;
        enum ob_err err = put_class_item(to, &item, error);
        if (err != OB_OK)
            return err;
        if (to->at >= to->end || *to->at != '-' || starts_with(to, "-]"))
            continue;
        put(to, "-", 1);
        to->at++;
        if (to->at >= to->end || put_class_item(to, &upper, error) != OB_OK)
            return refuse(to, item_start, error);
        if (item == ITEM_CLASS || upper == ITEM_CLASS)
            return refuse(to, item_start, error);
    }
    return refuse(to, start, error);
}

static enum ob_err put_group(struct translation *to, struct ob_error *error) {
    static const char *const OPENINGS[] = {"(?:", "(?i:", "(?=", "(?!", "(?>"};
    for (size_t i = 0; i < sizeof OPENINGS / sizeof *OPENINGS; i++) {
        if (starts_with(to, OPENINGS[i])) {
            put(to, OPENINGS[i], strlen(OPENINGS[i]));
            to->at += strlen(OPENINGS[i]);
            return OB_OK;
        }
    }
    if (starts_with(to, "(?") || starts_with(to, "(*"))
        return refuse(to, to->at, error);
    put(to, "(?:", 3); /* nothing refers to a group */
    to->at++;
    return OB_OK;
}

/* {n}, {n,} and {n,m}; followed by ? or +, Oniguruma repeats the repetition: refused. */
static enum ob_err put_braces(struct translation *to, struct ob_error *error) {
    const char *start = to->at, *at = to->at + 1;
    size_t digits = 0;
    for (; at < to->end && *at >= '0' && *at <= '9'; at++)
        digits++;
    if (at < to->end && *at == ',' && digits > 0)
        for (at++; at < to->end && *at >= '0' && *at <= '9';)
            at++;
    if (digits == 0 || at >= to->end || *at != '}')
        return refuse(to, start, error);
    at++;
    if (at < to->end && memchr("?*+{", *at, 4) != NULL)
        return refuse(to, start, error);
    put(to, start, (size_t)(at - start));
    to->at = at;
    return OB_OK;
}

static enum ob_err put_quantifier(struct translation *to, struct ob_error *error) {
    const char *start = to->at;
    put(to, to->at++, 1);
    if (to->at < to->end && (*to->at == '?' || *to->at == '+'))
        put(to, to->at++, 1);
    if (to->at < to->end && memchr("?*+{", *to->at, 4) != NULL)
        return refuse(to, start, error);
    return OB_OK;
}

static enum ob_err put_next(struct translation *to, struct ob_error *error) {
    enum item item;
    switch (*to->at) {
    case '\\':
        return put_escape(to, false, &item, error);
    case '[':
        return put_class(to, error);
    case '(':
        return put_group(to, error);
    case '{':
        return put_braces(to, error);
    case '?':
    case '*':
    case '+':
        return put_quantifier(to, error);
    case '.':
        put_format(to, "[^\\x{A}]");
        to->at++;
        return OB_OK;
    case '|':
    case ')':
        put(to, to->at++, 1);
        return OB_OK;
    case '^':
    case '$':
    case ']':
    case '}':
        return refuse(to, to->at, error);
    default:
        return put_character(to, error);
    }
}

static enum ob_err compile(const struct translation *to, pcre2_code **ret_code, struct ob_error *error) {
    if (to->failed)
        return ob_fail(error, OB_ETOOBIG, "the pattern is too long");
    int number;
    PCRE2_SIZE offset;
    /* PCRE2 10.42 makes the + in \P{Nd}+?\P{Lu} possessive, wrongly. */
    uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_NO_AUTO_POSSESS;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)to->out, to->used, options, &number, &offset, NULL);
    if (code == NULL) {
        PCRE2_UCHAR text[128] = "";
        (void)pcre2_get_error_message(number, text, sizeof text);
        return ob_fail(error, OB_EUNSUPPORTED, "the pattern does not compile: %s", (const char *)text);
    }
    (void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE); /* only speed: where there is no JIT, it interprets */
    *ret_code = code;
    return OB_OK;
}

static enum ob_err translate(const char *pattern, size_t bytes,
                             enum ob_err (*next)(struct translation *, struct ob_error *),
                             pcre2_code **ret_code, struct ob_error *error) {
    if (bytes == 0)
        return ob_fail(error, OB_EUNSUPPORTED, "an empty pattern is not supported");
    if (bytes > OB_PATTERN_BYTES_MAX)
        return ob_fail(error, OB_ETOOBIG, "the pattern has %zu bytes, maximum %d", bytes,
                       OB_PATTERN_BYTES_MAX);
    struct translation *to = calloc(1, sizeof *to);
    if (to == NULL)
        return ob_fail(error, OB_ENOMEM, "not enough memory for a pattern");
    to->at = pattern;
    to->end = pattern + bytes;
    enum ob_err err = OB_OK;
    while (err == OB_OK && to->at < to->end)
        err = next(to, error);
    if (err == OB_OK)
        err = compile(to, ret_code, error);
    free(to);
    return err;
}

enum ob_err ob_pattern_compile(const char *pattern, size_t bytes, pcre2_code **ret_code,
                               struct ob_error *error) {
    return translate(pattern, bytes, put_next, ret_code, error);
}

enum ob_err ob_pattern_compile_literal(const char *text, size_t bytes, pcre2_code **ret_code,
                                       struct ob_error *error) {
    return translate(text, bytes, put_character, ret_code, error);
}
