#include "model/data/reader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/limits.h"

enum ob_err ob_line_reader_open(struct ob_line_reader *reader, const char *path, struct ob_error *error) {
    *reader = (struct ob_line_reader){.path = path, .file = fopen(path, "rbe")};
    if (reader->file == NULL)
        return ob_fail(error, errno == ENOENT ? OB_ENOTFOUND : OB_EIO, "%s: %s", path, strerror(errno));
    return OB_OK;
}

void ob_line_reader_done(struct ob_line_reader *reader) {
    if (reader->file != NULL)
        (void)fclose(reader->file);
    *reader = (struct ob_line_reader){0};
}

/* Appends one line to the block's data; *ret_bytes may be beyond OB_CORPUS_ROW_MAX, then it is read to its end and
 * forgotten. */
static enum ob_err read_line(struct ob_line_reader *reader, struct ob_line_block *block, uint64_t *ret_bytes,
                             struct ob_error *error) {
    int byte = 0;
    uint64_t bytes = 0;
    reader->lines++;
    if (!ob_array_reserve(&block->data, block->data_count, OB_CORPUS_ROW_MAX, 1, &block->data_max))
        return ob_fail(error, OB_ENOMEM, "%s: no memory to read it", reader->path);
    char *line = block->data + block->data_count;
    for (; bytes <= OB_CORPUS_BYTES_MAX && (byte = getc_unlocked(reader->file)) != EOF && byte != '\n';
         bytes++)
        if (bytes < OB_CORPUS_ROW_MAX)
            line[bytes] = (char)byte;
    if (byte == EOF && ferror(reader->file))
        return ob_fail(error, OB_EIO, "%s:%" PRIu64 ": %s", reader->path, reader->lines, strerror(errno));
    reader->bytes += bytes + 1;
    if (reader->bytes > OB_CORPUS_BYTES_MAX)
        return ob_fail(error, OB_ETOOBIG, "%s:%" PRIu64 ": the file has more than %llu bytes", reader->path,
                       reader->lines, OB_CORPUS_BYTES_MAX);
    reader->ended = byte == EOF;
    *ret_bytes = bytes;
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
        if (!too_long && is_blank(block->data + block->data_count, (size_t)length))
            continue;
        if (!ob_array_reserve(&block->lines, block->count, 1, sizeof *block->lines, &block->lines_max))
            return ob_fail(error, OB_ENOMEM, "%s: no memory to read it", reader->path);
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
