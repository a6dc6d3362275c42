#include "model/data/reader.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/limits.h"

#define BUFFER_BYTES (256u << 10)

enum ob_err ob_line_reader_open(struct ob_line_reader *reader, const char *path, struct ob_error *error) {
    *reader = (struct ob_line_reader){.path = path, .buffer = malloc(BUFFER_BYTES)};
    if (reader->buffer == NULL)
        return ob_fail(error, OB_ENOMEM, "%s: not enough memory to read it", path);
    return ob_input_open(path, &reader->input, error);
}

void ob_line_reader_done(struct ob_line_reader *reader) {
    ob_input_free(reader->input);
    free(reader->buffer);
    *reader = (struct ob_line_reader){0};
}

static enum ob_err fill(struct ob_line_reader *reader, struct ob_error *error) {
    reader->at = reader->filled = 0;
    enum ob_err err = ob_input_read(reader->input, reader->buffer, BUFFER_BYTES, &reader->filled, error);
    reader->bytes += reader->filled;
    reader->ended = err == OB_OK && reader->filled == 0;
    if (err == OB_OK && reader->bytes > OB_CORPUS_BYTES_MAX)
        return ob_fail(error, OB_ETOOBIG, "%s:%" PRIu64 ": the file is larger than %llu bytes", reader->path,
                       reader->lines, OB_CORPUS_BYTES_MAX);
    return err;
}

/* Appends one line to the block's data; *ret_bytes may be beyond OB_CORPUS_ROW_MAX, then it is read to its end and
 * forgotten. */
static enum ob_err read_line(struct ob_line_reader *reader, struct ob_line_block *block, uint64_t *ret_bytes,
                             struct ob_error *error) {
    const char *newline = NULL;
    reader->lines++;
    for (*ret_bytes = 0; newline == NULL;) {
        enum ob_err err = reader->at == reader->filled ? fill(reader, error) : OB_OK;
        if (err != OB_OK || reader->ended)
            return err;
        const char *from = reader->buffer + reader->at;
        newline = memchr(from, '\n', reader->filled - reader->at);
        size_t bytes = newline != NULL ? (size_t)(newline - from) : reader->filled - reader->at;
        if (*ret_bytes + bytes <= OB_CORPUS_ROW_MAX) {
            size_t used = block->data_count + (size_t)*ret_bytes;
            if (!ob_array_reserve(&block->data, used, bytes + 1, 1, &block->data_max))
                return ob_fail(error, OB_ENOMEM, "%s: not enough memory to read it", reader->path);
            memcpy(block->data + used, from, bytes);
        }
        *ret_bytes += bytes;
        reader->at += bytes + (newline != NULL);
    }
    return OB_OK;
}

static bool is_blank(const char *line, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
            return false;
    return true;
}

enum ob_err ob_line_reader_next(struct ob_line_reader *reader, size_t bytes, struct ob_line_block *block,
                                struct ob_error *error) {
    block->count = block->data_count = 0;
    while (!reader->ended && block->data_count < bytes) {
        uint64_t length = 0;
        enum ob_err err = read_line(reader, block, &length, error);
        if (err != OB_OK)
            return err;
        bool too_long = length > OB_CORPUS_ROW_MAX;
        if (length == 0 || (!too_long && is_blank(block->data + block->data_count, (size_t)length)))
            continue;
        if (!ob_array_reserve(&block->lines, block->count, 1, sizeof *block->lines, &block->lines_max))
            return ob_fail(error, OB_ENOMEM, "%s: not enough memory to read it", reader->path);
        block->lines[block->count++] = (struct ob_line){.number = reader->lines,
                                                        .row = reader->rows++,
                                                        .start = block->data_count,
                                                        .bytes = too_long ? 0 : (size_t)length,
                                                        .too_long = too_long};
        block->data_count += too_long ? 0 : (size_t)length;
    }
    return OB_OK;
}

void ob_line_block_done(struct ob_line_block *block) {
    free(block->data);
    free(block->lines);
    *block = (struct ob_line_block){0};
}
