#include "run/sampler.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/limits.h"
#include "model/data/loss.h"
#include "model/data/shuffle.h"

/* What goes through the model at once: [first, first + count) of the samples that were asked for. */
struct pack {
    size_t first, count;
};

/* A sample's rows among the items of the batch. */
struct place {
    size_t first_item, items;
};

struct ob_sampler {
    struct ob_sampler_options o;
    size_t pass;         /* samples of a pass */
    size_t samples_max;  /* of a pack */
    size_t batch_tokens; /* of its rows */
    struct ob_forward *forward;
    struct ob_batch *batch;
    struct ob_task task;
    struct ob_spsa_key *keys;    /* (samples_max) */
    struct place *places;        /* (samples_max) */
    struct ob_task_part *parts;  /* (samples_max + 1) */
    struct ob_item_loss *losses; /* (2 · items of the samples + items of the pack) */
    struct ob_spsa_sides *sides; /* (pass) */
    double *g;                   /* (pass) */
};

/* ---- sizes ---- */

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

/* Passes of a row through the model. */
static size_t lanes(const struct ob_sampler_options *o) {
    return o->one_sided ? o->directions + 1 : 2 * o->directions;
}

/* Tokens that the forward pass is made for (it takes twice as many rows): as many as the memory allows, from one
 * sample to a whole pass. */
static size_t forward_tokens(const struct ob_sampler_options *o, size_t sequences) {
    size_t row = ob_corpus_item_tokens(o->corpus), least = o->rows_per_sample * row;
    size_t tokens = larger(least, (o->rows * row * lanes(o) + 1) / 2);
    while (tokens > least && ob_forward_bytes_for(o->model, tokens, sequences, o->pool) > o->memory_bytes)
        tokens = larger(least, tokens / 8 * 7);
    return tokens;
}

static enum ob_err open_buffers(struct ob_sampler *s, struct ob_error *error) {
    const struct ob_sampler_options *o = &s->o;
    size_t row_sequences = ob_corpus_item_sequences(o->corpus), sides = o->one_sided ? 1 : 2;
    s->samples_max = smaller(s->pass, (OB_VIEWS_MAX - 1) / sides);
    size_t rows = smaller(o->rows, s->samples_max * o->rows_per_sample);
    size_t sequences = rows * row_sequences;
    /* of all parts: the samples', and the centre's */
    size_t all = s->samples_max * o->rows_per_sample * row_sequences + sequences;
    size_t tokens = forward_tokens(o, larger(sequences, s->samples_max + 1));
    s->batch_tokens = larger(o->rows_per_sample * ob_corpus_item_tokens(o->corpus), 2 * tokens / lanes(o));
    enum ob_err failed =
        ob_forward_new(o->model, tokens, larger(sequences, s->samples_max + 1), o->pool, &s->forward, error);
    if (!failed)
        failed = ob_batch_new(sequences, smaller(s->batch_tokens, tokens), &s->batch, error);
    if (!failed)
        failed = ob_task_init(&s->task, all, error);
    if (failed)
        return failed;
    s->keys = calloc(s->samples_max, sizeof *s->keys);
    s->places = calloc(s->samples_max, sizeof *s->places);
    s->parts = calloc(s->samples_max + 1, sizeof *s->parts);
    s->losses = calloc(2 * all, sizeof *s->losses);
    s->sides = calloc(s->pass, sizeof *s->sides);
    s->g = calloc(s->pass, sizeof *s->g);
    return s->keys && s->places && s->parts && s->losses && s->sides && s->g
               ? OB_OK
               : ob_fail(error, OB_ENOMEM, "not enough memory for passes of %zu samples", s->pass);
}

enum ob_err ob_sampler_new(const struct ob_sampler_options *options, struct ob_sampler **ret_sampler,
                           struct ob_error *error) {
    assert(options->rows_per_sample > 0 && options->directions > 0 && options->rows > 0);
    assert(options->rows % options->rows_per_sample == 0 && options->epsilon > 0);
    struct ob_sampler *sampler = calloc(1, sizeof *sampler);
    if (!sampler)
        return ob_fail(error, OB_ENOMEM, "not enough memory to evaluate samples");
    sampler->o = *options;
    sampler->pass = options->rows / options->rows_per_sample * options->directions;
    enum ob_err failed = open_buffers(sampler, error);
    if (failed) {
        ob_sampler_free(sampler);
        return failed;
    }
    *ret_sampler = sampler;
    return OB_OK;
}

void ob_sampler_free(struct ob_sampler *sampler) {
    if (!sampler)
        return;
    free(sampler->g);
    free(sampler->sides);
    free(sampler->losses);
    free(sampler->parts);
    free(sampler->places);
    free(sampler->keys);
    ob_task_done(&sampler->task);
    ob_batch_free(sampler->batch);
    ob_forward_free(sampler->forward);
    free(sampler);
}

struct ob_forward *ob_sampler_forward(struct ob_sampler *sampler) {
    return sampler->forward;
}

