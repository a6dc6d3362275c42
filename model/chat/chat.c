/* Which format a model's conversations have, and whether its tokenizer has what the format needs. */
#include "model/chat/chat.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/chat/control.h"
#include "model/chat/known.h"

/* Every control token of one of the format's texts is there; *ret_first is the first one. */
static enum ob_err check_words(const struct ob_chat *chat, const char *words, int32_t *ret_first,
                               struct ob_error *error) {
    const char *text;
    size_t bytes;
    struct ob_chat_control control;
    int32_t first = -1;
    while (ob_chat_next_control(&words, &text, &bytes, &control)) {
        int32_t id = ob_chat_control_id(chat, &control);
        if (id < 0 && control.kind != OB_CHAT_MARK)
            return ob_fail(error, OB_EUNSUPPORTED,
                           "chat format %s needs the %s of tokenizer_config.json as a special token",
                           chat->format->name, control.kind == OB_CHAT_BOS ? "bos_token" : "eos_token");
        if (id < 0)
            return ob_fail(
                error, OB_EUNSUPPORTED,
                "chat format %s needs the special token \"%.*s\", which the tokenizer does not have",
                chat->format->name, (int)control.bytes, control.text);
        first = first < 0 ? id : first;
    }
    *ret_first = first;
    return OB_OK;
}

static enum ob_err check_format(struct ob_chat *chat, struct ob_error *error) {
    const struct ob_chat_format *f = chat->format;
    int32_t first = -1;
    enum ob_err err = check_words(chat, f->begin, &first, error);
    for (int role = 0; err == OB_OK && role < OB_CHAT_ROLES; role++) {
        const struct ob_chat_turn *turn = &f->turns[role];
        err = check_words(chat, turn->before, &first, error);
        if (err == OB_OK)
            err = check_words(chat, turn->reply, &first, error);
        if (err == OB_OK)
            err = check_words(chat, turn->after, &first, error);
    }
    chat->end = first; /* the assistant's is the last that was looked at */
    assert(err != OB_OK || first >= 0);
    return err;
}

/* bos_token or eos_token: a string, or an object with its content. */
static int32_t find_token(const struct ob_chat *chat, const json_t *config, const char *key) {
    const json_t *token = json_object_get(config, key);
    if (json_is_object(token))
        token = json_object_get(token, "content");
    return json_is_string(token)
               ? ob_tokenizer_special(chat->tokenizer, json_string_value(token), json_string_length(token))
               : -1;
}

/* ---- the model's own template ---- */

/* The default one of `chat_template`: a string, or a list of {"name", "template"}; NULL: there is none. */
static const json_t *default_template(const json_t *config) {
    const json_t *field = json_object_get(config, "chat_template");
    if (json_is_string(field))
        return field;
    for (size_t i = 0; i < json_array_size(field); i++) {
        const json_t *entry = json_array_get(field, i), *name = json_object_get(entry, "name"),
                     *text = json_object_get(entry, "template");
        if (json_is_string(name) && strcmp(json_string_value(name), "default") == 0 && json_is_string(text))
            return text;
    }
    return NULL;
}

static const char *list_names(char *ret_list, size_t bytes) {
    size_t used = 0;
    ret_list[0] = 0;
    for (const struct ob_chat_format *f = OB_CHAT_FORMATS; f->name != NULL && used < bytes; f++)
        used += (size_t)snprintf(ret_list + used, bytes - used, "%s%s", used > 0 ? ", " : "", f->name);
    return ret_list;
}

static enum ob_err recognise(struct ob_chat *chat, const char *model, const char *text, size_t bytes,
                             struct ob_error *error) {
    char hash[OB_CHAT_HASH_HEX], names[256];
    enum ob_err err = ob_chat_hash(text, bytes, hash, error);
    if (err != OB_OK)
        return err;
    const char *name = ob_chat_known(hash);
    if (name == NULL)
        return ob_fail(
            error, OB_EUNSUPPORTED,
            "%.120s: unknown chat template (%.12s); if it is another wording of one of these, name "
            "that with --chat-template, or chat_template in [training]: %s",
            model, hash, list_names(names, sizeof names));
    chat->format = ob_chat_format(name);
    assert(chat->format != NULL);
    return OB_OK;
}

/* chat_template.jinja goes before tokenizer_config.json. */
static enum ob_err find_format(struct ob_chat *chat, const struct ob_chat_documents *documents,
                               struct ob_error *error) {
    char names[256];
    if (documents->template != NULL)
        return recognise(chat, documents->name, documents->template, documents->template_bytes, error);
    const json_t *text = default_template(documents->config);
    if (text == NULL)
        return ob_fail(
            error, OB_EUNSUPPORTED,
            "%.120s: the model has no chat template; name one with --chat-template, or chat_template in "
            "[training]: %s",
            documents->name, list_names(names, sizeof names));
    return recognise(chat, documents->name, json_string_value(text), json_string_length(text), error);
}

enum ob_err ob_chat_check_name(const char *format, struct ob_error *error) {
    char names[256];
    if (format == NULL || format[0] == 0 || ob_chat_format(format) != NULL)
        return OB_OK;
    return ob_fail(error, OB_EUSAGE, "chat_template \"%.40s\" is not one of: %s", format,
                   list_names(names, sizeof names));
}

static enum ob_err fill(struct ob_chat *chat, const struct ob_chat_documents *documents, const char *format,
                        struct ob_error *error) {
    enum ob_err err = ob_chat_check_name(format, error);
    if (err != OB_OK)
        return err;
    chat->bos = find_token(chat, documents->config, "bos_token");
    chat->eos = find_token(chat, documents->config, "eos_token");
    if (format != NULL && format[0] != 0)
        chat->format = ob_chat_format(format);
    else if ((err = find_format(chat, documents, error)))
        return err;
    err = check_format(chat, error);
    return err != OB_OK ? ob_fail_within(error, err, "%.120s", documents->name) : OB_OK;
}

enum ob_err ob_chat_new(const struct ob_chat_documents *documents, const char *format,
                        const struct ob_tokenizer *tokenizer, struct ob_chat **ret_chat,
                        struct ob_error *error) {
    struct ob_error ours;
    error = error == NULL ? &ours : error;
    struct ob_chat *chat = calloc(1, sizeof *chat);
    if (chat == NULL)
        return ob_fail(error, OB_ENOMEM, "%s: not enough memory for a chat template", documents->name);
    *chat = (struct ob_chat){.tokenizer = tokenizer, .bos = -1, .eos = -1, .end = -1};
    enum ob_err err = fill(chat, documents, format, error);
    if (err != OB_OK) {
        free(chat);
        return err;
    }
    *ret_chat = chat;
    return OB_OK;
}

void ob_chat_free(struct ob_chat *chat) {
    free(chat);
}

const char *ob_chat_name(const struct ob_chat *chat) {
    return chat->format->name;
}

int32_t ob_chat_end(const struct ob_chat *chat) {
    return chat->end;
}

int32_t ob_chat_bos(const struct ob_chat *chat) {
    return chat->bos;
}

int32_t ob_chat_eos(const struct ob_chat *chat) {
    return chat->eos;
}
