#include "model/data/row.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/limits.h"
#include "model/formats/json_reader.h"
#include "model/tokenizer/utf8.h"

const char *ob_row_kind_name(enum ob_row_kind kind) {
    static const char *const NAMES[OB_ROW_KINDS] = {"text", "completion", "choices", "messages"};
    assert((unsigned)kind < OB_ROW_KINDS);
    return NAMES[kind];
}

/* ---- fields ---- */

/* NULL when it is not there or null. */
static const json_t *field(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    return json_is_null(value) ? NULL : value;
}

/* "tools": [] and its like say that there are none. */
static bool says_nothing(const json_t *object, const char *name) {
    const json_t *value = field(object, name);
    return value == NULL || (json_is_string(value) && json_string_length(value) == 0) ||
           (json_is_array(value) && json_array_size(value) == 0) ||
           (json_is_object(value) && json_object_size(value) == 0);
}

/* `what` stands for it in messages. */
static enum ob_err read_text(const json_t *string, const char *what, struct ob_row_text *ret_text,
                             struct ob_error *error) {
    if (!json_is_string(string))
        return ob_fail(error, OB_EFORMAT, "%s is not a string", what);
    if (!ob_json_is_utf8(json_string_value(string), json_string_length(string)))
        return ob_fail(error, OB_EFORMAT,
                       "%s contains half of a surrogate pair (\\ud800 to \\udfff); remove it", what);
    *ret_text = (struct ob_row_text){json_string_value(string), json_string_length(string)};
    return OB_OK;
}

/* Untouched when it is not there. */
static enum ob_err read_field(const struct ob_row *row, const char *name, struct ob_row_text *ret_text,
                              struct ob_error *error) {
    char what[32];
    const json_t *value = field(row->root, name);
    if (value == NULL)
        return OB_OK;
    (void)snprintf(what, sizeof what, "\"%s\"", name);
    return read_text(value, what, ret_text, error);
}

/* One text of several, which the row owns. */
static enum ob_err join(struct ob_row *row, const struct ob_row_text *parts, size_t count,
                        struct ob_row_text *ret_text, struct ob_error *error) {
    size_t bytes = 0, used = 0;
    for (size_t i = 0; i < count; i++)
        bytes += parts[i].bytes;
    char *text = malloc(bytes + 1);
    if (text == NULL ||
        !ob_array_reserve(&row->made, row->made_count, 1, sizeof *row->made, &row->made_max)) {
        free(text);
        return ob_fail(error, OB_ENOMEM, "not enough memory for a row");
    }
    for (size_t i = 0; i < count; i++) {
        if (parts[i].bytes > 0)
            memcpy(text + used, parts[i].data, parts[i].bytes);
        used += parts[i].bytes;
    }
    row->made[row->made_count++] = text;
    *ret_text = (struct ob_row_text){text, bytes};
    return OB_OK;
}

/* ---- choices ---- */

static enum ob_err find_label(const struct ob_row *row, const struct ob_row_text *text, uint32_t *ret_label,
                              struct ob_error *error) {
    char quote[OB_QUOTE_BYTES];
    size_t found = 0;
    for (size_t i = 0; i < row->choices_count; i++) {
        const struct ob_row_text *choice = &row->choices[i];
        if (choice->bytes == text->bytes &&
            (text->bytes == 0 || memcmp(choice->data, text->data, text->bytes) == 0)) {
            *ret_label = (uint32_t)i;
            found++;
        }
    }
    if (found == 1)
        return OB_OK;
    return ob_fail(error, OB_EFORMAT, "\"label\" \"%s\" is %s", ob_utf8_quote(text->data, text->bytes, quote),
                   found == 0 ? "none of \"choices\"; give one of them, or its number from 0"
                              : "more than one of \"choices\"; give its number from 0");
}

static enum ob_err read_label(struct ob_row *row, struct ob_error *error) {
    const json_t *label = field(row->root, "label");
    struct ob_row_text text = {0};
    enum ob_err err = OB_OK;
    if (json_is_string(label) && (err = read_text(label, "\"label\"", &text, error)) == OB_OK)
        return find_label(row, &text, &row->label, error);
    if (err != OB_OK)
        return err;
    if (!json_is_integer(label))
        return ob_fail(error, OB_EFORMAT,
                       "\"label\" is neither a whole number nor the text of one of \"choices\"");
    if (json_integer_value(label) < 0 || json_integer_value(label) >= (json_int_t)row->choices_count)
        return ob_fail(error, OB_EFORMAT, "\"label\" is out of range: \"choices\" count from 0");
    row->label = (uint32_t)json_integer_value(label);
    return OB_OK;
}