size_t ob_sampler_pass(const struct ob_sampler *sampler) {
    return sampler->pass;
}

/* ---- a pack ---- */

struct walk {
    const struct ob_machine_id *machine;
    uint64_t seed;
    struct ob_sample first;
};

static size_t items_of(const struct ob_sampler *s) {
    return ob_corpus_has_choices(s->o.corpus) ? s->batch->groups : s->batch->sequences;
}

/* The rows of as many samples from number `from` as fit; the first always does. */
static struct pack fill(struct ob_sampler *s, const struct walk *walk, size_t from, size_t count) {
    const struct ob_sampler_options *o = &s->o;
    struct pack pack = {.first = from};
    struct place place = {0};
    uint64_t drawn = UINT64_MAX;
    ob_batch_clear(s->batch);
    for (size_t k = from; k < count && pack.count < s->samples_max; k++) {
        struct ob_sample sample = {walk->first.index + k};
        uint64_t draw = sample.index / o->directions;
        if (draw != drawn) {
            place.first_item = items_of(s);
            if (!ob_corpus_draw_more(o->corpus, walk->seed, draw, o->rows_per_sample, s->batch))
                break;
            place.items = items_of(s) - place.first_item;
            drawn = draw;
        }
        s->keys[pack.count] = ob_spsa_direction_key(&o->run, walk->machine, sample);
        s->places[pack.count++] = place;
    }
    assert(pack.count > 0);
    return pack;
}

/* Which losses are evaluated. */
struct wanted {
    bool one_sided, centre;
};

/* From the items' losses to those of the samples. */
static void fold(struct ob_sampler *s, const struct pack *pack, const struct wanted *wanted) {
    const struct ob_item_loss *at = s->losses, *middle = s->losses;
    for (size_t k = 0; k < pack->count; k++)
        middle += ob_task_part_sides(&s->parts[k]) * s->places[k].items;
    for (size_t k = 0; k < pack->count; k++) {
        const struct place *place = &s->places[k];
        struct ob_spsa_sides *sides = &s->sides[pack->first + k];
        *sides = (struct ob_spsa_sides){.plus = ob_item_losses_mean(at, place->items)};
        at += place->items;
        if (!wanted->one_sided) {
            sides->minus = ob_item_losses_mean(at, place->items);
            at += place->items;
        }
        if (wanted->centre)
            sides->centre = ob_item_losses_mean(middle + place->first_item, place->items);
    }
}

static enum ob_err evaluate(struct ob_sampler *s, const struct ob_weight_source *source,
                            const struct pack *pack, const struct wanted *wanted, struct ob_error *error) {
    size_t parts = 0;
    for (; parts < pack->count; parts++)
        s->parts[parts] = (struct ob_task_part){.key = &s->keys[parts],
                                                .one_sided = wanted->one_sided,
                                                .first_item = s->places[parts].first_item,
                                                .items = s->places[parts].items};
    if (wanted->centre)
        s->parts[parts++] = (struct ob_task_part){.items = items_of(s)};
    enum ob_err failed =
        ob_task_part_losses(&s->task, s->forward, source, s->batch, s->parts, parts, s->losses, error);
    if (!failed)
        fold(s, pack, wanted);
    return failed;
}

enum ob_err ob_sampler_run(struct ob_sampler *sampler, const struct ob_weight_source *source,
                           const struct ob_machine_id *machine, struct ob_sample first, size_t count,
                           bool measure, struct ob_sampled *ret_samples, struct ob_error *error) {
    const struct ob_sampler_options *o = &sampler->o;
    struct ob_weight_source here = *source;
    struct walk walk = {.machine = machine,
                        .seed = ob_shuffle_seed(o->seed, machine->key, sizeof machine->key),
                        .first = first};
    assert(count > 0 && count <= sampler->pass);
    here.epsilon = o->epsilon;
    const struct wanted wanted = {.one_sided = o->one_sided && !measure, .centre = o->one_sided || measure};
    for (size_t done = 0; done < count;) {
        struct pack pack = fill(sampler, &walk, done, count);
        enum ob_err failed = evaluate(sampler, &here, &pack, &wanted, error);
        if (failed)
            return failed;
        done += pack.count;
    }
    (wanted.one_sided ? ob_spsa_one_sided : ob_spsa_two_sided)(sampler->sides, count, (double)o->epsilon,
                                                               sampler->g);
    for (size_t k = 0; k < count; k++) {
        struct ob_sample sample = {first.index + k};
        struct ob_spsa_key key = ob_spsa_direction_key(&o->run, machine, sample);
        const struct ob_spsa_sides *sides = &sampler->sides[k];
        struct ob_sampled *to = &ret_samples[k];
        *to = (struct ob_sampled){.losses = *sides, .g = sampler->g[k]};
        to->loss = wanted.centre ? sides->centre : 0.5 * (sides->plus + sides->minus);
        to->byte = ob_spsa_publish(&key, &o->code, o->exponent, &o->privacy, &to->g);
    }
    return OB_OK;
}
