#include "model/data/corpus.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "model/convert/open_tokenizer.h"
#include "model/data/cache_key.h"
#include "model/data/intake.h"
#include "model/data/shuffle.h"

struct ob_corpus {
    struct ob_token_store store;
    size_t widest, longest; /* item: sequences, tokens */
    size_t skipped;         /* rows */
    bool has_choices;
    bool is_cached;                /* the tokens are those that an earlier start has kept */
    struct ob_error cache_problem; /* code OB_OK: none */
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
        return ob_fail(error, OB_EUSAGE, "length is %zu tokens, at least 2 are needed", options->length_max);
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

/* ---- the tokens that an earlier start has kept ---- */

struct opening {
    const char *path;
    const struct ob_corpus_options *options;
    struct ob_row_encoder encoder;
    struct ob_corpus *corpus;
    bool may_keep; /* there is a key */
    uint8_t key[OB_CACHE_KEY_BYTES];
    struct ob_file_stamp stamp; /* of the rows when the key was made */
};

/* The chat is a part of the key; a model without one has no rows with messages in a cache. */
static void open_chat(struct opening *o, const struct ob_tokenizer *tokenizer) {
    struct ob_error ignored;
    if (o->options->model != NULL && ob_chat_open(o->options->model, o->options->chat_template, tokenizer,
                                                  &o->encoder.chat, &ignored) != OB_OK)
        o->encoder.chat = NULL;
}

/* *ret_found: the store is filled. What is wrong with a cache is noted, and the rows are read. */
static enum ob_err look_into_cache(struct opening *o, bool *ret_found, struct ob_error *error) {
    const struct ob_corpus_options *options = o->options;
    struct ob_corpus *corpus = o->corpus;
    struct ob_cache_question question = {o->path, &o->encoder, options->shard, options->shards};
    size_t vocabulary = ob_tokenizer_vocabulary(o->encoder.tokenizer);
    struct ob_cache_bounds bounds = {.vocabulary = (uint32_t)vocabulary, .length_max = options->length_max};
    if (options->embedding_rows > 0 && options->embedding_rows < bounds.vocabulary)
        bounds.vocabulary = options->embedding_rows;
    o->stamp = ob_file_stamp(o->path);
    enum ob_err err =
        ob_cache_key(&question, options->pool, options->progress, bounds.key, &corpus->cache_problem);
    if (err == OB_ESTATE)
        return ob_fail(error, err, "%s: %s", o->path, corpus->cache_problem.text);
    o->may_keep = err == OB_OK;
    if (err != OB_OK)
        return OB_OK;
    memcpy(o->key, bounds.key, sizeof o->key);
    err = ob_cache_read(options->cache, &bounds, &corpus->store, &corpus->skipped, &corpus->cache_problem);
    *ret_found = err == OB_OK;
    if (err == OB_OK || err == OB_ENOTFOUND || err == OB_EMISMATCH) /* none, or of other rows */
        corpus->cache_problem = (struct ob_error){0};
    return OB_OK;
}

static void keep_tokens(const struct opening *o) {
    struct ob_file_stamp now = ob_file_stamp(o->path);
    struct ob_corpus *corpus = o->corpus;
    struct ob_error error = {0};
    if (o->may_keep && memcmp(&now, &o->stamp, sizeof now) == 0 &&
        ob_cache_write(o->options->cache, o->key, &corpus->store, corpus->skipped, &error) != OB_OK)
        corpus->cache_problem = error;
}

static enum ob_err fill(struct opening *o, struct ob_error *error) {
    const struct ob_corpus_options *options = o->options;
    struct ob_corpus *corpus = o->corpus;
    bool keeps = options->cache != NULL && options->report == NULL;
    enum ob_err err = OB_OK;
    if (keeps) {
        open_chat(o, o->encoder.tokenizer);
        err = look_into_cache(o, &corpus->is_cached, error);
    }
    if (err != OB_OK || corpus->is_cached)
        return err;
    struct ob_intake intake = {.path = o->path,
                               .encoder = &o->encoder,
                               .shard = options->shard,
                               .shards = options->shards,
                               .pool = options->pool,
                               .report = options->report,
                               .context = options->context,
                               .progress = options->progress};
    err = ob_intake_rows(&intake, &corpus->store, &corpus->skipped, error);
    if (err == OB_OK && corpus->store.sequences_count == 0)
        err = no_rows(o->path, options, corpus->skipped, error);
    if (err == OB_OK && keeps)
        keep_tokens(o);
    return err;
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
        return ob_fail(error, OB_ENOMEM, "%s: not enough memory for a corpus", path);
    struct opening opening = {.path = path,
                              .options = options,
                              .corpus = corpus,
                              .encoder = {.tokenizer = tokenizer,
                                          .length_max = options->length_max,
                                          .embedding_rows = options->embedding_rows,
                                          .model = options->model,
                                          .chat_template = options->chat_template,
                                          .mutex = PTHREAD_MUTEX_INITIALIZER}};
    err = fill(&opening, error);
    ob_row_encoder_done(&opening.encoder);
    if (err != OB_OK) {
        ob_corpus_free(corpus);
        return err;
    }
    corpus->has_choices = corpus->store.items_count > 0;
    measure(corpus);
    *ret_corpus = corpus;
    return OB_OK;
}

bool ob_corpus_is_cached(const struct ob_corpus *corpus) {
    return corpus->is_cached;
}

const char *ob_corpus_cache_problem(const struct ob_corpus *corpus) {
    return corpus->cache_problem.code == OB_OK ? NULL : corpus->cache_problem.text;
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

bool ob_corpus_draw_more(const struct ob_corpus *corpus, uint64_t seed, uint64_t draw, size_t items,
                         struct ob_batch *batch) {
    struct ob_batch_mark mark = ob_batch_mark(batch);
    size_t all = ob_corpus_items(corpus);
    struct ob_shuffle_batch place = ob_shuffle_batch(all, items, draw);
    for (uint64_t i = 0; i < place.count; i++) {
        uint64_t item = ob_shuffle_item(all, seed, place.epoch, place.first + i);
        if (!ob_corpus_add(corpus, (size_t)item, batch)) {
            ob_batch_rewind(batch, mark);
            return false;
        }
    }
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
