/* output - a file that is there whole or not at all: written under a temporary name, synced, renamed.
 *
 * Errors:  OB_EIO, OB_EUSAGE name the file; the first one stays and later writes do nothing.
 * Owns:    the open file until close.
 * Threads: one at a time. */
#ifndef OB_BASE_OUTPUT_H
#define OB_BASE_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

#define OB_OUTPUT_PATH_MAX 4096

struct ob_output {
    FILE *file;
    uint64_t written;
    enum ob_err failed;
    struct ob_error *error;
    char temporary[OB_OUTPUT_PATH_MAX], final[OB_OUTPUT_PATH_MAX];
};

OB_MUST_USE enum ob_err ob_output_open(struct ob_output *output, const char *folder, const char *name,
                                       struct ob_error *error);
void ob_output_write(struct ob_output *output, const void *data, size_t bytes);
/* Zeros up to the next multiple of `alignment`. */
void ob_output_pad(struct ob_output *output, uint64_t alignment);
/* Sync, close, rename; after an error, the caller's (`failed`) or an own one, what was begun is removed. */
OB_MUST_USE enum ob_err ob_output_close(struct ob_output *output, enum ob_err failed);

#endif
