/* A row with messages into a sequence. One that is too long loses its end. */
#include <stdlib.h>
#include <string.h>

#include "model/data/corpus_internal.h"
#include "model/tokenizer/utf8.h"

/* A template that cannot be used is looked for once, however many rows ask for it. */
static enum ob_err open_chat(struct ob_corpus_intake *intake, struct ob_error *error) {
    const struct ob_corpus_options *options = intake->options;
    struct ob_error *failed = &intake->chat_failed;
    if (intake->chat != NULL)
        return OB_OK;
    if (failed->code == OB_OK && options->model == NULL)
        (void)ob_fail(failed, OB_EUNSUPPORTED, "rows with \"messages\" need a model");
    else if (failed->code == OB_OK && ob_chat_open(options->model, options->chat_template, intake->tokenizer,
                                                   &intake->chat, failed) == OB_OK)
        return OB_OK;
    return ob_fail(error, failed->code, "%s", failed->text);
}

static enum ob_err read_messages(const json_t *messages, struct ob_chat_message *ret_messages,
                                 struct ob_error *error) {
    char quote[OB_QUOTE_BYTES];
    for (size_t i = 0; i < json_array_size(messages); i++) {
        const json_t *message = json_array_get(messages, i), *role = json_object_get(message, "role"),
                     *content = json_object_get(message, "content");
        ret_messages[i].content = json_string_value(content);
        ret_messages[i].bytes = json_string_length(content);
        if (strlen(json_string_value(role)) != json_string_length(role) ||
            !ob_chat_role(json_string_value(role), &ret_messages[i].role))
            return ob_fail(error, OB_EFORMAT,
                           "message %zu has the role \"%s\"; only system, user and assistant are supported",
                           i + 1, ob_utf8_quote(json_string_value(role), json_string_length(role), quote));
    }
    return OB_OK;
}

static size_t count_targets(const struct ob_chat_ids *ids, size_t count) {
    size_t targets = 0;
    for (size_t i = 0; i < count; i++)
        targets += ids->targets[i];
    return targets;
}

static enum ob_err skip(struct ob_row_report *report, const char *why) {
    report->fate = OB_ROW_SKIPPED;
    report->why = why;
    return OB_OK;
}

static enum ob_err keep(const struct ob_corpus_intake *intake, const struct ob_chat_ids *ids,
                        struct ob_row_report *report, struct ob_error *error) {
    size_t length_max = intake->options->length_max;
    size_t count = ids->count < length_max ? ids->count : length_max;
    report->tokens = ids->count;
    report->targets = count_targets(ids, ids->count);
    if (report->targets == 0)
        return skip(report, "no answer that is not empty");
    if (count_targets(ids, count) == 0)
        return skip(report, "no answer within length");
    if (count < ids->count) {
        report->fate = OB_ROW_CUT;
        report->why = "longer than length: the conversation loses its end";
    }
    return ob_corpus_keep_marked(intake->corpus, ids->ids, ids->targets, count, error);
}

enum ob_err ob_corpus_take_chat(struct ob_corpus_intake *intake, const struct ob_corpus_row *row,
                                struct ob_row_report *report, struct ob_error *error) {
    size_t count = json_array_size(row->messages);
    struct ob_chat_ids ids = {0};
    enum ob_err err = open_chat(intake, error);
    if (err != OB_OK)
        return err;
    struct ob_chat_message *messages = calloc(count, sizeof *messages);
    if (messages == NULL)
        return ob_fail(error, OB_ENOMEM, "no memory for %zu messages", count);
    err = read_messages(row->messages, messages, error);
    if (err == OB_OK)
        err = ob_chat_encode(intake->chat, messages, count, false, &ids, error);
    if (err == OB_OK)
        err = keep(intake, &ids, report, error);
    ob_chat_ids_done(&ids);
    free(messages);
    return err;
}
