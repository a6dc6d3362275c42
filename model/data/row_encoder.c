#include "model/data/row_encoder.h"

#include <assert.h>
#include <stdlib.h>

#include "model/convert/open_tokenizer.h"
#include "model/tokenizer/utf8.h"

/* The ids of one text; free(data). */
struct ids {
    int32_t *data;
    size_t count;
};

/* A row under way. */
struct taking {
    struct ob_token_store *store;
    const struct ob_tokenizer *tokenizer;
    struct ob_tokenizer_scratch *scratch;
    struct ob_tokenizer_affixes affixes;
    size_t length_max;
    struct ob_row_report *report;
    struct ob_error *error;
};

static enum ob_err encode(const struct taking *t, struct ob_row_text text, bool goes_on,
                          struct ids *ret_ids) {
    struct ob_encode_options options = {.position = goes_on ? OB_TEXT_CONTINUED : OB_TEXT_FIRST,
                                        .scratch = t->scratch};
    return ob_tokenizer_encode(t->tokenizer, &options, text.data, text.bytes, &ret_ids->data, &ret_ids->count,
                               t->error);
}

static enum ob_err skip(const struct taking *t, const char *why) {
    t->report->fate = OB_ROW_SKIPPED;
    t->report->why = why;
    return OB_OK;
}

static void note_cut(const struct taking *t, const char *why) {
    t->report->fate = OB_ROW_CUT;
    t->report->why = why;
}

/* Into windows of length_max tokens; a rest of one token is dropped. */
static enum ob_err keep_windows(const struct taking *t, const int32_t *ids, size_t count) {
    enum ob_err err = OB_OK;
    if (count > t->length_max)
        note_cut(t, "longer than length: cut into windows");
    for (size_t at = 0; err == OB_OK && count - at >= 2;) {
        size_t window = count - at < t->length_max ? count - at : t->length_max;
        struct ob_token_span span = {ids + at, window, true};
        err = ob_token_store_add(t->store, &span, 1, t->error);
        at += window;
    }
    return err;
}

static enum ob_err take_text(const struct taking *t, const struct ob_row *row) {
    struct ids text = {0};
    enum ob_err err = encode(t, row->text, false, &text);
    if (err != OB_OK)
        return err;
    const struct ob_tokenizer_affixes *f = &t->affixes;
    size_t count = text.count > 0 ? f->prefix_count + text.count + f->suffix_count : 0, at = 0;
    t->report->tokens = count;
    t->report->targets = count > 0 ? count - 1 : 0;
    if (count < 2) {
        free(text.data);
        return skip(t, text.count == 0 ? "an empty text" : "a text of one token");
    }
    int32_t *all = calloc(count, sizeof *all);
    if (all == NULL) {
        free(text.data);
        return ob_fail(t->error, OB_ENOMEM, "not enough memory for %zu tokens", count);
    }
    for (size_t i = 0; i < f->prefix_count; i++)
        all[at++] = f->prefix[i];
    for (size_t i = 0; i < text.count; i++)
        all[at++] = text.data[i];
    for (size_t i = 0; i < f->suffix_count; i++)
        all[at++] = f->suffix[i];
    assert(at == count);
    err = keep_windows(t, all, count);
    free(all);
    free(text.data);
    return err;
}

/* The prefix, the prompt without `drop` tokens of its front, what follows without those that do not fit. */
static enum ob_err keep_pair(const struct taking *t, const struct ids *prompt, size_t drop,
                             const int32_t *ids, size_t count) {
    struct ob_token_span spans[3] = {
        {t->affixes.prefix, t->affixes.prefix_count, false},
        {prompt->count > drop ? prompt->data + drop : NULL, prompt->count - drop, false},
        {ids, count, true}};
    return ob_token_store_add(t->store, spans, 3, t->error);
}

/* The completion, and the suffix when there is room, in one array. */
static enum ob_err complete(const struct taking *t, struct ids *completion) {
    if (completion->count == 0 || t->affixes.suffix_count == 0)
        return OB_OK;
    int32_t *longer =
        reallocarray(completion->data, completion->count + t->affixes.suffix_count, sizeof *completion->data);
    if (longer == NULL)
        return ob_fail(t->error, OB_ENOMEM, "not enough memory for a completion");
    for (size_t i = 0; i < t->affixes.suffix_count; i++)
        longer[completion->count + i] = t->affixes.suffix[i];
    completion->data = longer;
    completion->count += t->affixes.suffix_count;
    return OB_OK;
}

