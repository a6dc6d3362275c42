/* A conversation into ids. The text between two control tokens is collected and encoded as one, as
 * `transformers` has it: what a format writes and what people wrote may share a token. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "model/chat/chat.h"
#include "model/chat/control.h"
#include "model/tokenizer/utf8.h"

#define NOWHERE SIZE_MAX

struct text {
    char *data;
    size_t bytes, bytes_max;
};

/* A conversation under way. */
struct encoding {
    const struct ob_chat *chat;
    struct ob_tokenizer_scratch *scratch;
    struct text text;    /* since the last control token */
    size_t answer;       /* where in it an answer begins, or NOWHERE */
    struct text content; /* of a message, while it is put together */
    struct ob_chat_ids out;
    size_t ids_max, targets_max;
    struct ob_error *error;
};

static enum ob_err put(struct text *text, const char *data, size_t bytes, struct ob_error *error) {
    if (bytes == 0)
        return OB_OK;
    if (!ob_array_reserve(&text->data, text->bytes, bytes, 1, &text->bytes_max))
        return ob_fail(error, OB_ENOMEM, "not enough memory for a conversation");
    memcpy(text->data + text->bytes, data, bytes);
    text->bytes += bytes;
    return OB_OK;
}

/* The first `plain` ids are no targets, the others are. */
static enum ob_err put_ids(struct encoding *e, const int32_t *ids, size_t count, size_t plain) {
    struct ob_chat_ids *out = &e->out;
    if (count == 0)
        return OB_OK;
    if (!ob_array_reserve(&out->ids, out->count, count, sizeof *out->ids, &e->ids_max) ||
        !ob_array_reserve(&out->targets, out->count, count, 1, &e->targets_max))
        return ob_fail(e->error, OB_ENOMEM, "not enough memory for a conversation");
    memcpy(out->ids + out->count, ids, count * sizeof *ids);
    for (size_t i = 0; i < count; i++)
        out->targets[out->count + i] = i >= plain && out->count + i > 0;
    out->count += count;
    return OB_OK;
}

/* What people and the format wrote, up to `bytes` of it. */
static enum ob_err encode_text(const struct encoding *e, size_t bytes, int32_t **ret_ids, size_t *ret_count) {
    struct ob_encode_options options = {
        .position = e->out.count == 0 ? OB_TEXT_FIRST : OB_TEXT_INNER, .plain = true, .scratch = e->scratch};
    return ob_tokenizer_encode(e->chat->tokenizer, &options, e->text.data, bytes, ret_ids, ret_count,
                               e->error);
}

/* How many of the ids are those of the text before the answer, encoded alone: what differs holds a part of
 * the answer. */
static enum ob_err count_header(const struct encoding *e, const int32_t *ids, size_t count,
                                size_t *ret_header) {
    int32_t *header = NULL;
    size_t header_count = 0, same = 0;
    enum ob_err err = encode_text(e, e->answer, &header, &header_count);
    while (err == OB_OK && same < header_count && same < count && header[same] == ids[same])
        same++;
    free(header);
    *ret_header = same;
    return err;
}

/* Encodes what has been collected. An answer goes on behind it until its turn is ended. */
static enum ob_err flush(struct encoding *e) {
    int32_t *ids = NULL;
    size_t count = 0, header = 0;
    enum ob_err err = OB_OK;
    if (e->text.bytes > 0)
        err = encode_text(e, e->text.bytes, &ids, &count);
    if (e->answer == NOWHERE)
        header = count;
    else if (err == OB_OK && e->answer > 0)
        err = count_header(e, ids, count, &header);
    if (err == OB_OK)
        err = put_ids(e, ids, count, header);
    free(ids);
    e->text.bytes = 0;
    if (e->answer != NOWHERE)
        e->answer = 0;
    return err;
}

static enum ob_err put_control(struct encoding *e, const struct ob_chat_control *control) {
    int32_t id = ob_chat_control_id(e->chat, control);
    assert(id >= 0); /* ob_chat_open has looked */
    enum ob_err err = flush(e);
    return err != OB_OK ? err : put_ids(e, &id, 1, e->answer == NOWHERE);
}

/* A text of the format. ends: its first control token ends an answer. */
static enum ob_err put_words(struct encoding *e, const char *words, bool ends) {
    const char *text;
    size_t bytes;
    struct ob_chat_control control;
    enum ob_err err = OB_OK;
    while (err == OB_OK && ob_chat_next_control(&words, &text, &bytes, &control)) {
        err = put(&e->text, text, bytes, e->error);
        if (err == OB_OK)
            err = put_control(e, &control);
        if (ends)
            e->answer = NOWHERE;
    }
    return err != OB_OK ? err : put(&e->text, words, strlen(words), e->error);
}

/* ---- contents ---- */

/* Python's: Unicode's white space and the four separators U+001C to U+001F. */
static bool is_space(uint32_t character) {
    return ob_utf8_is_space(character) || (character >= 0x1c && character <= 0x1f);
}