static enum ob_err read_choices(struct ob_row *row, struct ob_error *error) {
    const json_t *choices = field(row->root, "choices");
    size_t count = json_array_size(choices);
    if (!json_is_array(choices))
        return ob_fail(error, OB_EFORMAT, "\"choices\" is not an array");
    if (count < 2)
        return ob_fail(error, OB_EFORMAT, "fewer than two \"choices\"");
    if (count > OB_CORPUS_CHOICES_MAX)
        return ob_fail(error, OB_EFORMAT, "more than %d \"choices\"", OB_CORPUS_CHOICES_MAX);
    row->choices = calloc(count, sizeof *row->choices);
    if (row->choices == NULL)
        return ob_fail(error, OB_ENOMEM, "not enough memory for %zu choices", count);
    row->choices_count = count;
    enum ob_err err = OB_OK;
    for (size_t i = 0; err == OB_OK && i < count; i++)
        err = read_text(json_array_get(choices, i), "one of \"choices\"", &row->choices[i], error);
    return err != OB_OK ? err : read_label(row, error);
}

/* ---- messages ---- */

/* How a list names its messages' parts. */
struct wording {
    const char *list, *role, *content;
};
static const struct wording MESSAGES = {"messages", "role", "content"},
                            SHARE_GPT = {"conversations", "from", "value"};

/* ShareGPT's words for the roles of chat templates. */
static const struct {
    const char *name;
    enum ob_chat_role role;
} SHARE_GPT_ROLES[] = {{"human", OB_CHAT_USER}, {"gpt", OB_CHAT_ASSISTANT}, {"chatgpt", OB_CHAT_ASSISTANT}};

static bool find_role(const json_t *role, const struct wording *wording, enum ob_chat_role *ret_role) {
    const char *name = json_string_value(role);
    if (strlen(name) != json_string_length(role))
        return false;
    for (size_t i = 0; wording == &SHARE_GPT && i < sizeof SHARE_GPT_ROLES / sizeof *SHARE_GPT_ROLES; i++)
        if (strcmp(name, SHARE_GPT_ROLES[i].name) == 0) {
            *ret_role = SHARE_GPT_ROLES[i].role;
            return true;
        }
    return ob_chat_role(name, ret_role);
}

/* [{"type": "text", "text": "..."}, ...], put together without anything between them. */
static enum ob_err join_parts(struct ob_row *row, const json_t *parts, struct ob_row_text *ret_text,
                              struct ob_error *error) {
    size_t count = json_array_size(parts);
    struct ob_row_text *texts = calloc(count + 1, sizeof *texts);
    enum ob_err err = texts != NULL ? OB_OK : ob_fail(error, OB_ENOMEM, "not enough memory for a row");
    for (size_t i = 0; err == OB_OK && i < count; i++) {
        const json_t *part = json_array_get(parts, i), *type = field(part, "type");
        char quote[OB_QUOTE_BYTES];
        if (json_is_string(type) && strcmp(json_string_value(type), "text") != 0)
            err =
                ob_fail(error, OB_EUNSUPPORTED, "content part of type \"%s\" is not supported; only text is",
                        ob_utf8_quote(json_string_value(type), json_string_length(type), quote));
        else
            err =
                read_text(json_is_string(part) ? part : field(part, "text"), "a text part", &texts[i], error);
    }
    if (err == OB_OK)
        err = join(row, texts, count, ret_text, error);
    free(texts);
    return err;
}

static enum ob_err read_content(struct ob_row *row, const json_t *content, struct ob_row_text *ret_text,
                                struct ob_error *error) {
    if (content == NULL)
        return ob_fail(error, OB_EFORMAT, "\"content\" is missing");
    return json_is_array(content) ? join_parts(row, content, ret_text, error)
                                  : read_text(content, "its content", ret_text, error);
}

