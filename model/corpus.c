#include "model/corpus.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "model/corpus_reader.h"
#include "model/corpus_walk.h"

struct sequence {
    size_t start; /* in the tokens */
    uint32_t count, first_target;
};

struct ob_corpus {
    int32_t *tokens;
    size_t tokens_count, tokens_max;
    struct sequence *sequences;
    size_t sequences_count, sequences_max;
    size_t skipped;
};

/* The ids of one text; free(data). */
struct span {
    int32_t *data;
    size_t count;
};

void ob_corpus_free(struct ob_corpus *corpus) {
    if (corpus == NULL)
        return;
    free(corpus->tokens);
    free(corpus->sequences);
    free(corpus);
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

/* Room for `more` further items of an array; NULL when there is no memory. */
static void *grow(void *array, size_t used, size_t more, size_t item_bytes, size_t *max) {
    if (used + more <= *max)
        return array;
    size_t wanted = 2 * (used + more) + 64;
    void *larger = reallocarray(array, wanted, item_bytes);
    if (larger != NULL)
        *max = wanted;
    return larger;
}

/* A sequence of the first part's tokens, then the second's. */
static enum ob_err keep(struct ob_corpus *corpus, struct span first, struct span second, size_t first_target,
                        struct ob_error *error) {
    size_t count = first.count + second.count;
    assert(count >= 2 && first_target >= 1 && first_target < count);
    if (corpus->sequences_count == UINT32_MAX)
        return ob_fail(error, OB_ETOOBIG, "more than %u sequences", UINT32_MAX);
    void *tokens =
        grow(corpus->tokens, corpus->tokens_count, count, sizeof *corpus->tokens, &corpus->tokens_max);
    if (tokens == NULL)
        return ob_fail(error, OB_ENOMEM, "no memory for its tokens");
    corpus->tokens = tokens;
    void *sequences = grow(corpus->sequences, corpus->sequences_count, 1, sizeof *corpus->sequences,
                           &corpus->sequences_max);
    if (sequences == NULL)
        return ob_fail(error, OB_ENOMEM, "no memory for its sequences");
    corpus->sequences = sequences;
    int32_t *to = corpus->tokens + corpus->tokens_count;
    if (first.count > 0)
        memcpy(to, first.data, first.count * sizeof *to);
    if (second.count > 0)
        memcpy(to + first.count, second.data, second.count * sizeof *to);
    corpus->sequences[corpus->sequences_count++] = (struct sequence){
        .start = corpus->tokens_count, .count = (uint32_t)count, .first_target = (uint32_t)first_target};
    corpus->tokens_count += count;
    return OB_OK;
}

static enum ob_err encode(const struct ob_tokenizer *tokenizer, const json_t *string, struct span *ret_span,
                          struct ob_error *error) {
    return ob_tokenizer_encode(tokenizer, json_string_value(string), json_string_length(string),
                               &ret_span->data, &ret_span->count, error);
}

static enum ob_err add_text(struct ob_corpus *corpus, struct span text, size_t length_max,
                            struct ob_error *error) {
    enum ob_err err = OB_OK;
    if (text.count < 2)
        corpus->skipped++;
    for (size_t at = 0; err == OB_OK && text.count - at >= 2;) {
        size_t count = text.count - at < length_max ? text.count - at : length_max;
        err = keep(corpus, (struct span){text.data + at, count}, (struct span){NULL, 0}, 1, error);
        at += count;
    }
    return err;
}

/* Without a prompt, the completion's first token is no target: nothing predicts it. */
static enum ob_err add_pair(struct ob_corpus *corpus, struct span prompt, struct span completion,
                            size_t length_max, struct ob_error *error) {
    if (completion.count > length_max - 1)
        completion.count = length_max - 1;
    if (completion.count == 0 || prompt.count + completion.count < 2) {
        corpus->skipped++;
        return OB_OK;
    }
    size_t room = length_max - completion.count;
    if (prompt.count > room) {
        prompt.data += prompt.count - room;
        prompt.count = room;
    }
    return keep(corpus, prompt, completion, prompt.count > 0 ? prompt.count : 1, error);
}

static enum ob_err add_row(struct ob_corpus *corpus, const struct ob_tokenizer *tokenizer,
                           const struct ob_corpus_row *row, size_t length_max, struct ob_error *error) {
    struct span first = {0}, second = {0};
    enum ob_err err = encode(tokenizer, row->text != NULL ? row->text : row->prompt, &first, error);
    if (err == OB_OK && row->text != NULL)
        err = add_text(corpus, first, length_max, error);
    if (err == OB_OK && row->text == NULL)
        err = encode(tokenizer, row->completion, &second, error);
    if (err == OB_OK && row->text == NULL)
        err = add_pair(corpus, first, second, length_max, error);
    free(first.data);
    free(second.data);
    return err;
}

/* Rows are numbered from 0, blank lines not counted; a row of another shard is not looked into. */
static enum ob_err read_rows(struct ob_corpus *corpus, struct ob_corpus_reader *reader,
                             const struct ob_tokenizer *tokenizer, const struct ob_corpus_options *options,
                             struct ob_error *error) {
    uint32_t shards = options->shards > 1 ? options->shards : 1;
    for (uint64_t number = 0;; number++) {
        bool more = false;
        enum ob_err err = ob_corpus_reader_next(reader, &more, error);
        if (err != OB_OK || !more)
            return err;
        if (shards > 1 && number % shards != options->shard)
            continue;
        struct ob_corpus_row row;
        err = ob_corpus_reader_row(reader, &row, error);
        if (err != OB_OK)
            return err;
        err = add_row(corpus, tokenizer, &row, options->length_max, error);
        json_decref(row.root);
        if (err != OB_OK)
            return ob_fail_within(error, "%s:%" PRIu64, reader->path, reader->line_number);
    }
}

static enum ob_err check_options(const struct ob_corpus_options *options, struct ob_error *error) {
    if (options->length_max < 2 || options->length_max > UINT32_MAX)
        return ob_fail(error, OB_EUSAGE, "sequences of at most %zu tokens; at least 2 are needed",
                       options->length_max);
    if (options->shards > 1 && options->shard >= options->shards)
        return ob_fail(error, OB_EUSAGE, "shard %" PRIu32 " of %" PRIu32 "; they count from 0",
                       options->shard, options->shards);
    return OB_OK;
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
    if (err == OB_OK)
        err = read_rows(corpus, &reader, tokenizer, options, error);
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

bool ob_corpus_add(const struct ob_corpus *corpus, size_t i, struct ob_batch *batch) {
    assert(i < corpus->sequences_count);
    const struct sequence *sequence = &corpus->sequences[i];
    return ob_batch_add(batch, corpus->tokens + sequence->start, sequence->count, sequence->first_target);
}

void ob_corpus_draw(const struct ob_corpus *corpus, uint64_t seed, uint64_t draw, size_t sequences,
                    struct ob_batch *batch) {
    ob_batch_clear(batch);
    struct ob_corpus_walk walk = ob_corpus_walk_at(corpus->sequences_count, sequences, draw);
    for (uint64_t i = 0; i < walk.count; i++) {
        uint64_t item = ob_corpus_walk_item(corpus->sequences_count, seed, walk.epoch, walk.first + i);
        if (!ob_corpus_add(corpus, (size_t)item, batch))
            break;
    }
}
