/* last_start - STATE_DIR/start: which manifest and base model the last start of a daemon there used, so that nobody needs to
 * name them again.
 *
 *   onebyte-start-1
 *   manifest PATH
 *   model PATH
 *
 * Text, absolute paths, each line ended by a newline. It is a hint for people's tools: nothing that counts depends on it,
 * and whoever reads it checks the files as ever.
 *
 * Errors:  OB_ENOTFOUND (no start so far), OB_EFORMAT, OB_ETOOBIG, OB_EUSAGE, OB_EIO: name the file. */
#ifndef OB_RUN_LAST_START_H
#define OB_RUN_LAST_START_H

#include "base/path.h"

struct ob_last_start {
    char manifest[OB_PATH_MAX], model[OB_PATH_MAX];
};

/* Replaces what is there. The paths are made absolute; both must exist. */
OB_MUST_USE enum ob_err ob_last_start_write(const char *state_dir, const char *manifest, const char *model,
                                            struct ob_error *error);
/* The text of such a file, with a NUL behind it; `name` is for messages. */
OB_MUST_USE enum ob_err ob_last_start_parse(const char *name, const char *text, size_t bytes,
                                            struct ob_last_start *ret_start, struct ob_error *error);
OB_MUST_USE enum ob_err ob_last_start_read(const char *state_dir, struct ob_last_start *ret_start,
                                           struct ob_error *error);

#endif
