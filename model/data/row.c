#include "model/data/row.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "model/tokenizer/utf8.h"

const char *ob_row_kind_name(enum ob_row_kind kind) {
    static const char *const NAMES[OB_ROW_KINDS] = {"text", "completion", "choices", "messages"};
    assert((unsigned)kind < OB_ROW_KINDS);
    return NAMES[kind];
}

static struct ob_row_text text_of(const json_t *string) {
    return (struct ob_row_text){json_string_value(string), json_string_length(string)};
}

/* *ret_has is false when it is not there; OB_EFORMAT when it is not a string. */
static enum ob_err string_field(const json_t *root, const char *name, struct ob_row_text *ret_text,
                                bool *ret_has, struct ob_error *error) {
    const json_t *field = json_object_get(root, name);
    *ret_has = field != NULL;
    if (field != NULL && !json_is_string(field))
        return ob_fail(error, OB_EFORMAT, "\"%s\" is not a string", name);
    *ret_text = text_of(field);
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

/* ---- choices ---- */

static enum ob_err read_label(struct ob_row *row, struct ob_error *error) {
    const json_t *label = json_object_get(row->root, "label");
    if (!json_is_integer(label))
        return ob_fail(error, OB_EFORMAT, "\"label\" is not a whole number");
    if (json_integer_value(label) < 0 || json_integer_value(label) >= (json_int_t)row->choices_count)
        return ob_fail(error, OB_EFORMAT,
                       "\"label\" is not the number of one of \"choices\", which count from 0");
    row->label = (uint32_t)json_integer_value(label);
    return OB_OK;
}

static enum ob_err read_choices(struct ob_row *row, struct ob_error *error) {
    const json_t *choices = json_object_get(row->root, "choices");
    size_t count = json_array_size(choices);
    if (!json_is_array(choices))
        return ob_fail(error, OB_EFORMAT, "\"choices\" is not an array");
    if (count < 2)
        return ob_fail(error, OB_EFORMAT, "fewer than two \"choices\"");
    if (count > OB_CORPUS_CHOICES_MAX)
        return ob_fail(error, OB_EFORMAT, "more \"choices\" than %d", OB_CORPUS_CHOICES_MAX);
    row->choices = calloc(count, sizeof *row->choices);
    if (row->choices == NULL)
        return ob_fail(error, OB_ENOMEM, "no memory for %zu choices", count);
    for (size_t i = 0; i < count; i++) {
        if (!json_is_string(json_array_get(choices, i)))
            return ob_fail(error, OB_EFORMAT, "one of \"choices\" is not a string");
        row->choices[i] = text_of(json_array_get(choices, i));
    }
    row->choices_count = count;
    return read_label(row, error);
}

/* ---- messages ---- */

static bool is_there(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return value != NULL && !json_is_null(value);
}

static enum ob_err read_message(const json_t *message, size_t number, struct ob_chat_message *ret_message,
                                struct ob_error *error) {
    const json_t *role = json_object_get(message, "role"), *content = json_object_get(message, "content");
    char quote[OB_QUOTE_BYTES];
    if (!json_is_string(role) || !json_is_string(content))
        return ob_fail(error, OB_EFORMAT,
                       "one of \"messages\" has no \"role\" or no \"content\" that is a string");
    if (is_there(message, "tool_calls") || is_there(message, "reasoning_content"))
        return ob_fail(
            error, OB_EFORMAT,
            "one of \"messages\" has \"tool_calls\" or \"reasoning_content\", which are not supported");
    ret_message->content = json_string_value(content);
    ret_message->bytes = json_string_length(content);
    if (strlen(json_string_value(role)) != json_string_length(role) ||
        !ob_chat_role(json_string_value(role), &ret_message->role))
        return ob_fail(error, OB_EFORMAT,
                       "message %zu has the role \"%s\"; only system, user and assistant are supported",
                       number + 1, ob_utf8_quote(json_string_value(role), json_string_length(role), quote));
    return OB_OK;
}

/* What a template would put into the text, and we do not, is not passed over. */
static enum ob_err read_messages(struct ob_row *row, struct ob_error *error) {
    const json_t *messages = json_object_get(row->root, "messages");
    size_t count = json_array_size(messages);
    if (count == 0)
        return ob_fail(error, OB_EFORMAT, "\"messages\" is not an array, or empty");
    if (is_there(row->root, "tools"))
        return ob_fail(error, OB_EFORMAT, "\"tools\" are not supported");
    row->messages = calloc(count, sizeof *row->messages);
    if (row->messages == NULL)
        return ob_fail(error, OB_ENOMEM, "no memory for %zu messages", count);
    row->messages_count = count;
    enum ob_err err = OB_OK;
    for (size_t i = 0; err == OB_OK && i < count; i++)
        err = read_message(json_array_get(messages, i), i, &row->messages[i], error);
    return err;
}

static enum ob_err read_fields(struct ob_row *row, struct ob_error *error) {
    struct shape has = {0};
    enum ob_err err = string_field(row->root, "text", &row->text, &has.text, error);
    if (err == OB_OK)
        err = string_field(row->root, "prompt", &row->prompt, &has.prompt, error);
    if (err == OB_OK)
        err = string_field(row->root, "completion", &row->completion, &has.completion, error);
    if (err != OB_OK)
        return err;
    has.choices = json_object_get(row->root, "choices") != NULL;
    has.label = json_object_get(row->root, "label") != NULL;
    has.messages = json_object_get(row->root, "messages") != NULL;
    const char *problem = json_is_object(row->root) ? find_kind(&has, &row->kind) : "not an object";
    if (problem != NULL)
        return ob_fail(error, OB_EFORMAT, "%s", problem);
    if (row->kind == OB_ROW_CHOICE)
        return read_choices(row, error);
    return row->kind == OB_ROW_CHAT ? read_messages(row, error) : OB_OK;
}

enum ob_err ob_row_read(const char *line, size_t bytes, struct ob_row *ret_row, struct ob_error *error) {
    json_error_t where;
    struct ob_row row = {
        .root = json_loadb(line, bytes, JSON_ALLOW_NUL | JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &where)};
    if (row.root == NULL)
        return ob_fail(error, json_error_code(&where) == json_error_out_of_memory ? OB_ENOMEM : OB_EFORMAT,
                       "column %d: %s", where.column, where.text);
    enum ob_err err = read_fields(&row, error);
    if (err != OB_OK) {
        ob_row_done(&row);
        return err;
    }
    *ret_row = row;
    return OB_OK;
}

void ob_row_done(struct ob_row *row) {
    free(row->choices);
    free(row->messages);
    json_decref(row->root);
    *row = (struct ob_row){0};
}
