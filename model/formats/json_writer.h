/* json_writer - a tree of model/formats/json_reader.h as text again, with what Jansson would not write: NaN and
 * infinities as Python writes them, half surrogate pairs as escapes. One member a line, indented by a space.
 *
 * Errors:  NULL: no memory.
 * Owns:    the caller frees the text.
 * Threads: pure functions. */
#ifndef OB_MODEL_FORMATS_JSON_WRITER_H
#define OB_MODEL_FORMATS_JSON_WRITER_H

#include <jansson.h>

char *ob_json_write(const json_t *root);

#endif