/* What a template would put into the text, and we do not, is not passed over. */
static enum ob_err read_message(struct ob_row *row, const json_t *message, const struct wording *wording,
                                struct ob_chat_message *ret_message, struct ob_error *error) {
    static const char *const NOT_SUPPORTED[] = {"tool_calls", "reasoning_content"};
    struct ob_row_text content = {0};
    char quote[OB_QUOTE_BYTES];
    if (wording == &SHARE_GPT && field(message, "from") == NULL)
        wording = &MESSAGES; /* the same list, in the words of the other */
    const json_t *role = field(message, wording->role);
    if (!json_is_string(role))
        return ob_fail(error, OB_EFORMAT, "\"%s\" is missing or not a string", wording->role);
    if (!find_role(role, wording, &ret_message->role))
        return ob_fail(error, OB_EFORMAT, "role \"%s\" is not supported; use system, user or assistant",
                       ob_utf8_quote(json_string_value(role), json_string_length(role), quote));
    for (size_t i = 0; i < sizeof NOT_SUPPORTED / sizeof *NOT_SUPPORTED; i++)
        if (!says_nothing(message, NOT_SUPPORTED[i]))
            return ob_fail(error, OB_EUNSUPPORTED, "\"%s\" are not supported", NOT_SUPPORTED[i]);
    enum ob_err err = read_content(row, field(message, wording->content), &content, error);
    ret_message->content = content.data;
    ret_message->bytes = content.bytes;
    return err;
}

/* system: ShareGPT's key beside the list; the first message unless the list has one. messages[0] is free. */
static void put_system(struct ob_row *row, const struct ob_row_text *system) {
    bool wanted = system->bytes > 0 && row->messages[1].role != OB_CHAT_SYSTEM;
    if (wanted)
        row->messages[0] = (struct ob_chat_message){OB_CHAT_SYSTEM, system->data, system->bytes};
    else
        memmove(row->messages, row->messages + 1, row->messages_count * sizeof *row->messages);
    row->messages_count += wanted;
}

static enum ob_err read_messages(struct ob_row *row, const struct wording *wording, struct ob_error *error) {
    const json_t *list = field(row->root, wording->list);
    size_t count = json_array_size(list);
    struct ob_row_text system = {0};
    if (count == 0)
        return ob_fail(error, OB_EFORMAT, "\"%s\" is not an array or is empty", wording->list);
    if (!says_nothing(row->root, "tools"))
        return ob_fail(error, OB_EUNSUPPORTED, "\"tools\" are not supported");
    enum ob_err err = wording == &SHARE_GPT ? read_field(row, "system", &system, error) : OB_OK;
    if (err != OB_OK)
        return err;
    row->messages = calloc(count + 1, sizeof *row->messages);
    if (row->messages == NULL)
        return ob_fail(error, OB_ENOMEM, "not enough memory for %zu messages", count);
    for (size_t i = 0; i < count; i++) {
        err = read_message(row, json_array_get(list, i), wording, &row->messages[i + 1], error);
        if (err != OB_OK)
            return ob_fail_within(error, err, "message %zu of \"%s\"", i + 1, wording->list);
    }
    row->messages_count = count;
    put_system(row, &system);
    return OB_OK;
}

/* ---- Alpaca ---- */

#define TEXT(literal)                                                                                        \
    { (literal), sizeof(literal) - 1 }

/* The words of its authors (PROMPT_DICT of stanford_alpaca's train.py). */
static enum ob_err read_alpaca(struct ob_row *row, struct ob_error *error) {
    static const struct ob_row_text
        WITH_INPUT = TEXT("Below is an instruction that describes a task, paired with an input that provides "
                          "further context. Write a response that appropriately completes the request.\n\n"
                          "### Instruction:\n"),
        WITHOUT = TEXT("Below is an instruction that describes a task. Write a response that appropriately "
                       "completes the request.\n\n### Instruction:\n"),
        INPUT = TEXT("\n\n### Input:\n"), RESPONSE = TEXT("\n\n### Response:"), NOTHING = {0};
    struct ob_row_text instruction = {0}, input = {0};
    enum ob_err err = read_field(row, "instruction", &instruction, error);
    if (err == OB_OK)
        err = read_field(row, "input", &input, error);
    if (err == OB_OK)
        err = read_field(row, "output", &row->completion, error);
    if (err != OB_OK)
        return err;
    bool has_input = input.bytes > 0;
    const struct ob_row_text parts[] = {has_input ? WITH_INPUT : WITHOUT, instruction,
                                        has_input ? INPUT : NOTHING, input, RESPONSE};
    return join(row, parts, sizeof parts / sizeof *parts, &row->prompt, error);
}

/* ---- which kind it is ---- */

static enum ob_err read_pair(struct ob_row *row, struct ob_error *error) {
    enum ob_err err = read_field(row, "prompt", &row->prompt, error);
    return err != OB_OK ? err : read_field(row, "completion", &row->completion, error);
}

static enum ob_err read_choice(struct ob_row *row, struct ob_error *error) {
    enum ob_err err = read_field(row, "prompt", &row->prompt, error);
    return err != OB_OK ? err : read_choices(row, error);
}

