#include "cli/markup.h"

#include <string.h>
#include <utf8proc.h>

static const char *entity_of(char c) {
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void ob_markup_text(FILE *to, const char *text) {
    while (*text) {
        utf8proc_int32_t c;
        utf8proc_ssize_t length =
            utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)strnlen(text, 4), &c);
        const char *entity = entity_of(*text);
        if (length <= 0 || (c < 0x20 && c != '\t' && c != '\n') || (c >= 0x7f && c < 0xa0))
            fputs("\xef\xbf\xbd", to);
        else if (entity)
            fputs(entity, to);
        else
            (void)fwrite(text, 1, (size_t)length, to);
        text += length > 0 ? length : 1;
    }
}