static void trim(struct text *text) {
    uint32_t character = 0;
    size_t start = 0, length;
    if (text->bytes == 0)
        return;
    while ((length = ob_utf8_decode(text->data + start, text->bytes - start, &character)) > 0 &&
           is_space(character))
        start += length;
    size_t end = text->bytes;
    while (end > start) {
        size_t at = end - 1;
        while (at > start && ((uint8_t)text->data[at] & 0xc0) == 0x80)
            at--;
        if (ob_utf8_decode(text->data + at, end - at, &character) != end - at || !is_space(character))
            break;
        end = at;
    }
    if (start > 0 && end > start)
        memmove(text->data, text->data + start, end - start);
    text->bytes = end - start;
}

struct stretch {
    const char *data;
    size_t bytes;
};

static struct stretch strip_newlines(struct stretch s, bool left, bool right) {
    while (left && s.bytes > 0 && s.data[0] == '\n') {
        s.data++;
        s.bytes--;
    }
    while (right && s.bytes > 0 && s.data[s.bytes - 1] == '\n')
        s.bytes--;
    return s;
}

static const char *find(const char *data, size_t bytes, const char *words) {
    return bytes == 0 ? NULL : memmem(data, bytes, words, strlen(words));
}

/* What stands behind the last place where `words` are, or all of it. */
static struct stretch behind_last(struct stretch s, const char *words) {
    const char *end = s.data + s.bytes, *at;
    while ((at = find(s.data, (size_t)(end - s.data), words)) != NULL)
        s.data = at + strlen(words);
    s.bytes = (size_t)(end - s.data);
    return s;
}

/* Qwen3: an answer after the last question has its thoughts (the last answer also when it has none), one
 * before it has lost them. */
static enum ob_err put_thoughtful(struct encoding *e, const struct ob_chat_message *message, bool after_last,
                                  bool last) {
    static const char END[] = "</think>";
    struct stretch content = {message->content, message->bytes}, thoughts = {"", 0};
    const char *end = find(content.data, content.bytes, END);
    if (end != NULL) {
        thoughts = strip_newlines((struct stretch){content.data, (size_t)(end - content.data)}, false, true);
        thoughts = strip_newlines(behind_last(thoughts, "<think>"), true, true);
        content = strip_newlines(behind_last(content, END), true, false);
    }
    if (!after_last || (!last && thoughts.bytes == 0))
        return put(&e->text, content.data, content.bytes, e->error);
    content = strip_newlines(content, true, false);
    enum ob_err err = put_words(e, "<think>\n", false);
    if (err == OB_OK)
        err = put(&e->text, thoughts.data, thoughts.bytes, e->error);
    if (err == OB_OK)
        err = put_words(e, "\n</think>\n\n", false);
    return err != OB_OK ? err : put(&e->text, content.data, content.bytes, e->error);
}

/* ---- turns ---- */

struct conversation {
    const struct ob_chat_message *messages;
    size_t count;
    size_t last_question; /* of a format that thinks */
};

/* The content of message i as it will stand, in e->content. */
static enum ob_err prepare(struct encoding *e, const struct conversation *c, size_t i) {
    const struct ob_chat_format *f = e->chat->format;
    const struct ob_chat_message *message = &c->messages[i];
    const struct ob_chat_turn *system = &f->turns[OB_CHAT_SYSTEM];
    bool has_system = f->system == OB_CHAT_SYSTEM_IN_USER && i == 1 && message[-1].role == OB_CHAT_SYSTEM;
    bool alone = f->trim == OB_CHAT_TRIM_EACH ||
                 (f->trim == OB_CHAT_TRIM_ASSISTANT && message->role == OB_CHAT_ASSISTANT);
    struct text own = {0};
    enum ob_err err = put(&own, message->content, message->bytes, e->error);
    e->content.bytes = 0;
    if (alone)
        trim(&own);
    if (err == OB_OK && has_system)
        err = put(&e->content, system->before, strlen(system->before), e->error);
    if (err == OB_OK && has_system)
        err = put(&e->content, message[-1].content, message[-1].bytes, e->error);
    if (err == OB_OK && has_system)
        err = put(&e->content, system->after, strlen(system->after), e->error);
    if (err == OB_OK)
        err = put(&e->content, own.data, own.bytes, e->error);
    if (f->trim == OB_CHAT_TRIM_TOGETHER)
        trim(&e->content);
    free(own.data);
    return err;
}

static enum ob_err put_turn(struct encoding *e, const struct conversation *c, size_t i) {
    enum ob_chat_role role = c->messages[i].role;
    const struct ob_chat_turn *turn = &e->chat->format->turns[role];
    enum ob_err err = prepare(e, c, i);
    if (err == OB_OK)
        err = put_words(e, turn->before, false);
    if (err != OB_OK)
        return err;
    bool answers = role == OB_CHAT_ASSISTANT;
    if (answers && e->content.bytes > 0)
        e->answer = e->text.bytes;
    err = put_words(e, turn->reply, false);
    if (err == OB_OK && answers && e->chat->format->thinks)
        err = put_thoughtful(e, &c->messages[i], i > c->last_question, i + 1 == c->count);
    else if (err == OB_OK)
        err = put(&e->text, e->content.data, e->content.bytes, e->error);
    return err != OB_OK ? err : put_words(e, turn->after, answers);
}