static enum ob_err read_plain(struct ob_row *row, struct ob_error *error) {
    return read_field(row, "text", &row->text, error);
}

static enum ob_err read_chat(struct ob_row *row, struct ob_error *error) {
    return read_messages(row, &MESSAGES, error);
}

static enum ob_err read_share_gpt(struct ob_row *row, struct ob_error *error) {
    return read_messages(row, &SHARE_GPT, error);
}

/* Which of the keys a row has. */
enum key {
    TEXT_KEY = 1 << 0,
    PROMPT = 1 << 1,
    COMPLETION = 1 << 2,
    CHOICES = 1 << 3,
    LABEL = 1 << 4,
    MESSAGES_KEY = 1 << 5,
    CONVERSATIONS = 1 << 6,
    INSTRUCTION = 1 << 7,
    OUTPUT = 1 << 8,
};
static const char *const KEYS[] = {"text",     "prompt",        "completion",  "choices", "label",
                                   "messages", "conversations", "instruction", "output"};

/* The first row whose keys are there, and none of those beside them that it does not bear, is the kind. */
static const struct shape {
    unsigned keys, refused;
    enum ob_row_kind kind;
    enum ob_err (*read)(struct ob_row *row, struct ob_error *error);
} SHAPES[] = {
    {MESSAGES_KEY, TEXT_KEY | COMPLETION | CHOICES, OB_ROW_CHAT, read_chat},
    {TEXT_KEY, PROMPT | COMPLETION | CHOICES | MESSAGES_KEY, OB_ROW_TEXT, read_plain},
    {PROMPT | COMPLETION, TEXT_KEY | CHOICES | MESSAGES_KEY, OB_ROW_PAIR, read_pair},
    {PROMPT | CHOICES | LABEL, TEXT_KEY | COMPLETION | MESSAGES_KEY, OB_ROW_CHOICE, read_choice},
    {CONVERSATIONS, PROMPT | COMPLETION | CHOICES | MESSAGES_KEY, OB_ROW_CHAT, read_share_gpt},
    {INSTRUCTION | OUTPUT, PROMPT | COMPLETION | CHOICES | MESSAGES_KEY, OB_ROW_PAIR, read_alpaca},
};

static const char *describe_problem(unsigned has) {
    if (has & TEXT_KEY || (has & MESSAGES_KEY && has & (COMPLETION | CHOICES)))
        return "more than one of \"text\", \"prompt\" and \"messages\"; keep one of them";
    if ((has & COMPLETION) && (has & CHOICES))
        return "both \"completion\" and \"choices\"";
    if ((has & PROMPT) && (has & CHOICES))
        return "\"choices\" without \"label\"";
    if (has & PROMPT)
        return "\"prompt\" without \"completion\" or \"choices\"";
    if (has & COMPLETION)
        return "\"completion\" without \"prompt\"";
    if (has & CHOICES)
        return "\"choices\" without \"prompt\"";
    if (has & INSTRUCTION)
        return "\"instruction\" without \"output\"";
    return "none of \"text\", \"prompt\", \"messages\", \"conversations\" and \"instruction\" (docs/data.md "
           "describes the rows that are read)";
}

static enum ob_err read_fields(struct ob_row *row, struct ob_error *error) {
    unsigned has = 0;
    if (!json_is_object(row->root))
        return ob_fail(error, OB_EFORMAT, "not a JSON object");
    for (size_t i = 0; i < sizeof KEYS / sizeof *KEYS; i++)
        has |= field(row->root, KEYS[i]) != NULL ? 1u << i : 0;
    for (size_t i = 0; i < sizeof SHAPES / sizeof *SHAPES; i++)
        if ((has & SHAPES[i].keys) == SHAPES[i].keys && (has & SHAPES[i].refused) == 0) {
            row->kind = SHAPES[i].kind;
            return SHAPES[i].read(row, error);
        }
    return ob_fail(error, OB_EFORMAT, "%s", describe_problem(has));
}

enum ob_err ob_row_read(const char *line, size_t bytes, struct ob_row *ret_row, struct ob_error *error) {
    struct ob_row row = {0};
    enum ob_err err = ob_json_read_line(line, bytes, OB_JSON_LENIENT, &row.root, error);
    if (err == OB_OK)
        err = read_fields(&row, error);
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
    for (size_t i = 0; i < row->made_count; i++)
        free(row->made[i]);
    free(row->made);
    json_decref(row->root);
    *row = (struct ob_row){0};
}
