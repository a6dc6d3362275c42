#include "model/data/reader.h"

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

/* *ret_ended: the file ended, perhaps after some bytes of a last line. A line that is too long is read to its
 * end and forgotten. */
static enum ob_err read_line(struct ob_corpus_reader *reader, bool *ret_ended, struct ob_error *error) {
    int byte = 0;
    uint64_t bytes = 0;
    reader->line_number++;
    for (; bytes <= OB_CORPUS_BYTES_MAX && (byte = getc_unlocked(reader->file)) != EOF && byte != '\n';
         bytes++)
        if (bytes < OB_CORPUS_ROW_MAX)
            reader->line[bytes] = (char)byte;
    reader->is_too_long = bytes > OB_CORPUS_ROW_MAX;
    reader->line_bytes = reader->is_too_long ? 0 : (size_t)bytes;
    if (byte == EOF && ferror(reader->file))
        return ob_fail(error, OB_EIO, "%s:%" PRIu64 ": %s", reader->path, reader->line_number,
                       strerror(errno));
    reader->bytes += bytes + 1;
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
        blank = !reader->is_too_long && is_blank(reader->line, reader->line_bytes);
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

/* What a row is, by which of the keys it has. */
struct shape {
    enum ob_row_kind kind;
    bool text, prompt, completion, choices, label, messages;
};

static const struct shape SHAPES[] = {
    {.kind = OB_ROW_TEXT, .text = true},
    {.kind = OB_ROW_PAIR, .prompt = true, .completion = true},
    {.kind = OB_ROW_CHOICE, .prompt = true, .choices = true, .label = true},
    {.kind = OB_ROW_CHAT, .messages = true},
};

static const char *find_kind(const struct shape *has, enum ob_row_kind *ret_kind) {
    for (size_t i = 0; i < sizeof SHAPES / sizeof *SHAPES; i++) {
        const struct shape *s = &SHAPES[i];
        if (s->text == has->text && s->prompt == has->prompt && s->completion == has->completion &&
            s->choices == has->choices && s->messages == has->messages &&
            (s->label == has->label || !s->choices)) {
            *ret_kind = s->kind;
            return NULL;
        }
    }
    int kinds = has->text + (has->prompt || has->completion || has->choices) + has->messages;
    if (kinds > 1)
        return "more than one of \"text\", \"prompt\" and \"messages\"";
    if (kinds == 0)
        return "none of \"text\", \"prompt\" and \"messages\"";
    if (has->completion && has->choices)
        return "both \"completion\" and \"choices\"";
    if (!has->prompt)
        return has->completion ? "\"completion\" without \"prompt\"" : "\"choices\" without \"prompt\"";
    return has->choices ? "\"choices\" without \"label\""
                        : "\"prompt\" without \"completion\" or \"choices\"";
}

static const char *read_choices(struct ob_corpus_row *row) {
    const json_t *label = json_object_get(row->root, "label");
    size_t count = json_array_size(row->choices);
    if (!json_is_array(row->choices))
        return "\"choices\" is not an array";
    if (count < 2 || count > OB_CORPUS_CHOICES_MAX)
        return count < 2 ? "fewer than two \"choices\"" : "more \"choices\" than 256";
    for (size_t i = 0; i < count; i++)
        if (!json_is_string(json_array_get(row->choices, i)))
            return "one of \"choices\" is not a string";
    if (!json_is_integer(label))
        return "\"label\" is not a whole number";
    if (json_integer_value(label) < 0 || json_integer_value(label) >= (json_int_t)count)
        return "\"label\" is not the number of one of \"choices\", which count from 0";
    row->label = (uint32_t)json_integer_value(label);
    return NULL;
}

static bool is_there(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return value != NULL && !json_is_null(value);
}

/* What a template would put into the text, and we do not, is not passed over. */
static const char *check_messages(const json_t *root, const json_t *messages) {
    if (!json_is_array(messages) || json_array_size(messages) == 0)
        return "\"messages\" is not an array, or empty";
    if (is_there(root, "tools"))
        return "\"tools\" are not supported";
    for (size_t i = 0; i < json_array_size(messages); i++) {
        const json_t *message = json_array_get(messages, i);
        if (!json_is_string(json_object_get(message, "role")) ||
            !json_is_string(json_object_get(message, "content")))
            return "one of \"messages\" has no \"role\" or no \"content\" that is a string";
        if (is_there(message, "tool_calls") || is_there(message, "reasoning_content"))
            return "one of \"messages\" has \"tool_calls\" or \"reasoning_content\", which are not supported";
    }
    return NULL;
}

static enum ob_err read_fields(const struct ob_corpus_reader *reader, struct ob_corpus_row *row,
                               struct ob_error *error) {
    enum ob_err err = string_field(reader, row->root, "text", &row->text, error);
    if (err == OB_OK)
        err = string_field(reader, row->root, "prompt", &row->prompt, error);
    if (err == OB_OK)
        err = string_field(reader, row->root, "completion", &row->completion, error);
    if (err != OB_OK)
        return err;
    row->choices = json_object_get(row->root, "choices");
    row->messages = json_object_get(row->root, "messages");
    struct shape has = {.text = row->text != NULL,
                        .prompt = row->prompt != NULL,
                        .completion = row->completion != NULL,
                        .choices = row->choices != NULL,
                        .label = json_object_get(row->root, "label") != NULL,
                        .messages = row->messages != NULL};
    const char *problem = json_is_object(row->root) ? find_kind(&has, &row->kind) : "not an object";
    if (problem == NULL && row->kind == OB_ROW_CHOICE)
        problem = read_choices(row);
    if (problem == NULL && row->kind == OB_ROW_CHAT)
        problem = check_messages(row->root, row->messages);
    if (problem != NULL)
        return ob_fail(error, OB_EFORMAT, "%s:%" PRIu64 ": %s", reader->path, reader->line_number, problem);
    return OB_OK;
}

enum ob_err ob_corpus_reader_row(const struct ob_corpus_reader *reader, struct ob_corpus_row *ret_row,
                                 struct ob_error *error) {
    json_error_t where;
    struct ob_corpus_row row = {0};
    if (reader->is_too_long)
        return ob_fail(error, OB_ETOOBIG, "%s:%" PRIu64 ": more than %u bytes in one line", reader->path,
                       reader->line_number, OB_CORPUS_ROW_MAX);
    row.root = json_loadb(reader->line, reader->line_bytes,
                          JSON_ALLOW_NUL | JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &where);
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
