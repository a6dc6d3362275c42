#include "model/corpus_reader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

enum ob_err ob_corpus_reader_init(struct ob_corpus_reader *reader, const char *path, struct ob_error *error) {
    *reader = (struct ob_corpus_reader){.path = path, .file = fopen(path, "rbe")};
    if (reader->file == NULL)
        return ob_fail(error, errno == ENOENT ? OB_ENOTFOUND : OB_EIO, "%s: %s", path, strerror(errno));
    reader->line = malloc(OB_CORPUS_ROW_MAX);
    if (reader->line == NULL)
        return ob_fail(error, OB_ENOMEM, "%s: no memory to read it", path);
    return OB_OK;
}

void ob_corpus_reader_done(struct ob_corpus_reader *reader) {
    if (reader->file != NULL)
        (void)fclose(reader->file);
    free(reader->line);
    *reader = (struct ob_corpus_reader){0};
}

/* *ret_ended: the file ended, perhaps after some bytes of a last line. */
static enum ob_err read_line(struct ob_corpus_reader *reader, bool *ret_ended, struct ob_error *error) {
    int byte;
    reader->line_bytes = 0;
    reader->line_number++;
    while ((byte = getc_unlocked(reader->file)) != EOF && byte != '\n') {
        if (reader->line_bytes == OB_CORPUS_ROW_MAX)
            return ob_fail(error, OB_ETOOBIG, "%s:%" PRIu64 ": more than %u bytes in one line", reader->path,
                           reader->line_number, OB_CORPUS_ROW_MAX);
        reader->line[reader->line_bytes++] = (char)byte;
    }
    if (byte == EOF && ferror(reader->file))
        return ob_fail(error, OB_EIO, "%s:%" PRIu64 ": %s", reader->path, reader->line_number,
                       strerror(errno));
    reader->bytes += reader->line_bytes + 1;
    if (reader->bytes > OB_CORPUS_BYTES_MAX)
        return ob_fail(error, OB_ETOOBIG, "%s:%" PRIu64 ": the file has more than %llu bytes", reader->path,
                       reader->line_number, OB_CORPUS_BYTES_MAX);
    *ret_ended = byte == EOF;
    return OB_OK;
}

static bool is_blank(const char *line, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
            return false;
    return true;
}

enum ob_err ob_corpus_reader_next(struct ob_corpus_reader *reader, bool *ret_more, struct ob_error *error) {
    bool ended = false, blank = true;
    while (!ended && blank) {
        enum ob_err err = read_line(reader, &ended, error);
        if (err != OB_OK)
            return err;
        blank = is_blank(reader->line, reader->line_bytes);
    }
    *ret_more = !blank;
    return OB_OK;
}

/* NULL when it is not there; OB_EFORMAT when it is not a string. */
static enum ob_err string_field(const struct ob_corpus_reader *reader, const json_t *root, const char *name,
                                const json_t **ret_string, struct ob_error *error) {
    *ret_string = json_object_get(root, name);
    if (*ret_string != NULL && !json_is_string(*ret_string))
        return ob_fail(error, OB_EFORMAT, "%s:%" PRIu64 ": \"%s\" is not a string", reader->path,
                       reader->line_number, name);
    return OB_OK;
}

static enum ob_err read_fields(const struct ob_corpus_reader *reader, struct ob_corpus_row *row,
                               struct ob_error *error) {
    const char *problem = NULL;
    enum ob_err err = string_field(reader, row->root, "text", &row->text, error);
    if (err == OB_OK)
        err = string_field(reader, row->root, "prompt", &row->prompt, error);
    if (err == OB_OK)
        err = string_field(reader, row->root, "completion", &row->completion, error);
    if (err != OB_OK)
        return err;
    if (!json_is_object(row->root))
        problem = "not an object";
    else if (row->text != NULL && (row->prompt != NULL || row->completion != NULL))
        problem = "both \"text\" and \"prompt\" or \"completion\"";
    else if (row->text == NULL && row->prompt == NULL && row->completion == NULL)
        problem = "neither \"text\" nor \"prompt\" and \"completion\"";
    else if (row->text == NULL && row->prompt == NULL)
        problem = "\"completion\" without \"prompt\"";
    else if (row->text == NULL && row->completion == NULL)
        problem = "\"prompt\" without \"completion\"";
    if (problem != NULL)
        return ob_fail(error, OB_EFORMAT, "%s:%" PRIu64 ": %s", reader->path, reader->line_number, problem);
    return OB_OK;
}

enum ob_err ob_corpus_reader_row(const struct ob_corpus_reader *reader, struct ob_corpus_row *ret_row,
                                 struct ob_error *error) {
    json_error_t where;
    struct ob_corpus_row row = {0};
    row.root = json_loadb(reader->line, reader->line_bytes, JSON_ALLOW_NUL | JSON_DECODE_ANY, &where);
    if (row.root == NULL)
        return ob_fail(error, json_error_code(&where) == json_error_out_of_memory ? OB_ENOMEM : OB_EFORMAT,
                       "%s:%" PRIu64 ": column %d: %s", reader->path, reader->line_number, where.column,
                       where.text);
    enum ob_err err = read_fields(reader, &row, error);
    if (err != OB_OK) {
        json_decref(row.root);
        return err;
    }
    *ret_row = row;
    return OB_OK;
}
