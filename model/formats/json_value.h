/* json_value - values for JSON that we write, from whatever a run may hold: a number that is not finite is null and
 * bytes that are not UTF-8 are escaped, so that no input makes an answer or a report fail.
 *
 * Errors:  NULL only when there is no memory.
 * Owns:    nothing; the caller owns what is returned. */
#ifndef OB_MODEL_FORMATS_JSON_VALUE_H
#define OB_MODEL_FORMATS_JSON_VALUE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

json_t *ob_json_real(double value); /* NaN and infinities: null */
json_t *
ob_json_text(const char *text); /* NULL: null; a byte that is not UTF-8 becomes \xNN, four characters */
json_t *ob_json_hex(const uint8_t *data, size_t bytes);
json_t *ob_json_hex_or_null(const uint8_t data[32]); /* null for 32 zero bytes: no digest is known */
/* Sets root.a.b for the path "a.b" and makes the objects on the way. Takes `value`, also when it fails; a `value` that
 * is NULL is a failure. */
bool ob_json_set(json_t *root, const char *path, json_t *value);
/* Takes `root` (NULL: no memory) and prints it as one line, reals with seven digits. False: no memory, or what ferror(to) says. */
bool ob_json_print(json_t *root, FILE *to);

#endif
