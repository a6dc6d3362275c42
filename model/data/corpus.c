#include "model/data/corpus.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/limits.h"
#include "model/data/reader.h"
#include "model/data/shuffle.h"

struct ob_corpus {
    struct ob_token_store store;
    size_t widest, longest; /* item: sequences, tokens */
    size_t skipped;         /* rows */
    bool has_choices;
};

void ob_corpus_free(struct ob_corpus *corpus) {
    if (corpus == NULL)
        return;
    ob_token_store_done(&corpus->store);
    free(corpus);
}

size_t ob_corpus_items(const struct ob_corpus *corpus) {
    return corpus->has_choices ? corpus->store.items_count : corpus->store.sequences_count;
}

size_t ob_corpus_sequences(const struct ob_corpus *corpus) {
    return corpus->store.sequences_count;
}

size_t ob_corpus_skipped(const struct ob_corpus *corpus) {
    return corpus->skipped;
}

size_t ob_corpus_tokens(const struct ob_corpus *corpus) {
    return corpus->store.tokens_count;
}

size_t ob_corpus_targets(const struct ob_corpus *corpus) {
    size_t targets = 0;
    for (size_t i = 0; i < corpus->store.tokens_count; i++)
        targets += corpus->store.loss_mask[i] != 0;
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

/* ---- reading: each block of lines is cut into slices that the pool's threads turn into sequences ---- */

#define SLICE_BYTES (64u << 10) /* of lines, about */

struct outcome { /* of one row */
    struct ob_row_report report;
    enum ob_err err;
    char *text; /* malloc'ed: the error's, or NULL */
    size_t sequences, items;
};

struct slice {
    size_t first, end; /* lines of the block */
    struct ob_token_store store;
    struct outcome *outcomes;
    size_t count, max;
};

struct reading {
    const char *path;
    const struct ob_corpus_options *options;
    struct ob_line_reader reader;
    struct ob_line_block block;
    struct ob_row_encoder encoder;
    struct ob_tokenizer_scratch *scratch[OB_POOL_THREADS_MAX]; /* of each thread; NULL until it is needed */
    struct slice *slices;
    size_t slices_count, slices_max;
    struct ob_corpus *corpus;
    size_t usable; /* rows so far */
    struct ob_error *error;
};

static enum ob_err take_line(struct reading *r, struct ob_tokenizer_scratch *scratch, struct slice *slice,
                             const struct ob_line *line, struct ob_row_report *report,
                             struct ob_error *error) {
    struct ob_row row = {0};
    if (line->too_long)
        return ob_fail(error, OB_ETOOBIG, "more than %u bytes in one line", OB_CORPUS_ROW_MAX);
    enum ob_err err = ob_row_read(r->block.data + line->start, line->bytes, &row, error);
    if (err == OB_OK)
        err = ob_row_encode(&r->encoder, scratch, &row, &slice->store, report, error);
    ob_row_done(&row);
    return err;
}

/* A row of another shard is not looked into. */
static bool is_ours(const struct ob_corpus_options *options, uint64_t row) {
    return options->shards <= 1 || row % options->shards == options->shard;
}

static void run_slice(void *context, size_t index, unsigned thread) {
    struct reading *r = context;
    enum ob_err slower = OB_OK;
    if (r->scratch[thread] == NULL)
        slower = ob_tokenizer_scratch_new(r->encoder.tokenizer, &r->scratch[thread], NULL);
    (void)slower; /* NULL will do */
    struct slice *slice = &r->slices[index];
    for (size_t i = slice->first; i < slice->end; i++) {
        const struct ob_line *line = &r->block.lines[i];
        if (!is_ours(r->options, line->row))
            continue;
        struct outcome *outcome = &slice->outcomes[slice->count++];
        size_t sequences = slice->store.sequences_count, items = slice->store.items_count;
        struct ob_error error = {0};
        *outcome = (struct outcome){.report = {.line = line->number}};
        outcome->err = take_line(r, r->scratch[thread], slice, line, &outcome->report, &error);
        outcome->text = outcome->err == OB_OK ? NULL : strdup(error.text);
        outcome->sequences = slice->store.sequences_count - sequences;
        outcome->items = slice->store.items_count - items;
    }
}

/* Lines of about SLICE_BYTES each; what their rows become is still to be made. */
static enum ob_err cut_block(struct reading *r) {
    r->slices_count = 0;
    for (size_t first = 0, end; first < r->block.count; first = end) {
        size_t bytes = 0;
        for (end = first; end < r->block.count && bytes < SLICE_BYTES; end++)
            bytes += r->block.lines[end].bytes + 1;
        size_t known = r->slices_max;
        if (!ob_array_reserve(&r->slices, r->slices_count, 1, sizeof *r->slices, &r->slices_max))
            return ob_fail(r->error, OB_ENOMEM, "%s: no memory for its rows", r->path);
        for (; known < r->slices_max; known++)
            r->slices[known] = (struct slice){0};
        struct slice *slice = &r->slices[r->slices_count++];
        slice->first = first;
        slice->end = end;
        slice->count = 0;
        ob_token_store_clear(&slice->store);
        if (!ob_array_reserve(&slice->outcomes, 0, end - first, sizeof *slice->outcomes, &slice->max))
            return ob_fail(r->error, OB_ENOMEM, "%s: no memory for its rows", r->path);
    }
    return OB_OK;
}

/* Takes a row's sequences over, unless the rows before are of the other sort. */
static enum ob_err keep_row(struct reading *r, const struct slice *slice, struct outcome *outcome,
                            size_t sequence, size_t item, struct ob_error *error) {
    struct ob_corpus *corpus = r->corpus;
    enum ob_err err = outcome->err;
    bool choices = outcome->report.kind == OB_ROW_CHOICE;
    if (err != OB_OK)
        err = ob_fail(error, err, "%s", outcome->text == NULL ? "no memory" : outcome->text);
    else if (r->usable > 0 && corpus->has_choices != choices)
        err = ob_fail(error, OB_EFORMAT, "rows with \"choices\" and rows without cannot share a file");
    else
        err = ob_token_store_append(&corpus->store, &slice->store, sequence, outcome->sequences, item,
                                    outcome->items, error);
    if (err != OB_OK)
        return ob_fail_within(error, err, "%s:%" PRIu64, r->path, outcome->report.line);
    if (outcome->sequences > 0)
        corpus->has_choices = choices;
    r->usable += outcome->report.fate != OB_ROW_SKIPPED;
    corpus->skipped += outcome->report.fate == OB_ROW_SKIPPED;
    return OB_OK;
}

static enum ob_err keep_slice(struct reading *r, const struct slice *slice) {
    const struct ob_corpus_options *options = r->options;
    size_t sequence = 0, item = 0;
    for (size_t i = 0; i < slice->count; i++) {
        struct outcome *outcome = &slice->outcomes[i];
        struct ob_error error = {0};
        enum ob_err err = keep_row(r, slice, outcome, sequence, item, &error);
        if (err != OB_OK && (options->report == NULL || err == OB_ENOMEM))
            return ob_fail(r->error, err, "%s", error.text);
        if (err != OB_OK) {
            outcome->report.fate = OB_ROW_BAD;
            outcome->report.why = error.text;
        }
        if (options->report != NULL)
            options->report(options->context, &outcome->report);
        sequence += outcome->sequences;
        item += outcome->items;
    }
    return OB_OK;
}

static void forget_slices(struct reading *r) {
    for (size_t i = 0; i < r->slices_count; i++)
        for (size_t k = 0; k < r->slices[i].count; k++) {
            free(r->slices[i].outcomes[k].text);
            r->slices[i].outcomes[k].text = NULL;
        }
}

static enum ob_err read_rows(struct reading *r) {
    size_t bytes = (size_t)4 * ob_pool_threads(r->options->pool) * SLICE_BYTES;
    for (;;) {
        enum ob_err err = ob_line_reader_next(&r->reader, bytes, &r->block, r->error);
        if (err == OB_OK)
            err = cut_block(r);
        if (err != OB_OK || r->block.count == 0)
            return err;
        ob_pool_run(r->options->pool, r->slices_count, run_slice, r);
        for (size_t i = 0; err == OB_OK && i < r->slices_count; i++)
            err = keep_slice(r, &r->slices[i]);
        forget_slices(r);
        if (err != OB_OK)
            return err;
    }
}

static void reading_done(struct reading *r) {
    for (size_t i = 0; i < r->slices_max; i++) {
        ob_token_store_done(&r->slices[i].store);
        free(r->slices[i].outcomes);
    }
    free(r->slices);
    for (size_t i = 0; i < OB_POOL_THREADS_MAX; i++)
        ob_tokenizer_scratch_free(r->scratch[i]);
    ob_row_encoder_done(&r->encoder);
    ob_line_block_done(&r->block);
    ob_line_reader_done(&r->reader);
}

static void note_item(struct ob_corpus *corpus, size_t sequences, size_t tokens) {
    corpus->widest = sequences > corpus->widest ? sequences : corpus->widest;
    corpus->longest = tokens > corpus->longest ? tokens : corpus->longest;
}

/* The largest item. */
static void measure(struct ob_corpus *corpus) {
    const struct ob_token_store *store = &corpus->store;
    for (size_t i = 0; !corpus->has_choices && i < store->sequences_count; i++)
        note_item(corpus, 1, store->sequences[i].count);
    for (size_t i = 0; i < store->items_count; i++) {
        const struct ob_choice_item *item = &store->items[i];
        size_t tokens = 0;
        for (uint32_t k = 0; k < item->count; k++)
            tokens += store->sequences[item->first + k].count;
        note_item(corpus, item->count, tokens);
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
    struct reading reading = {.path = path, .options = options, .corpus = corpus, .error = error};
    reading.encoder = (struct ob_row_encoder){.tokenizer = tokenizer,
                                              .length_max = options->length_max,
                                              .embedding_rows = options->embedding_rows,
                                              .model = options->model,
                                              .chat_template = options->chat_template,
                                              .mutex = PTHREAD_MUTEX_INITIALIZER};
    err = ob_line_reader_open(&reading.reader, path, error);
    if (err == OB_OK)
        err = read_rows(&reading);
    reading_done(&reading);
    if (err == OB_OK && corpus->store.sequences_count == 0)
        err = no_rows(path, options, corpus->skipped, error);
    if (err != OB_OK) {
        ob_corpus_free(corpus);
        return err;
    }
    measure(corpus);
    *ret_corpus = corpus;
    return OB_OK;
}

static bool add_sequence(const struct ob_corpus *corpus, size_t i, struct ob_batch *batch) {
    const struct ob_sequence *sequence = &corpus->store.sequences[i];
    return ob_batch_add_marked(batch, corpus->store.tokens + sequence->start,
                               corpus->store.loss_mask + sequence->start, sequence->count);
}

bool ob_corpus_add(const struct ob_corpus *corpus, size_t i, struct ob_batch *batch) {
    assert(i < ob_corpus_items(corpus));
    if (!corpus->has_choices)
        return add_sequence(corpus, i, batch);
    const struct ob_choice_item *item = &corpus->store.items[i];
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
    struct ob_shuffle_batch place = ob_shuffle_batch(all, items, draw);
    for (uint64_t i = 0; i < place.count; i++) {
        uint64_t item = ob_shuffle_item(all, seed, place.epoch, place.first + i);
        if (!ob_corpus_add(corpus, (size_t)item, batch))
            break;
    }
}
