/* reader - the lines of a JSON Lines file, in blocks of whole lines, each line of bounded length.
 *
 * Errors:  those of model/data/input.h; OB_ETOOBIG for a file beyond OB_CORPUS_BYTES_MAX, unpacked. Messages name the
 *          file.
 * Owns:    the open file and a buffer; a block is the caller's, which calls ob_line_block_done.
 * Threads: one at a time. */
#ifndef OB_MODEL_DATA_READER_H
#define OB_MODEL_DATA_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "model/data/input.h"

struct ob_line {
    uint64_t number; /* in the file, from 1 */
    uint64_t row;    /* the same without blank lines, from 0 */
    size_t start;    /* in the block's data */
    size_t bytes;    /* without the newline */
    bool too_long;   /* more than OB_CORPUS_ROW_MAX: its bytes are gone */
};

struct ob_line_block {
    char *data;
    size_t data_count, data_max;
    struct ob_line *lines;
    size_t count, lines_max; /* count 0: the file has ended */
};

struct ob_line_reader {
    const char *path; /* the caller's */
    struct ob_input *input;
    char *buffer; /* [at, filled) is still to be cut into lines */
    size_t at, filled;
    uint64_t lines, rows, bytes; /* so far */
    bool ended;
};

/* Done accepts a zeroed struct and a failed open. */
OB_MUST_USE enum ob_err ob_line_reader_open(struct ob_line_reader *reader, const char *path,
                                            struct ob_error *error);
void ob_line_reader_done(struct ob_line_reader *reader);
/* Fills the block anew, with lines of about `bytes` bytes in all, at least one. Blank lines are passed over. */
OB_MUST_USE enum ob_err ob_line_reader_next(struct ob_line_reader *reader, size_t bytes,
                                            struct ob_line_block *block, struct ob_error *error);
void ob_line_block_done(struct ob_line_block *block);

#endif
