#include "base/hex.h"

#include <string.h>

static const char DIGITS[] = "0123456789abcdef";

char *ob_hex_encode(const void *data, size_t bytes, char *ret_text) {
    const uint8_t *from = data;
    for (size_t i = 0; i < bytes; i++) {
        ret_text[2 * i] = DIGITS[from[i] >> 4];
        ret_text[2 * i + 1] = DIGITS[from[i] & 15];
    }
    ret_text[2 * bytes] = 0;
    return ret_text;
}

static int value_of(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool ob_hex_decode(const char *text, size_t bytes, void *ret_data) {
    size_t digits = strnlen(text, 2 * bytes + 1), decoded;
    return digits == 2 * bytes && ob_hex_decode_counted(text, digits, bytes, ret_data, &decoded);
}

bool ob_hex_decode_counted(const char *text, size_t digits, size_t capacity, void *ret_data,
                           size_t *ret_bytes) {
    uint8_t *to = ret_data;
    if (digits % 2 != 0 || digits / 2 > capacity)
        return false;
    for (size_t i = 0; i < digits; i++)
        if (value_of(text[i]) < 0)
            return false;
    for (size_t i = 0; i < digits / 2; i++)
        to[i] = (uint8_t)(16 * value_of(text[2 * i]) + value_of(text[2 * i + 1]));
    *ret_bytes = digits / 2;
    return true;
}

char *ob_hex_short(const struct ob_machine_id *machine, char ret_text[static OB_HEX_SHORT_MAX]) {
    ob_hex_encode(machine->key, 4, ret_text);
    memcpy(ret_text + 8, "...", 4);
    return ret_text;
}