static enum ob_err take_pair_ids(const struct taking *t, const struct ids *prompt,
                                 const struct ids *completion) {
    size_t before = t->affixes.prefix_count, count = completion->count;
    size_t room = t->length_max > before + 1 ? t->length_max - before - 1 : 1; /* one stays for a prompt */
    t->report->tokens = before + prompt->count + count;
    t->report->targets = before + prompt->count > 0 || count == 0 ? count : count - 1;
    if (count == 0)
        return skip(t, "an empty completion");
    if (t->report->targets == 0)
        return skip(t, "a completion of one token without a prompt");
    count = count < room ? count : room;
    size_t left = t->length_max > before + count ? t->length_max - before - count : 0;
    size_t drop = prompt->count > left ? prompt->count - left : 0;
    if (before + prompt->count - drop + count < 2)
        return skip(t, "no room for a target");
    if (count < completion->count)
        note_cut(t, "longer than length: the completion loses its end");
    else if (drop > 0)
        note_cut(t, "longer than length: the prompt loses its start");
    return keep_pair(t, prompt, drop, completion->data, count);
}

static enum ob_err take_pair(const struct taking *t, const struct ob_row *row) {
    struct ids prompt = {0}, completion = {0};
    enum ob_err err = encode(t, row->prompt, false, &prompt);
    if (err == OB_OK)
        err = encode(t, row->completion, prompt.count > 0, &completion);
    if (err == OB_OK)
        err = complete(t, &completion);
    if (err == OB_OK)
        err = take_pair_ids(t, &prompt, &completion);
    free(prompt.data);
    free(completion.data);
    return err;
}

/* All candidates see the same prompt; a candidate is never cut. */
static enum ob_err keep_choices(const struct taking *t, const struct ids *prompt, const struct ids *choices,
                                size_t count, uint32_t label) {
    size_t before = t->affixes.prefix_count, longest = 0, shortest = SIZE_MAX, targets = 0;
    for (size_t i = 0; i < count; i++) {
        longest = choices[i].count > longest ? choices[i].count : longest;
        shortest = choices[i].count < shortest ? choices[i].count : shortest;
        targets += choices[i].count;
    }
    bool predicted = before + prompt->count > 0;
    t->report->tokens = before + prompt->count + longest;
    t->report->targets = predicted ? targets : targets - (shortest > 0 ? count : 0);
    if (shortest == 0)
        return skip(t, "an empty choice");
    if (!predicted && shortest < 2)
        return skip(t, "a choice of one token without a prompt");
    if (before + longest + predicted > t->length_max)
        return skip(t, "a choice that leaves no room within length");
    size_t left = t->length_max - before - longest;
    size_t drop = prompt->count > left ? prompt->count - left : 0;
    if (drop > 0)
        note_cut(t, "longer than length: the prompt loses its start");
    enum ob_err err = OB_OK;
    for (size_t i = 0; err == OB_OK && i < count; i++)
        err = keep_pair(t, prompt, drop, choices[i].data, choices[i].count);
    return err != OB_OK ? err : ob_token_store_add_item(t->store, count, label, t->error);
}

static enum ob_err take_choices(const struct taking *t, const struct ob_row *row) {
    size_t count = row->choices_count;
    struct ids prompt = {0}, *choices = calloc(count, sizeof *choices);
    enum ob_err err = choices == NULL
                          ? ob_fail(t->error, OB_ENOMEM, "not enough memory for %zu choices", count)
                          : encode(t, row->prompt, false, &prompt);
    for (size_t i = 0; err == OB_OK && i < count; i++)
        err = encode(t, row->choices[i], prompt.count > 0, &choices[i]);
    t->report->choices = (uint32_t)count;
    t->report->label = row->label;
    if (err == OB_OK)
        err = keep_choices(t, &prompt, choices, count, row->label);
    for (size_t i = 0; choices != NULL && i < count; i++)
        free(choices[i].data);
    free(choices);
    free(prompt.data);
    return err;
}

/* ---- conversations ---- */

