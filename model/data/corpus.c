#include "model/data/corpus.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "model/data/corpus_internal.h"
#include "model/data/shuffle.h"

const char *ob_row_kind_name(enum ob_row_kind kind) {
    static const char *const NAMES[OB_ROW_KINDS] = {"text", "completion", "choices", "messages"};
    assert((unsigned)kind < OB_ROW_KINDS);
    return NAMES[kind];
}

void ob_corpus_free(struct ob_corpus *corpus) {
    if (corpus == NULL)
        return;
    free(corpus->tokens);
    free(corpus->counted);
    free(corpus->sequences);
    free(corpus->items);
    free(corpus);
}

size_t ob_corpus_items(const struct ob_corpus *corpus) {
    return corpus->has_choices ? corpus->items_count : corpus->sequences_count;
}

size_t ob_corpus_sequences(const struct ob_corpus *corpus) {
    return corpus->sequences_count;
}

size_t ob_corpus_skipped(const struct ob_corpus *corpus) {
    return corpus->skipped;
}

size_t ob_corpus_tokens(const struct ob_corpus *corpus) {
    return corpus->tokens_count;
}

size_t ob_corpus_targets(const struct ob_corpus *corpus) {
    size_t targets = 0;
    for (size_t i = 0; i < corpus->tokens_count; i++)
        targets += corpus->counted[i] != 0;
    return targets;
}

bool ob_corpus_has_choices(const struct ob_corpus *corpus) {
    return corpus->has_choices;
}

size_t ob_corpus_item_sequences(const struct ob_corpus *corpus) {
    return corpus->widest;
}

size_t ob_corpus_item_tokens(const struct ob_corpus *corpus) {
    return corpus->longest;
}

static void note_item(struct ob_corpus *corpus, size_t sequences, size_t tokens) {
    corpus->widest = sequences > corpus->widest ? sequences : corpus->widest;
    corpus->longest = tokens > corpus->longest ? tokens : corpus->longest;
}

/* Room for a sequence of so many tokens, at the end of the store. */
static enum ob_err reserve(struct ob_corpus *corpus, size_t tokens, struct ob_error *error) {
    assert(tokens >= 2);
    if (corpus->sequences_count == UINT32_MAX)
        return ob_fail(error, OB_ETOOBIG, "more than %u sequences", UINT32_MAX);
    if (!ob_array_reserve(&corpus->tokens, corpus->tokens_count, tokens, sizeof *corpus->tokens,
                          &corpus->tokens_max) ||
        !ob_array_reserve(&corpus->counted, corpus->tokens_count, tokens, 1, &corpus->counted_max) ||
        !ob_array_reserve(&corpus->sequences, corpus->sequences_count, 1, sizeof *corpus->sequences,
                          &corpus->sequences_max))
        return ob_fail(error, OB_ENOMEM, "no memory for its tokens");
    return OB_OK;
}

/* What has been written behind the store's tokens is a sequence. */
static void enter_sequence(struct ob_corpus *corpus, size_t tokens) {
    corpus->counted[corpus->tokens_count] = 0; /* nothing predicts it */
    corpus->sequences[corpus->sequences_count++] =
        (struct ob_corpus_sequence){.start = corpus->tokens_count, .count = (uint32_t)tokens};
    corpus->tokens_count += tokens;
    if (!corpus->has_choices)
        note_item(corpus, 1, tokens);
}

enum ob_err ob_corpus_keep(struct ob_corpus *corpus, const struct ob_corpus_span *spans, size_t count,
                           struct ob_error *error) {
    size_t tokens = 0;
    for (size_t i = 0; i < count; i++)
        tokens += spans[i].count;
    enum ob_err err = reserve(corpus, tokens, error);
    if (err != OB_OK)
        return err;
    size_t at = corpus->tokens_count;
    for (size_t i = 0; i < count; i++) {
        if (spans[i].count > 0)
            memcpy(corpus->tokens + at, spans[i].ids, spans[i].count * sizeof *corpus->tokens);
        memset(corpus->counted + at, spans[i].targets, spans[i].count);
        at += spans[i].count;
    }
    enter_sequence(corpus, tokens);
    return OB_OK;
}

enum ob_err ob_corpus_keep_marked(struct ob_corpus *corpus, const int32_t *ids, const uint8_t *targets,
                                  size_t count, struct ob_error *error) {
    enum ob_err err = reserve(corpus, count, error);
    if (err != OB_OK)
        return err;
    memcpy(corpus->tokens + corpus->tokens_count, ids, count * sizeof *ids);
    memcpy(corpus->counted + corpus->tokens_count, targets, count);
    enter_sequence(corpus, count);
    return OB_OK;
}

enum ob_err ob_corpus_keep_item(struct ob_corpus *corpus, size_t count, uint32_t label,
                                struct ob_error *error) {
    assert(corpus->has_choices && count >= 2 && label < count && count <= corpus->sequences_count);
    if (!ob_array_reserve(&corpus->items, corpus->items_count, 1, sizeof *corpus->items, &corpus->items_max))
        return ob_fail(error, OB_ENOMEM, "no memory for its choices");
    size_t first = corpus->sequences_count - count;
    corpus->items[corpus->items_count++] = (struct ob_corpus_item){(uint32_t)first, (uint32_t)count, label};
    note_item(corpus, count, corpus->tokens_count - corpus->sequences[first].start);
    return OB_OK;
}

