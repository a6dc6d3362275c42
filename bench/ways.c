/* ways - one sample of a run by every way to multiply, in turn: seconds, processor seconds, memory, and what
 * the way does to an estimate (rms of the difference to float32 over rms of g). Prints a JSON object a way. With --choices
 * N: what `products = auto` chooses N times, and how its choices compare with the fastest of all ways, which take turns. */
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/options_help.h"
#include "model/convert/open_model.h"
#include "model/forward/blas.h"
#include "model/forward/choose.h"
#include "model/forward/forward.h"
#include "model/forward/vector.h"
#include "run/manifest_create.h"
#include "run/replica.h"

#define SEQUENCES_MAX 1024
#define CHOICES_MAX   100
#define TURNS_MAX     1000

struct arguments {
    const char *model, *trainable, *products;
    struct ob_option_list lora_targets;
    int64_t batch, length, repeats, samples, lora_rank, threads, targets, prefix_mb, choices;
    double epsilon;
    bool own, no_auto;
};

struct ways {
    int64_t batch, length, repeats, samples, lora_rank, threads, targets, prefix_mb, choices;
    double epsilon;
    const char *trainable;
    const struct ob_option_list *lora_targets;
    bool own;
    struct ob_manifest *manifest;
    struct ob_replica *replica;
    struct ob_batch *batch_of_rows;
    double *exact; /* (samples) g by float32 */
};

static enum ob_err open_run(struct ways *w, const char *folder, struct ob_error *error) {
    struct ob_manifest_options options = ob_manifest_defaults();
    static const char *const TARGETS[] = {"attention", "mlp"};
    char path[] = "/tmp/onebyte-ways-XXXXXX", file[64];
    struct ob_model *model = NULL;
    memset(options.authority.key, 1, OB_KEY_BYTES);
    options.lora_rank = (uint32_t)w->lora_rank;
    options.lora_alpha = 2.0 * (double)w->lora_rank;
    options.lora_targets = w->lora_targets->count > 0 ? w->lora_targets->values : TARGETS;
    options.lora_target_count = w->lora_targets->count > 0 ? w->lora_targets->count : 2;
    options.rounds = 10;
    if (w->trainable) {
        options.trainable = &w->trainable;
        options.trainable_count = 1;
    }
    if (!mkdtemp(path))
        return ob_fail(error, OB_EIO, "%s: cannot be created", path);
    (void)snprintf(file, sizeof file, "%s/run.json", path);
    enum ob_err failed = ob_model_open(folder, &model, error);
    if (!failed)
        failed = ob_manifest_create(model, &options, file, error);
    ob_model_free(model);
    if (!failed)
        failed = ob_manifest_read(file, &w->manifest, error);
    (void)unlink(file);
    (void)rmdir(path);
    if (!failed)
        failed = ob_replica_new(w->manifest, folder, (unsigned)w->threads, NULL, &w->replica, error);
    return failed;
}

static bool fill_batch(struct ways *w) {
    uint32_t state = 1, vocabulary = w->replica->model->config.vocabulary;
    for (int64_t s = 0; s < w->batch; s++) {
        int32_t tokens[8192];
        for (int64_t i = 0; i < w->length; i++) {
            state = state * 1664525u + 1013904223u;
            tokens[i] = (int32_t)((state >> 8) % vocabulary);
        }
        size_t first = w->targets ? (size_t)(w->length - w->targets) : 1;
        if (!ob_batch_add(w->batch_of_rows, tokens, (size_t)w->length, first))
            return false;
    }
    return true;
}