/* A template that cannot be used is looked for once, however many rows ask for it. */
static enum ob_err open_chat(struct ob_row_encoder *encoder, struct ob_error *error) {
    struct ob_error *failed = &encoder->chat_failed;
    (void)pthread_mutex_lock(&encoder->mutex);
    if (encoder->chat == NULL && failed->code == OB_OK && encoder->model == NULL)
        (void)ob_fail(failed, OB_EUNSUPPORTED, "rows with \"messages\" need a model");
    else if (encoder->chat == NULL && failed->code == OB_OK &&
             ob_chat_open(encoder->model, encoder->chat_template, encoder->tokenizer, &encoder->chat,
                          failed) == OB_OK)
        failed->code = OB_OK;
    enum ob_err err = failed->code == OB_OK ? OB_OK : ob_fail(error, failed->code, "%s", failed->text);
    (void)pthread_mutex_unlock(&encoder->mutex);
    return err;
}

static size_t count_targets(const struct ob_chat_ids *ids, size_t count) {
    size_t targets = 0;
    for (size_t i = 0; i < count; i++)
        targets += ids->targets[i];
    return targets;
}

static enum ob_err keep_chat(const struct taking *t, const struct ob_chat_ids *ids) {
    size_t count = ids->count < t->length_max ? ids->count : t->length_max;
    t->report->tokens = ids->count;
    t->report->targets = count_targets(ids, ids->count);
    if (t->report->targets == 0)
        return skip(t, "no answer that is not empty");
    if (count_targets(ids, count) == 0)
        return skip(t, "no answer within length");
    if (count < ids->count)
        note_cut(t, "longer than length: the conversation loses its end");
    return ob_token_store_add_masked(t->store, ids->ids, ids->targets, count, t->error);
}

static enum ob_err take_chat(const struct taking *t, struct ob_row_encoder *encoder,
                             const struct ob_row *row) {
    struct ob_chat_ids ids = {0};
    enum ob_err err = open_chat(encoder, t->error);
    if (err == OB_OK)
        err = ob_chat_encode(encoder->chat, t->scratch, row->messages, row->messages_count, false, &ids,
                             t->error);
    if (err == OB_OK)
        err = keep_chat(t, &ids);
    ob_chat_ids_done(&ids);
    return err;
}

static enum ob_err take(const struct taking *t, struct ob_row_encoder *encoder, const struct ob_row *row) {
    switch (row->kind) {
    case OB_ROW_TEXT:
        return take_text(t, row);
    case OB_ROW_PAIR:
        return take_pair(t, row);
    case OB_ROW_CHOICE:
        return take_choices(t, row);
    default:
        return take_chat(t, encoder, row);
    }
}

/* Tokens from `first` on have a row in the model's embedding. */
static enum ob_err check_ids(const struct ob_row_encoder *encoder, const struct ob_token_store *store,
                             size_t first, struct ob_error *error) {
    char *text = NULL, quote[OB_QUOTE_BYTES];
    size_t bytes = 0, at = first;
    while (at < store->tokens_count && (uint32_t)store->tokens[at] < encoder->embedding_rows)
        at++;
    if (at == store->tokens_count || encoder->embedding_rows == 0)
        return OB_OK;
    enum ob_err err =
        ob_tokenizer_decode(encoder->tokenizer, &store->tokens[at], 1, false, &text, &bytes, error);
    if (err == OB_OK)
        err = ob_fail(error, OB_EMISMATCH,
                      "token %d (\"%s\") has no row in the model's embedding, which has %u: the tokenizer "
                      "belongs to another model, or the embedding was not resized",
                      store->tokens[at], ob_utf8_quote(text, bytes, quote), encoder->embedding_rows);
    free(text);
    return err;
}

enum ob_err ob_row_encode(struct ob_row_encoder *encoder, struct ob_tokenizer_scratch *scratch,
                          const struct ob_row *row, struct ob_token_store *store,
                          struct ob_row_report *report, struct ob_error *error) {
    struct taking t = {.store = store,
                       .tokenizer = encoder->tokenizer,
                       .scratch = scratch,
                       .affixes = ob_tokenizer_affixes(encoder->tokenizer),
                       .length_max = encoder->length_max,
                       .report = report,
                       .error = error};
    size_t first = store->tokens_count;
    report->kind = row->kind;
    enum ob_err err = take(&t, encoder, row);
    return err != OB_OK ? err : check_ids(encoder, store, first, error);
}

void ob_row_encoder_done(struct ob_row_encoder *encoder) {
    ob_chat_free(encoder->chat);
    encoder->chat = NULL;
}