static enum ob_err put_default_system(struct encoding *e) {
    const struct ob_chat_format *f = e->chat->format;
    const struct ob_chat_turn *turn = &f->turns[OB_CHAT_SYSTEM];
    enum ob_err err = put_words(e, turn->before, false);
    if (err == OB_OK)
        err = put(&e->text, f->default_system, strlen(f->default_system), e->error);
    return err != OB_OK ? err : put_words(e, turn->after, false);
}

static enum ob_err put_all(struct encoding *e, const struct conversation *c, bool ask) {
    const struct ob_chat_format *f = e->chat->format;
    bool has_system = c->messages[0].role == OB_CHAT_SYSTEM;
    enum ob_err err = put_words(e, f->begin, false);
    if (err == OB_OK && f->default_system != NULL && !has_system)
        err = put_default_system(e);
    size_t first = has_system && f->system == OB_CHAT_SYSTEM_IN_USER;
    for (size_t i = first; err == OB_OK && i < c->count; i++)
        err = put_turn(e, c, i);
    if (err == OB_OK && ask)
        err = put_words(e, f->turns[OB_CHAT_ASSISTANT].before, false);
    return err != OB_OK ? err : flush(e);
}

/* ---- what a format takes ---- */

static const char *const ROLE_NAMES[OB_CHAT_ROLES] = {"system", "user", "assistant"};

bool ob_chat_role(const char *name, enum ob_chat_role *ret_role) {
    for (int role = 0; role < OB_CHAT_ROLES; role++)
        if (strcmp(name, ROLE_NAMES[role]) == 0) {
            *ret_role = (enum ob_chat_role)role;
            return true;
        }
    return false;
}

static const char *find_problem(const struct ob_chat_format *f, const struct conversation *c, size_t i) {
    enum ob_chat_role role = c->messages[i].role;
    size_t first = c->messages[0].role == OB_CHAT_SYSTEM;
    if (role == OB_CHAT_SYSTEM && f->system == OB_CHAT_SYSTEM_REFUSED)
        return "it has no system message: put its text into the first user message";
    if (role == OB_CHAT_SYSTEM && f->system != OB_CHAT_SYSTEM_ANYWHERE && i > 0)
        return "a system message must be the first one";
    if (f->alternates && i >= first && role != ((i - first) % 2 == 0 ? OB_CHAT_USER : OB_CHAT_ASSISTANT))
        return "user and assistant must take turns, the user first";
    if (f->system == OB_CHAT_SYSTEM_IN_USER && first == c->count)
        return "a system message must be followed by a user's";
    return NULL;
}

/* Qwen3's question: what a user says that is not the answer of a tool. */
static bool is_question(const struct ob_chat_message *message) {
    static const char OPEN[] = "<tool_response>", CLOSE[] = "</tool_response>";
    size_t open = sizeof OPEN - 1, close = sizeof CLOSE - 1, bytes = message->bytes;
    return message->role == OB_CHAT_USER && !(bytes >= close && memcmp(message->content, OPEN, open) == 0 &&
                                              memcmp(message->content + bytes - close, CLOSE, close) == 0);
}

static enum ob_err check(const struct ob_chat_format *f, struct conversation *c, struct ob_error *error) {
    c->last_question = c->count - 1;
    for (size_t i = 0; i < c->count; i++) {
        const char *problem = find_problem(f, c, i);
        if (problem != NULL)
            return ob_fail(error, OB_EFORMAT, "message %zu (%s): chat format %s: %s", i + 1,
                           ROLE_NAMES[c->messages[i].role], f->name, problem);
    }
    for (size_t i = c->count; i > 0; i--)
        if (is_question(&c->messages[i - 1])) {
            c->last_question = i - 1;
            break;
        }
    return OB_OK;
}

enum ob_err ob_chat_encode(const struct ob_chat *chat, struct ob_tokenizer_scratch *scratch,
                           const struct ob_chat_message *messages, size_t count, bool ask,
                           struct ob_chat_ids *ret_ids, struct ob_error *error) {
    assert(count > 0);
    struct ob_error ours;
    error = error == NULL ? &ours : error;
    struct conversation conversation = {.messages = messages, .count = count};
    struct encoding e = {.chat = chat, .scratch = scratch, .answer = NOWHERE, .error = error};
    enum ob_err err = check(chat->format, &conversation, error);
    if (err == OB_OK)
        err = put_all(&e, &conversation, ask);
    free(e.text.data);
    free(e.content.data);
    if (err != OB_OK)
        ob_chat_ids_done(&e.out);
    else
        *ret_ids = e.out;
    return err;
}

void ob_chat_ids_done(struct ob_chat_ids *ids) {
    free(ids->ids);
    free(ids->targets);
    *ids = (struct ob_chat_ids){0};
}
