/* corpus_reader - the lines of a JSON Lines file, one at a time, each of bounded length.
 *
 * Errors:  OB_ENOTFOUND, OB_EIO, OB_ENOMEM; OB_ETOOBIG for a file beyond OB_CORPUS_BYTES_MAX, and, of a
 *          row, for a line beyond OB_CORPUS_ROW_MAX bytes. Messages name the file and the line.
 * Owns:    the open file and one buffer.
 * Threads: one at a time. */
#ifndef OB_MODEL_DATA_READER_H
#define OB_MODEL_DATA_READER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "model/data/corpus.h"

struct ob_corpus_reader {
    const char *path; /* the caller's */
    FILE *file;
    char *line;
    size_t line_bytes;    /* without the newline */
    bool is_too_long;     /* then its bytes are gone */
    uint64_t line_number; /* from 1 */
    uint64_t bytes;       /* of the file, so far */
};

/* A row; its parts belong to `root`. */
struct ob_corpus_row {
    json_t *root;
    enum ob_row_kind kind;
    const json_t *text;                /* of a text */
    const json_t *prompt, *completion; /* of a pair; choices have the prompt */
    const json_t *choices;             /* an array of at least two strings */
    uint32_t label;                    /* of choices: which is right */
    const json_t *messages; /* of a chat: a non-empty array of {"role": string, "content": string} */
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
