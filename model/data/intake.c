#include "model/data/intake.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/limits.h"
#include "model/data/reader.h"

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
    const struct ob_intake *intake;
    struct ob_line_reader reader;
    struct ob_line_block block;
    struct ob_tokenizer_scratch *scratch[OB_POOL_THREADS_MAX]; /* of each thread; NULL until it is needed */
    struct slice *slices;
    size_t slices_count, slices_max;
    struct ob_token_store *store;
    size_t usable, skipped; /* rows so far */
    bool has_choices;
    struct ob_error *error;
};

static enum ob_err take_line(struct reading *r, struct ob_tokenizer_scratch *scratch, struct slice *slice,
                             const struct ob_line *line, struct ob_row_report *report,
                             struct ob_error *error) {
    struct ob_row row = {0};
    if (line->too_long)
        return ob_fail(error, OB_ETOOBIG, "line is longer than %u bytes", OB_CORPUS_ROW_MAX);
    enum ob_err err = ob_row_read(r->block.data + line->start, line->bytes, &row, error);
    if (err == OB_OK)
        err = ob_row_encode(r->intake->encoder, scratch, &row, &slice->store, report, error);
    ob_row_done(&row);
    return err;
}

/* A row of another shard is not looked into. */
static bool is_ours(const struct ob_intake *intake, uint64_t row) {
    return intake->shards <= 1 || row % intake->shards == intake->shard;
}

static void run_slice(void *context, size_t index, unsigned thread) {
    struct reading *r = context;
    enum ob_err slower = OB_OK;
    if (r->scratch[thread] == NULL)
        slower = ob_tokenizer_scratch_new(r->intake->encoder->tokenizer, &r->scratch[thread], NULL);
    (void)slower; /* NULL will do */
    struct slice *slice = &r->slices[index];
    for (size_t i = slice->first; i < slice->end; i++) {
        const struct ob_line *line = &r->block.lines[i];
        if (!is_ours(r->intake, line->row))
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
            return ob_fail(r->error, OB_ENOMEM, "%s: not enough memory for its rows", r->intake->path);
        for (; known < r->slices_max; known++)
            r->slices[known] = (struct slice){0};
        struct slice *slice = &r->slices[r->slices_count++];
        slice->first = first;
        slice->end = end;
        slice->count = 0;
        ob_token_store_clear(&slice->store);
        if (!ob_array_reserve(&slice->outcomes, 0, end - first, sizeof *slice->outcomes, &slice->max))
            return ob_fail(r->error, OB_ENOMEM, "%s: not enough memory for its rows", r->intake->path);
    }
    return OB_OK;
}

/* Takes a row's sequences over, unless the rows before are of the other sort. */
static enum ob_err keep_row(struct reading *r, const struct slice *slice, struct outcome *outcome,
                            size_t sequence, size_t item, struct ob_error *error) {
    enum ob_err err = outcome->err;
    bool choices = outcome->report.kind == OB_ROW_CHOICE;
    if (err != OB_OK)
        err = ob_fail(error, err, "%s", outcome->text == NULL ? "not enough memory" : outcome->text);
    else if (r->usable > 0 && r->has_choices != choices)
        err = ob_fail(error, OB_EFORMAT, "a file cannot mix rows with and without \"choices\"");
    else
        err = ob_token_store_append(r->store, &slice->store, sequence, outcome->sequences, item,
                                    outcome->items, error);
    if (err != OB_OK)
        return ob_fail_within(error, err, "%s:%" PRIu64, r->intake->path, outcome->report.line);
    if (outcome->sequences > 0)
        r->has_choices = choices;
    r->usable += outcome->report.fate != OB_ROW_SKIPPED;
    r->skipped += outcome->report.fate == OB_ROW_SKIPPED;
    return OB_OK;
}

static enum ob_err keep_slice(struct reading *r, const struct slice *slice) {
    const struct ob_intake *intake = r->intake;
    size_t sequence = 0, item = 0;
    for (size_t i = 0; i < slice->count; i++) {
        struct outcome *outcome = &slice->outcomes[i];
        struct ob_error error = {0};
        enum ob_err err = keep_row(r, slice, outcome, sequence, item, &error);
        if (err != OB_OK && (intake->report == NULL || err == OB_ENOMEM))
            return ob_fail(r->error, err, "%s", error.text);
        if (err != OB_OK) {
            outcome->report.fate = OB_ROW_BAD;
            outcome->report.why = error.text;
        }
        if (intake->report != NULL)
            intake->report(intake->context, &outcome->report);
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
    size_t bytes = (size_t)4 * ob_pool_threads(r->intake->pool) * SLICE_BYTES;
    for (;;) {
        enum ob_err err = ob_line_reader_next(&r->reader, bytes, &r->block, r->error);
        if (err == OB_OK)
            err = cut_block(r);
        if (err != OB_OK || r->block.count == 0)
            return err;
        ob_pool_run(r->intake->pool, r->slices_count, run_slice, r);
        for (size_t i = 0; err == OB_OK && i < r->slices_count; i++)
            err = keep_slice(r, &r->slices[i]);
        forget_slices(r);
        if (err == OB_OK)
            err = ob_progress_tell(r->intake->progress, "reading the rows", ob_input_done(r->reader.input),
                                   ob_input_size(r->reader.input), r->error);
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
    ob_line_block_done(&r->block);
    ob_line_reader_done(&r->reader);
}

enum ob_err ob_intake_rows(const struct ob_intake *intake, struct ob_token_store *store, size_t *ret_skipped,
                           struct ob_error *error) {
    struct reading reading = {.intake = intake, .store = store, .error = error};
    enum ob_err err = ob_line_reader_open(&reading.reader, intake->path, error);
    if (err == OB_OK)
        err = read_rows(&reading);
    reading_done(&reading);
    *ret_skipped = reading.skipped;
    return err;
}
