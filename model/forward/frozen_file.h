/* frozen_file - packed frozen weights in a file that all daemons of one user on this host map: one copy in memory.
 *
 *   OFFSET SIZE FIELD (this machine's byte order: a file never leaves it)
 *   0      8    "OBFROZEN"
 *   8      8    format, 1
 *   16     8    bytes of the data
 *   24     8    checksum of the data
 *   32     992  what was packed and how, a text; zeros after it
 *   1024   3072 zeros
 *   4096   …    data
 *
 * Valid if and only if: a regular file of ours that nobody else may write, of exactly that size, with these fields and
 * this checksum. Anything else under the name is replaced. The checksum finds damage, not malice: whoever can write our
 * files can do worse. One process packs at a time; others that want any file of the folder wait for it.
 *
 * Errors:  OB_EIO, OB_EREFUSED, OB_EFULL, OB_ENOMEM name the file.
 * Owns:    the mapping; a file that was not finished is removed by close, which accepts NULL.
 * Threads: one at a time. */
#ifndef OB_MODEL_FORWARD_FROZEN_FILE_H
#define OB_MODEL_FORWARD_FROZEN_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define OB_FROZEN_WHAT_MAX 992

struct ob_frozen_file;

/* The file for `what` in `folder`. *ret_ready: it has its data; else the caller fills ob_frozen_file_data and calls
 * finish. */
OB_MUST_USE enum ob_err ob_frozen_file_open(const char *folder, const char *what, size_t bytes,
                                            struct ob_frozen_file **ret_file, bool *ret_ready,
                                            struct ob_error *error);
/* Multiple of 4096; read-only once it is ready or finished. */
uint8_t *ob_frozen_file_data(const struct ob_frozen_file *file);
OB_MUST_USE enum ob_err ob_frozen_file_finish(struct ob_frozen_file *file, struct ob_error *error);
void ob_frozen_file_close(struct ob_frozen_file *file);

#endif