/* Looks into the row that the reader has read. */
static enum ob_err take_row(struct ob_corpus_intake *intake, struct ob_corpus_reader *reader,
                            struct ob_error *error) {
    const struct ob_corpus_options *options = intake->options;
    struct ob_corpus_row row = {0};
    struct ob_row_report report = {.line = reader->line_number};
    enum ob_err err = ob_corpus_reader_row(reader, &row, error);
    if (err == OB_OK) {
        err = ob_corpus_take_row(intake, &row, &report, error);
        if (err != OB_OK)
            (void)ob_fail_within(error, err, "%s:%" PRIu64, reader->path, reader->line_number);
    }
    json_decref(row.root);
    if (err == OB_OK && report.fate == OB_ROW_SKIPPED)
        intake->corpus->skipped++;
    if (options->report == NULL || err == OB_ENOMEM)
        return err;
    if (err != OB_OK) {
        report.fate = OB_ROW_BAD;
        report.why = error->text;
    }
    options->report(options->context, &report);
    return OB_OK;
}

/* Rows are numbered from 0, blank lines not counted; a row of another shard is not looked into. */
static enum ob_err read_rows(struct ob_corpus_intake *intake, struct ob_corpus_reader *reader,
                             struct ob_error *error) {
    uint32_t shards = intake->options->shards > 1 ? intake->options->shards : 1;
    for (uint64_t number = 0;; number++) {
        bool more = false;
        enum ob_err err = ob_corpus_reader_next(reader, &more, error);
        if (err != OB_OK || !more)
            return err;
        if (shards > 1 && number % shards != intake->options->shard)
            continue;
        err = take_row(intake, reader, error);
        if (err != OB_OK)
            return err;
    }
}

static enum ob_err check_options(const struct ob_corpus_options *options, struct ob_error *error) {
    if (options->length_max < 2 || options->length_max > UINT32_MAX)
        return ob_fail(error, OB_EUSAGE, "sequences of at most %zu tokens; at least 2 are needed",
                       options->length_max);
    if (options->shards > 1 && options->shard >= options->shards)
        return ob_fail(error, OB_EUSAGE, "shard %" PRIu32 " of %" PRIu32 "; they count from 0",
                       options->shard, options->shards);
    return ob_chat_check_name(options->chat_template, error);
}

static enum ob_err no_rows(const char *path, const struct ob_corpus_options *options, size_t skipped,
                           struct ob_error *error) {
    if (options->shards > 1)
        return ob_fail(error, OB_EFORMAT,
                       "%s: no usable row in shard %" PRIu32 " of %" PRIu32 " (%zu skipped)", path,
                       options->shard, options->shards, skipped);
    return ob_fail(error, OB_EFORMAT, "%s: no usable row (%zu skipped)", path, skipped);
}

enum ob_err ob_corpus_open(const char *path, const struct ob_tokenizer *tokenizer,
                           const struct ob_corpus_options *options, struct ob_corpus **ret_corpus,
                           struct ob_error *error) {
    struct ob_error ours;
    error = error == NULL ? &ours : error;
    enum ob_err err = check_options(options, error);
    if (err != OB_OK)
        return err;
    struct ob_corpus *corpus = calloc(1, sizeof *corpus);
    if (corpus == NULL)
        return ob_fail(error, OB_ENOMEM, "%s: no memory for a corpus", path);
    struct ob_corpus_reader reader;
    err = ob_corpus_reader_init(&reader, path, error);
    struct ob_corpus_intake intake = {.corpus = corpus, .tokenizer = tokenizer, .options = options};
    if (err == OB_OK)
        err = read_rows(&intake, &reader, error);
    ob_chat_free(intake.chat);
    ob_corpus_reader_done(&reader);
    if (err == OB_OK && corpus->sequences_count == 0)
        err = no_rows(path, options, corpus->skipped, error);
    if (err != OB_OK) {
        ob_corpus_free(corpus);
        return err;
    }
    *ret_corpus = corpus;
    return OB_OK;
}

static bool add_sequence(const struct ob_corpus *corpus, size_t i, struct ob_batch *batch) {
    const struct ob_corpus_sequence *sequence = &corpus->sequences[i];
    return ob_batch_add_marked(batch, corpus->tokens + sequence->start, corpus->counted + sequence->start,
                               sequence->count);
}

bool ob_corpus_add(const struct ob_corpus *corpus, size_t i, struct ob_batch *batch) {
    assert(i < ob_corpus_items(corpus));
    if (!corpus->has_choices)
        return add_sequence(corpus, i, batch);
    const struct ob_corpus_item *item = &corpus->items[i];
    for (uint32_t k = 0; k < item->count; k++)
        if (!add_sequence(corpus, item->first + k, batch)) {
            ob_batch_drop_open(batch);
            return false;
        }
    ob_batch_end_group(batch, item->label);
    return true;
}

void ob_corpus_draw(const struct ob_corpus *corpus, uint64_t seed, uint64_t draw, size_t items,
                    struct ob_batch *batch) {
    ob_batch_clear(batch);
    size_t all = ob_corpus_items(corpus);
    struct ob_corpus_walk walk = ob_corpus_walk_at(all, items, draw);
    for (uint64_t i = 0; i < walk.count; i++) {
        uint64_t item = ob_corpus_walk_item(all, seed, walk.epoch, walk.first + i);
        if (!ob_corpus_add(corpus, (size_t)item, batch))
            break;
    }
}
