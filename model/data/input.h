/* input - the bytes of a row file, plain or compressed (gzip, zstd), known by its first bytes and not by its name.
 *
 * Files that are something else are refused with what they are and what to do: Parquet, Arrow, zip, xz, bzip2, UTF-16
 * and UTF-32, a JSON array, JSON over several lines, CSV.
 *
 * Errors:  OB_ENOTFOUND, OB_EREFUSED (permissions), OB_EIO, OB_ENOMEM; OB_EUNSUPPORTED for those; OB_EFORMAT for compressed data that is damaged
 *          or cut short. Messages name the file.
 * Owns:    the open file and its buffers; free accepts NULL.
 * Threads: one at a time.
 * Source:  RFC 1952 (gzip), RFC 8878 (zstd). */
#ifndef OB_MODEL_DATA_INPUT_H
#define OB_MODEL_DATA_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct ob_input;

OB_MUST_USE enum ob_err ob_input_open(const char *path, struct ob_input **ret_input, struct ob_error *error);
void ob_input_free(struct ob_input *input);
/* Up to `bytes` bytes, at least one; 0 at the end. */
OB_MUST_USE enum ob_err ob_input_read(struct ob_input *input, char *data, size_t bytes, size_t *ret_bytes,
                                      struct ob_error *error);
/* Of the file as it lies on the disk: how far it is read, and its size (0: not known). */
uint64_t ob_input_done(const struct ob_input *input);
uint64_t ob_input_size(const struct ob_input *input);

#endif
