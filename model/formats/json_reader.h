/* json_reader - JSON text that others wrote, as a Jansson tree: configurations, tokenizers, rows, manifests.
 *
 * Lenient: what Python's json.loads takes, because that wrote and reads these files. Beyond RFC 8259:
 *     a BOM                  passed over
 *     NaN, Infinity,         a value of no Jansson type: json_is_number(), json_is_string() ... are all
 *     -Infinity, 1e999       false for it; whoever looks at it refuses a wrong type, nobody else notices it
 *     whole number beyond    a real, the nearest double: not json_is_integer(); beyond a double, as 1e999
 *     64 bits
 *     a key twice            its last value, at the place of the first
 *     "\ud800" alone         three bytes that are not UTF-8: ob_json_is_utf8() is false for that string
 *     "\u0000"               kept, in keys too: json_string_length() and the keylen functions see it
 * Strict: what means one thing to everybody, for text that is signed or hashed: all of these are errors but
 * "\u0000" in values.
 * Both refuse bytes that are not UTF-8, control characters in strings, anything after the value, more than
 * OB_JSON_DEPTH_MAX arrays and objects within one another, and more than OB_JSON_VALUES_MAX values.
 *
 * Errors:  OB_EFORMAT, OB_ETOOBIG, OB_ENOMEM; the message begins with the place and names no file.
 * Owns:    the caller owns the tree (json_decref); the text may go.
 * Threads: pure functions.
 * Source:  RFC 8259; the documentation of Python's json module. */
#ifndef OB_MODEL_FORMATS_JSON_READER_H
#define OB_MODEL_FORMATS_JSON_READER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum ob_json_mode { OB_JSON_LENIENT, OB_JSON_STRICT };

/* A whole text of any number of lines: messages begin with "line 3, column 7: ". */
OB_MUST_USE enum ob_err ob_json_read(const char *text, size_t bytes, enum ob_json_mode mode,
                                     json_t **ret_root, struct ob_error *error);
/* One line of a JSON Lines file, whose number the caller knows: messages begin with "column 7: ". */
OB_MUST_USE enum ob_err ob_json_read_line(const char *text, size_t bytes, enum ob_json_mode mode,
                                          json_t **ret_root, struct ob_error *error);

/* What a value is that no Jansson type holds: NaN, or an infinity (also for a number beyond a double). */
double ob_json_beyond(const json_t *value);
/* Is this string (or key) from a lenient text free of lone surrogates? */
bool ob_json_is_utf8(const char *string, size_t bytes);

#endif
