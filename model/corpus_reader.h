/* corpus_reader - the lines of a JSON Lines file, one at a time, each of bounded length.
 *
 * Errors:  OB_ENOTFOUND, OB_EIO, OB_ENOMEM; OB_ETOOBIG for a line beyond OB_CORPUS_ROW_MAX bytes or a file
 *          beyond OB_CORPUS_BYTES_MAX. Messages name the file and the line.
 * Owns:    the open file and one buffer. Threads: one at a time. */
#ifndef OB_MODEL_CORPUS_READER_H
#define OB_MODEL_CORPUS_READER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

struct ob_corpus_reader {
    const char *path; /* the caller's */
    FILE *file;
    char *line;
    size_t line_bytes;    /* without the newline */
    uint64_t line_number; /* from 1 */
    uint64_t bytes;       /* of the file, so far */
};

/* A row: a text, or a prompt and its completion. The strings belong to `root`. */
struct ob_corpus_row {
    json_t *root;
    const json_t *text;                /* NULL: there is a prompt */
    const json_t *prompt, *completion; /* NULL: there is a text */
};

/* Done accepts a zeroed struct and a failed init. */
OB_MUST_USE enum ob_err ob_corpus_reader_init(struct ob_corpus_reader *reader, const char *path,
                                              struct ob_error *error);
void ob_corpus_reader_done(struct ob_corpus_reader *reader);
/* *ret_more is false at the end of the file. Blank lines are passed over. */
OB_MUST_USE enum ob_err ob_corpus_reader_next(struct ob_corpus_reader *reader, bool *ret_more,
                                              struct ob_error *error);
/* The line that `next` has read. The caller calls json_decref(ret_row->root). */
OB_MUST_USE enum ob_err ob_corpus_reader_row(const struct ob_corpus_reader *reader,
                                             struct ob_corpus_row *ret_row, struct ob_error *error);

#endif
