/* samples - samples (row, direction) a second of a run: passes of run/sampler.h over real rows. Prints a JSON object. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/options_help.h"
#include "model/convert/open_tokenizer.h"
#include "model/forward/blas.h"
#include "model/forward/choose.h"
#include "model/forward/products.h"
#include "run/replica.h"
#include "run/sampler.h"

struct arguments {
    const char *manifest, *model, *data, *products, *against;
    int64_t length, rows, rows_per_sample, directions, passes, threads, memory_mb, prefix_mb;
    double epsilon;
    bool one_sided, again;
};

struct bench {
    const struct arguments *a;
    struct ob_manifest *manifest;
    struct ob_replica *replica;
    struct ob_tokenizer *tokenizer;
    struct ob_corpus *corpus;
    struct ob_sampler *sampler;
    struct ob_sampled *samples; /* (a pass) */
    double *g;                  /* (passes, a pass) */
    char measured[OB_CHOICES_TEXT_MAX];
};

static double processor_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

/* Mean losses of a pass of nobody's samples, as a daemon compares them. */
static enum ob_err losses_to_choose_by(void *context, unsigned direction, double ret_losses[2],
                                       struct ob_error *error) {
    struct bench *b = context;
    struct ob_weight_source source = ob_replica_source(b->replica);
    const struct ob_machine_id nobody = {.key = {2, (uint8_t)direction}};
    size_t count = ob_sampler_pass(b->sampler);
    enum ob_err failed =
        ob_sampler_run(b->sampler, &source, &nobody, (struct ob_sample){0}, count, false, b->samples, error);
    ret_losses[0] = ret_losses[1] = 0;
    for (size_t k = 0; k < count && !failed; k++) {
        const struct ob_spsa_sides *losses = &b->samples[k].losses;
        ret_losses[0] += losses->plus / (double)count;
        ret_losses[1] += (b->a->one_sided ? losses->centre : losses->minus) / (double)count;
    }
    return failed;
}

static enum ob_err use_products(struct bench *b, struct ob_error *error) {
    struct ob_forward *forward = ob_sampler_forward(b->sampler);
    struct ob_choices choices;
    if (strcmp(b->a->products, "auto") != 0)
        return ob_forward_use_named(forward, b->a->products, error);
    enum ob_err failed = ob_forward_choose(forward, losses_to_choose_by, b, &choices, error);
    if (!failed)
        (void)ob_choices_text(&choices, b->measured);
    return failed;
}

static enum ob_err open_all(struct bench *b, struct ob_error *error) {
    const struct arguments *a = b->a;
    struct ob_corpus_options rows = {.length_max = (size_t)a->length, .model = a->model};
    enum ob_err failed = ob_manifest_read(a->manifest, &b->manifest, error);
    if (!failed)
        failed = ob_replica_new(b->manifest, a->model, (unsigned)a->threads, NULL, &b->replica, error);
    if (!failed)
        failed = ob_tokenizer_open(a->model, &b->tokenizer, error);
    if (!failed)
        failed = ob_corpus_open(a->data, b->tokenizer, &rows, &b->corpus, error);
    if (failed)
        return failed;
    struct ob_sampler_options options = {.model = &b->replica->model->config,
                                         .pool = b->replica->pool,
                                         .corpus = b->corpus,
                                         .run = b->manifest->run,
                                         .code = b->manifest->rule.code,
                                         .epsilon = a->epsilon > 0 ? (float)a->epsilon : b->manifest->epsilon,
                                         .rows = (size_t)a->rows,
                                         .rows_per_sample = (size_t)a->rows_per_sample,
                                         .directions = (size_t)a->directions,
                                         .one_sided = a->one_sided,
                                         .memory_bytes = (size_t)a->memory_mb << 20};
    if (a->rows % a->rows_per_sample != 0)
        return ob_fail(error, OB_EUSAGE, "--rows must be a multiple of --rows-per-sample");
    failed = ob_sampler_new(&options, &b->sampler, error);
    if (failed)
        return failed;
    b->samples = calloc(ob_sampler_pass(b->sampler), sizeof *b->samples);
    b->g = calloc((size_t)a->passes * ob_sampler_pass(b->sampler), sizeof *b->g);
    if (!b->samples || !b->g)
        return ob_fail(error, OB_ENOMEM, "out of memory");
    failed = use_products(b, error);
    if (!failed && a->prefix_mb > 0)
        failed = ob_forward_keep_prefix(ob_sampler_forward(b->sampler), (size_t)a->prefix_mb << 20, NULL, 0,
                                        error);
    return failed;
}

static enum ob_err run_pass(struct bench *b, int64_t number, struct ob_error *error) {
    struct ob_weight_source source = ob_replica_source(b->replica);
    const struct ob_machine_id machine = {.key = {1}};
    size_t pass = ob_sampler_pass(b->sampler);
    return ob_sampler_run(b->sampler, &source, &machine, (struct ob_sample){(uint64_t)number * pass}, pass,
                          false, b->samples, error);
}

/* The same samples by another way: rms of the differences over rms of its estimates. */
static enum ob_err compare(struct bench *b, double *ret_error, struct ob_error *error) {
    size_t pass = ob_sampler_pass(b->sampler);
    double square = 0, difference = 0;
    enum ob_err failed = ob_forward_use_named(ob_sampler_forward(b->sampler), b->a->against, error);
    for (int64_t i = 1; i <= b->a->passes && !failed; i++) {
        failed = run_pass(b, i, error);
        for (size_t k = 0; k < pass && !failed; k++) {
            double exact = b->samples[k].g, off = b->g[(size_t)(i - 1) * pass + k] - exact;
            square += exact * exact;
            difference += off * off;
        }
    }
    *ret_error = square > 0 ? sqrt(difference / square) : 0.0;
    return failed;
}

