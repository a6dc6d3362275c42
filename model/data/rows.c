/* One row into sequences: what is a target, and what is cut (docs/data.md). Prompts and what follows them are
 * encoded apart, as at generation. */
#include <assert.h>
#include <stdlib.h>

#include "model/data/corpus_internal.h"

/* The ids of one text; free(data). */
struct ids {
    int32_t *data;
    size_t count;
};

/* A row under way. */
struct taking {
    struct ob_corpus *corpus;
    const struct ob_tokenizer *tokenizer;
    struct ob_tokenizer_frame frame;
    size_t length_max;
    struct ob_row_report *report;
    struct ob_error *error;
};

static enum ob_err encode(const struct taking *t, const json_t *string, bool goes_on, struct ids *ret_ids) {
    const char *text = json_string_value(string);
    size_t bytes = json_string_length(string);
    return (goes_on ? ob_tokenizer_encode_on : ob_tokenizer_encode)(t->tokenizer, text, bytes, &ret_ids->data,
                                                                    &ret_ids->count, t->error);
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
        struct ob_corpus_span span = {ids + at, window, true};
        err = ob_corpus_keep(t->corpus, &span, 1, t->error);
        at += window;
    }
    return err;
}

static enum ob_err take_text(const struct taking *t, const struct ob_corpus_row *row) {
    struct ids text = {0};
    enum ob_err err = encode(t, row->text, false, &text);
    if (err != OB_OK)
        return err;
    const struct ob_tokenizer_frame *f = &t->frame;
    size_t count = text.count > 0 ? f->before_count + text.count + f->after_count : 0, at = 0;
    t->report->tokens = count;
    t->report->targets = count > 0 ? count - 1 : 0;
    if (count < 2) {
        free(text.data);
        return skip(t, text.count == 0 ? "an empty text" : "a text of one token");
    }
    int32_t *all = calloc(count, sizeof *all);
    if (all == NULL) {
        free(text.data);
        return ob_fail(t->error, OB_ENOMEM, "no memory for %zu tokens", count);
    }
    for (size_t i = 0; i < f->before_count; i++)
        all[at++] = f->before[i];
    for (size_t i = 0; i < text.count; i++)
        all[at++] = text.data[i];
    for (size_t i = 0; i < f->after_count; i++)
        all[at++] = f->after[i];
    assert(at == count);
    err = keep_windows(t, all, count);
    free(all);
    free(text.data);
    return err;
}

/* Frame, the prompt without `drop` tokens of its front, what follows without those that do not fit. */
static enum ob_err keep_pair(const struct taking *t, const struct ids *prompt, size_t drop,
                             const int32_t *ids, size_t count) {
    struct ob_corpus_span spans[3] = {
        {t->frame.before, t->frame.before_count, false},
        {prompt->count > drop ? prompt->data + drop : NULL, prompt->count - drop, false},
        {ids, count, true}};
    return ob_corpus_keep(t->corpus, spans, 3, t->error);
}

/* The completion, and the frame's end when there is room, in one array. */
static enum ob_err complete(const struct taking *t, struct ids *completion) {
    if (completion->count == 0 || t->frame.after_count == 0)
        return OB_OK;
    int32_t *longer =
        reallocarray(completion->data, completion->count + t->frame.after_count, sizeof *completion->data);
    if (longer == NULL)
        return ob_fail(t->error, OB_ENOMEM, "no memory for a completion");
    for (size_t i = 0; i < t->frame.after_count; i++)
        longer[completion->count + i] = t->frame.after[i];
    completion->data = longer;
    completion->count += t->frame.after_count;
    return OB_OK;
}

static enum ob_err take_pair_ids(const struct taking *t, const struct ids *prompt,
                                 const struct ids *completion) {
    size_t before = t->frame.before_count, count = completion->count;
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
        note_cut(t, "longer than length: the prompt loses its front");
    return keep_pair(t, prompt, drop, completion->data, count);
}

static enum ob_err take_pair(const struct taking *t, const struct ob_corpus_row *row) {
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
    size_t before = t->frame.before_count, longest = 0, shortest = SIZE_MAX, targets = 0;
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
        note_cut(t, "longer than length: the prompt loses its front");
    t->corpus->has_choices = true;
    enum ob_err err = OB_OK;
    for (size_t i = 0; err == OB_OK && i < count; i++)
        err = keep_pair(t, prompt, drop, choices[i].data, choices[i].count);
    return err != OB_OK ? err : ob_corpus_keep_item(t->corpus, count, label, t->error);
}

static enum ob_err take_choices(const struct taking *t, const struct ob_corpus_row *row) {
    size_t count = json_array_size(row->choices);
    struct ids prompt = {0}, *choices = calloc(count, sizeof *choices);
    enum ob_err err = choices == NULL ? ob_fail(t->error, OB_ENOMEM, "no memory for %zu choices", count)
                                      : encode(t, row->prompt, false, &prompt);
    for (size_t i = 0; err == OB_OK && i < count; i++)
        err = encode(t, json_array_get(row->choices, i), prompt.count > 0, &choices[i]);
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

enum ob_err ob_corpus_take_row(struct ob_corpus_intake *intake, const struct ob_corpus_row *row,
                               struct ob_row_report *report, struct ob_error *error) {
    struct ob_corpus *corpus = intake->corpus;
    struct taking t = {.corpus = corpus,
                       .tokenizer = intake->tokenizer,
                       .frame = ob_tokenizer_frame(intake->tokenizer),
                       .length_max = intake->options->length_max,
                       .report = report,
                       .error = error};
    report->kind = row->kind;
    if (corpus->rows > 0 && corpus->has_choices != (row->kind == OB_ROW_CHOICE))
        return ob_fail(error, OB_EFORMAT, "rows with \"choices\" and rows without do not go into one file");
    enum ob_err err;
    switch (row->kind) {
    case OB_ROW_TEXT:
        err = take_text(&t, row);
        break;
    case OB_ROW_PAIR:
        err = take_pair(&t, row);
        break;
    case OB_ROW_CHOICE:
        err = take_choices(&t, row);
        break;
    default:
        err = ob_corpus_take_chat(intake, row, report, error);
    }
    corpus->rows += err == OB_OK && report->fate != OB_ROW_SKIPPED;
    return err;
}
