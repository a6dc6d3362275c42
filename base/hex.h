/* hex - bytes as lower-case hexadecimal digits. Not for secrets: libsodium's take constant time.
 *
 * Threads: pure functions. */
#ifndef OB_BASE_HEX_H
#define OB_BASE_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ids.h"

#define OB_HEX_MAX(bytes) (2 * (bytes) + 1) /* digits of so many bytes, and the NUL */
#define OB_HEX_HASH_MAX   OB_HEX_MAX(OB_HASH_BYTES)
#define OB_HEX_SHORT_MAX  12 /* "01234567..." */

/* Returns ret_text, which has room for OB_HEX_MAX(bytes). */
char *ob_hex_encode(const void *data, size_t bytes, char *ret_text);
/* Exactly 2 * bytes digits of either case and nothing behind them; false: ret_data is untouched. */
bool ob_hex_decode(const char *text, size_t bytes, void *ret_data);
/* The same of digits that are counted, without a NUL behind them: an even number of them, at most 2 * capacity. */
bool ob_hex_decode_counted(const char *text, size_t digits, size_t capacity, void *ret_data,
                           size_t *ret_bytes);
/* The first digits of a machine's key, for messages. Returns ret_text. */
char *ob_hex_short(const struct ob_machine_id *machine, char ret_text[static OB_HEX_SHORT_MAX]);

#endif
