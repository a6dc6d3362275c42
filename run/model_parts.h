/* model_parts - the files of a base model by their names (record/file_tree.h), so that a newcomer can fetch them from members.
 *
 *   onebyte-model-1
 *   NAME BYTES FILE          a line each: 64 hexadecimal digits, the file's length, what it is called
 *
 * The list is a file itself and has a name, which a token carries. That the model which the files make is the run's base is
 * what the base hash says; the names only let parts be verified as they come.
 *
 * A file's name on the disk: 1 to 127 letters, digits, '.', '_' and '-', not beginning with '.'; each once.
 *
 * Errors:  OB_EFORMAT, OB_ETOOBIG: name the list.
 * Owns:    nothing.
 * Threads: pure functions. */
#ifndef OB_RUN_MODEL_PARTS_H
#define OB_RUN_MODEL_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ids.h"

#define OB_MODEL_PARTS_MAX       64
#define OB_MODEL_PARTS_BYTES_MAX 16384
#define OB_MODEL_PARTS_FILE      "model.parts" /* in the state directory */
#define OB_MODEL_PARTS_FOLDER    "model"       /* there: where fetched files go */
#define OB_MODEL_PART_BYTES_MAX  (1ull << 42)

struct ob_model_part {
    struct ob_hash name;
    uint64_t bytes;
    char file[128];
};

struct ob_model_parts {
    size_t count;
    struct ob_model_part parts[OB_MODEL_PARTS_MAX];
};

OB_MUST_USE enum ob_err ob_model_parts_parse(const char *name, const char *text, size_t bytes,
                                             struct ob_model_parts *ret_parts, struct ob_error *error);
/* Returns the length; ret_text: OB_MODEL_PARTS_BYTES_MAX, NUL-terminated. */
size_t ob_model_parts_write(const struct ob_model_parts *parts, char *ret_text);
/* May a file be called so? */
bool ob_model_parts_good_name(const char *file);

#endif