static double processor_seconds(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

/* The estimate of sample number `number`; with --own the sum of one for each sequence. */
static enum ob_err estimate(struct ways *w, struct ob_forward *forward, uint8_t number, double *ret_g,
                            struct ob_error *error) {
    static struct ob_spsa_key keys[SEQUENCES_MAX];
    static struct ob_forward_part parts[SEQUENCES_MAX];
    static double sums[2 * SEQUENCES_MAX];
    static uint32_t counts[2 * SEQUENCES_MAX];
    struct ob_weight_source source = ob_replica_source(w->replica);
    double losses[2];
    source.key = keys;
    source.epsilon = (float)w->epsilon;
    memset(keys, 0, sizeof keys);
    for (int64_t s = 0; s < w->batch; s++) {
        memcpy(keys[s].bytes, &s, sizeof s);
        keys[s].bytes[31] = number;
        parts[s] = (struct ob_forward_part){.key = &keys[s], .first_sequence = (size_t)s, .sequences = 1};
    }
    enum ob_err failed = w->own ? ob_forward_parts(forward, &source, w->batch_of_rows, parts,
                                                   (size_t)w->batch, sums, counts, error)
                                : ob_forward_losses(forward, &source, w->batch_of_rows, losses, error);
    *ret_g = 0;
    for (int64_t s = 0; w->own && s < w->batch; s++)
        *ret_g += (sums[2 * s] - sums[2 * s + 1]) / counts[2 * s] / (2 * w->epsilon);
    if (!w->own)
        *ret_g = (losses[0] - losses[1]) / (2 * w->epsilon);
    return failed;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static long status_kib(const char *key) {
    char line[256];
    long value = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0)
            value = strtol(line + strlen(key) + 1, NULL, 10);
    if (file)
        (void)fclose(file);
    return value;
}

struct choosing {
    struct ways *ways;
    struct ob_forward *forward;
};

/* `losses` of which only the difference matters. */
static enum ob_err estimate_to_choose(void *context, unsigned direction, double ret_losses[2],
                                      struct ob_error *error) {
    struct choosing *c = context;
    ret_losses[1] = 0;
    return estimate(c->ways, c->forward, (uint8_t)direction, &ret_losses[0], error);
}

/* way NULL: whichever `products = auto` chooses. */
static enum ob_err use(struct ways *w, struct ob_forward *forward, const struct ob_products *way,
                       struct ob_error *error) {
    struct choosing choosing = {.ways = w, .forward = forward};
    struct ob_choices choices;
    char text[OB_CHOICES_TEXT_MAX];
    ob_forward_use_loops(forward, ob_vector_best());
    enum ob_err failed = way ? ob_forward_use(forward, way, error)
                             : ob_forward_choose(forward, estimate_to_choose, &choosing, &choices, error);
    if (!failed && !way)
        printf("{\"auto\": \"%s\"}\n", ob_choices_text(&choices, text));
    if (!failed && w->prefix_mb > 0)
        failed = ob_forward_keep_prefix(forward, (size_t)w->prefix_mb << 20, NULL, 0, error);
    return failed;
}

static enum ob_err measure(struct ways *w, const struct ob_products *way, struct ob_error *error) {
    struct ob_forward *forward = NULL;
    size_t tokens = (size_t)(w->batch * w->length);
    double *seconds = calloc((size_t)w->repeats, sizeof *seconds), g, square = 0, difference = 0;
    enum ob_err failed = seconds ? ob_forward_new(&w->replica->model->config, tokens, (size_t)w->batch,
                                                  w->replica->pool, &forward, error)
                                 : ob_fail(error, OB_ENOMEM, "out of memory");
    if (!failed)
        failed = use(w, forward, way, error);
    uint64_t start = ob_now_ns();
    if (!failed)
        failed = estimate(w, forward, 0, &g, error);
    double first = ob_seconds_since(start), processor = processor_seconds();
    for (int64_t i = 0; i < w->repeats && !failed; i++) {
        start = ob_now_ns();
        failed = estimate(w, forward, (uint8_t)i, &g, error);
        seconds[i] = ob_seconds_since(start);
    }
    processor = (processor_seconds() - processor) / (double)w->repeats;
    for (int64_t i = 0; i < w->samples && !failed; i++) {
        failed = estimate(w, forward, (uint8_t)i, &g, error);
        if (way == ob_products_at(0))
            w->exact[i] = g;
        square += w->exact[i] * w->exact[i];
        difference += (g - w->exact[i]) * (g - w->exact[i]);
    }
    if (!failed) {
        qsort(seconds, (size_t)w->repeats, sizeof *seconds, by_size);
        printf("{\"products\": \"%s\", \"seconds_least\": %.4g, \"seconds_median\": %.4g, "
               "\"processor_seconds\": %.4g, "
               "\"first_seconds\": %.4g, \"activation_mb\": %zu, \"frozen_mb\": %zu, \"rss_anon_mb\": %ld, "
               "\"rss_file_mb\": "
               "%ld, \"error\": %.4g}\n",
               ob_forward_products(forward)->name, seconds[0], seconds[w->repeats / 2], processor, first,
               ob_forward_bytes(forward) >> 20, ob_forward_frozen_bytes(forward) >> 20,
               status_kib("RssAnon:") >> 10, status_kib("RssFile:") >> 10,
               square > 0 ? sqrt(difference / square) : 0.0);
        (void)fflush(stdout);
    }
    ob_forward_free(forward);
    free(seconds);
    return failed;
}

/* ---- choices ---- */

struct turns {
    const struct ob_products *way;
    double seconds[TURNS_MAX];
};

static enum ob_err choose_often(struct ways *w, struct ob_forward *forward,
                                const struct ob_products **ret_chosen, double *ret_seconds,
                                struct ob_error *error) {
    struct choosing choosing = {.ways = w, .forward = forward};
    char text[OB_CHOICES_TEXT_MAX];
    enum ob_err failed = OB_OK;
    for (int64_t i = 0; i < w->choices && !failed; i++) {
        struct ob_choices choices;
        uint64_t start = ob_now_ns();
        failed = ob_forward_choose(forward, estimate_to_choose, &choosing, &choices, error);
        ret_seconds[i] = ob_seconds_since(start);
        if (!failed) {
            ret_chosen[i] = choices.list[choices.chosen].products;
            fprintf(stderr, "%.2f s: %s\n", ret_seconds[i], ob_choices_text(&choices, text));
        }
    }
    return failed;
}

/* Whole samples by every way, in turn; the first one of each is not timed. */
static enum ob_err take_turns(struct ways *w, struct ob_forward *forward, struct turns *list, size_t count,
                              struct ob_error *error) {
    enum ob_err failed = OB_OK;
    double g;
    ob_forward_keep_ways(forward, true);
    for (int64_t turn = -1; turn < w->repeats && !failed; turn++)
        for (size_t i = 0; i < count && !failed; i++) {
            failed = ob_forward_use(forward, list[i].way, error);
            uint64_t start = ob_now_ns();
            if (!failed)
                failed = estimate(w, forward, (uint8_t)(turn + 1), &g, error);
            if (turn >= 0)
                list[i].seconds[turn] = ob_seconds_since(start);
        }
    for (size_t i = 0; i < count; i++)
        qsort(list[i].seconds, (size_t)w->repeats, sizeof(double), by_size);
    return failed;
}

static void print_choices(const struct ways *w, const struct turns *list, size_t count,
                          const struct ob_products *const *chosen, double *seconds) {
    size_t best = 0, middle = (size_t)w->repeats / 2;
    double worst = 0, sum = 0;
    for (size_t i = 1; i < count; i++)
        best = list[i].seconds[middle] < list[best].seconds[middle] ? i : best;
    printf("{\"ways\": {");
    for (size_t i = 0; i < count; i++) {
        double ratio = list[i].seconds[middle] / list[best].seconds[middle];
        int64_t times = 0;
        for (int64_t k = 0; k < w->choices; k++)
            times += chosen[k] == list[i].way;
        printf("%s\"%s\": {\"least\": %.4g, \"median\": %.4g, \"over_best\": %.3f, \"chosen\": %" PRId64 "}",
               i > 0 ? ", " : "", list[i].way->name, list[i].seconds[0], list[i].seconds[middle], ratio,
               times);
        sum += ratio * (double)times;
        worst = times > 0 && ratio > worst ? ratio : worst;
    }
    qsort(seconds, (size_t)w->choices, sizeof *seconds, by_size);
    printf(
        "}, \"chosen_over_best_mean\": %.3f, \"chosen_over_best_worst\": %.3f, \"choosing_seconds\": %.3g}\n",
        sum / (double)w->choices, worst, seconds[w->choices / 2]);
}

static enum ob_err compare_choices(struct ways *w, struct ob_error *error) {
    static struct turns list[OB_CHOICES_MAX];
    const struct ob_products *chosen[CHOICES_MAX], *way;
    double seconds[CHOICES_MAX];
    struct ob_forward *forward = NULL;
    size_t count = 0;
    for (size_t i = 0; (way = ob_products_at(i)) && count < OB_CHOICES_MAX; i++)
        if (ob_products_available(way, NULL))
            list[count++].way = way;
    enum ob_err failed = ob_forward_new(&w->replica->model->config, (size_t)(w->batch * w->length),
                                        (size_t)w->batch, w->replica->pool, &forward, error);
    if (!failed)
        failed = choose_often(w, forward, chosen, seconds, error);
    if (!failed)
        failed = take_turns(w, forward, list, count, error);
    if (!failed)
        print_choices(w, list, count, chosen, seconds);
    ob_forward_free(forward);
    return failed;
}

#define AT(member) OB_ARGUMENT(struct arguments, member)
static const struct ob_option OPTIONS[] = {
    {"model", "MODEL", "base model", AT(model), .required = true},
    {"products", "NAME", "this way alone (and float32, when samples are compared)", AT(products)},
    {"batch", "N", "sequences", AT(batch), .low = 1, .high = SEQUENCES_MAX, .fallback = "16"},
    {"length", "N", "tokens of a sequence", AT(length), .low = 2, .high = 8192, .fallback = "64"},
    {"targets", "N", "of a sequence, its last tokens; 0: all", AT(targets), .low = 0, .high = 8191,
     .fallback = "0"},
    {"repeats", "N", "timed samples", AT(repeats), .low = 1, .high = 1000, .fallback = "5"},
    {"samples", "N", "samples whose estimates are compared", AT(samples), .low = 0, .high = 255,
     .fallback = "0"},
    {"lora-rank", "N", "rank of the adapters; 0: none", AT(lora_rank), .low = 0, .high = 256,
     .fallback = "0"},
    {"lora-target", "PATTERN", "matrices with adapters; default: attention and mlp", AT(lora_targets)},
    {"prefix-mb", "MB", "memory for states after the frozen layers; 0: they are computed each time",
     AT(prefix_mb), .low = 0, .high = 1 << 20, .fallback = "0"},
    {"choices", "N", "choices of products = auto, compared with all ways in turn", AT(choices), .low = 0,
     .high = CHOICES_MAX, .fallback = "0"},
    {"trainable", "PATTERN", "what is trained", AT(trainable)},
    {"epsilon", "NUMBER", "half the distance of the two sides", AT(epsilon), .least = 1e-6, .most = 1,
     .fallback = "1e-3"},
    {"no-auto", NULL, "what auto chooses is not measured", AT(no_auto)},
    {"own", NULL, "each sequence has a direction of its own", AT(own)},
    {"threads", "N", "threads", AT(threads), .low = 1, .high = 256, .fallback = "2"},
};

static const struct ob_command COMMAND = {
    .name = "",
    .summary = "measure one sample by every way to multiply",
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
};

static int complain(const struct ob_error *error) {
    fprintf(stderr, "ways: %s\n", error->text);
    return error->code == OB_EUSAGE ? 2 : 1;
}

static enum ob_err run(struct ways *w, const struct arguments *a, struct ob_error *error) {
    enum ob_err failed = open_run(w, a->model, error);
    if (!failed)
        failed = ob_batch_new((size_t)w->batch, (size_t)(w->batch * w->length), &w->batch_of_rows, error);
    if (!failed && !fill_batch(w))
        failed = ob_fail(error, OB_ETOOBIG, "the mini-batch does not fit");
    if (!failed && w->choices > 0)
        return compare_choices(w, error);
    const struct ob_products *way;
    for (size_t i = 0; (way = ob_products_at(i)) && !failed; i++) {
        bool wanted = !a->products || strcmp(a->products, way->name) == 0 || (i == 0 && w->samples > 0);
        if (wanted && ob_products_available(way, NULL))
            failed = measure(w, way, error);
    }
    if (!failed && !a->no_auto && (!a->products || strcmp(a->products, "auto") == 0))
        failed = measure(w, NULL, error);
    return failed;
}

int main(int argc, char **argv) {
    struct arguments a = {0};
    struct ob_error error = {0};
    enum ob_options_wanted wanted;
    if (ob_options_parse(&COMMAND, argc, argv, &a, &wanted, &error))
        return complain(&error);
    if (wanted != OB_WANTED_RUN) {
        ob_options_help("ways", &COMMAND, stdout);
        return 0;
    }
    if (ob_blas_fix_core(argv, "auto", &error))
        return complain(&error);
    struct ways w = {.batch = a.batch,
                     .length = a.length,
                     .repeats = a.repeats,
                     .samples = a.samples,
                     .lora_rank = a.lora_rank,
                     .threads = a.threads,
                     .targets = a.targets,
                     .trainable = a.trainable,
                     .prefix_mb = a.prefix_mb,
                     .lora_targets = &a.lora_targets,
                     .own = a.own,
                     .choices = a.choices,
                     .epsilon = a.epsilon,
                     .exact = calloc((size_t)a.samples + 1, sizeof(double))};
    enum ob_err failed = w.exact ? run(&w, &a, &error) : ob_fail(&error, OB_ENOMEM, "out of memory");
    ob_batch_free(w.batch_of_rows);
    ob_replica_free(w.replica);
    ob_manifest_free(w.manifest);
    free(w.exact);
    return failed ? complain(&error) : 0;
}