static size_t peak_bytes(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (size_t)usage.ru_maxrss << 10;
}

static enum ob_err measure(struct bench *b, struct ob_error *error) {
    size_t pass = ob_sampler_pass(b->sampler), samples = (size_t)b->a->passes * pass;
    double g2 = 0, least = 0;
    enum ob_err failed = run_pass(b, 0, error); /* packs what is packed once */
    for (int64_t i = 1; i <= b->a->passes && b->a->again && !failed; i++)
        failed = run_pass(b, i, error);
    double processor = processor_seconds();
    uint64_t start = ob_now_ns();
    for (int64_t i = 1; i <= b->a->passes && !failed; i++) {
        uint64_t begin = ob_now_ns();
        failed = run_pass(b, i, error);
        double seconds = ob_seconds_since(begin);
        least = i == 1 || seconds < least ? seconds : least;
        for (size_t k = 0; k < pass; k++) {
            b->g[(size_t)(i - 1) * pass + k] = b->samples[k].g;
            g2 += b->samples[k].g * b->samples[k].g;
        }
    }
    if (failed)
        return failed;
    double seconds = ob_seconds_since(start);
    processor = processor_seconds() - processor;
    size_t peak = peak_bytes();
    uint64_t hits = ob_forward_prefix_counters(ob_sampler_forward(b->sampler)).hits;
    const char *way = ob_forward_products(ob_sampler_forward(b->sampler))->name;
    double off = 0;
    if (b->a->against)
        failed = compare(b, &off, error);
    if (failed)
        return failed;
    printf("{\"products\": \"%s\", \"samples_a_pass\": %zu, \"samples\": %zu, \"seconds\": %.4g, "
           "\"samples_a_second\": %.4g, \"best_pass\": %.4g, \"samples_a_processor_second\": %.4g, \"g2\": "
           "%.6g, "
           "\"forward_mb\": %zu, \"frozen_mb\": %zu, \"prefix_hits\": %" PRIu64 ", \"peak_memory_bytes\": "
           "%zu, \"error\": %.4g, \"measured\": \"%s\"}\n",
           way, pass, samples, seconds, (double)samples / seconds, (double)pass / least,
           (double)samples / processor, g2 / (double)samples,
           ob_forward_bytes(ob_sampler_forward(b->sampler)) >> 20,
           ob_forward_frozen_bytes(ob_sampler_forward(b->sampler)) >> 20, hits, peak, off, b->measured);
    return OB_OK;
}

#define AT(member) OB_ARGUMENT(struct arguments, member)
static const struct ob_option OPTIONS[] = {
    {"manifest", "FILE", "the run", AT(manifest), .required = true},
    {"model", "MODEL", "its base model", AT(model), .required = true},
    {"data", "FILE", "rows, JSON Lines", AT(data), .required = true},
    {"length", "N", "tokens of a row at most", AT(length), .low = 2, .high = 8192, .fallback = "96"},
    {"rows", "N", "rows of a pass", AT(rows), .low = 1, .high = 4096, .fallback = "64"},
    {"rows-per-sample", "N", "rows of a sample", AT(rows_per_sample), .low = 1, .high = 4096,
     .fallback = "1"},
    {"directions", "N", "directions of a row", AT(directions), .low = 1, .high = 256, .fallback = "1"},
    {"epsilon", "NUMBER", "half the distance of the two sides; 0: the run's", AT(epsilon), .least = 0,
     .most = 1, .fallback = "0"},
    {"one-sided", NULL, "one loss a direction, and one at the centre", AT(one_sided)},
    {"products", "NAME", "way to multiply, or auto", AT(products), .fallback = "auto"},
    {"prefix-mb", "MB", "memory for states after the frozen layers, as [training] prefix_memory_mb",
     AT(prefix_mb), .low = 0, .high = 1 << 20, .fallback = "256"},
    {"again", NULL, "time passes over rows that were seen before", AT(again)},
    {"against", "NAME", "compare the estimates with those by this way", AT(against)},
    {"passes", "N", "timed passes", AT(passes), .low = 1, .high = 100000, .fallback = "3"},
    {"threads", "N", "threads", AT(threads), .low = 1, .high = 256, .fallback = "2"},
    {"memory-mb", "N", "of activations", AT(memory_mb), .low = 1, .high = 1000000, .fallback = "256"},
};

static const struct ob_command COMMAND = {
    .name = "",
    .summary = "measure samples a second",
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
};

static int complain(const struct ob_error *error) {
    (void)fprintf(stderr, "samples: %s\n", error->text);
    return 1;
}

int main(int argc, char **argv) {
    struct arguments a = {0};
    struct ob_error error = {0};
    enum ob_options_wanted wanted;
    if (ob_options_parse(&COMMAND, argc, argv, &a, &wanted, &error))
        return complain(&error);
    if (wanted != OB_WANTED_RUN) {
        ob_options_help("samples", &COMMAND, stdout);
        return 0;
    }
    if (ob_blas_fix_core(argv, "auto", &error))
        return complain(&error);
    struct bench b = {.a = &a};
    enum ob_err failed = open_all(&b, &error);
    if (!failed)
        failed = measure(&b, &error);
    free(b.g);
    free(b.samples);
    ob_sampler_free(b.sampler);
    ob_corpus_free(b.corpus);
    ob_tokenizer_free(b.tokenizer);
    ob_replica_free(b.replica);
    ob_manifest_free(b.manifest);
    return failed ? complain(&error) : 0;
}
