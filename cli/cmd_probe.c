/* probe: how large a learning rate the run's base model bears on given rows, before anybody trains
 *
 *   C = mean over samples of (L(w + εσz) + L(w − εσz) − 2 L(w)) / ε²,   rate = kappa / C
 *
 * C is the curvature that a step along a random direction meets. Where the steps are so small that it drowns
 * in the losses' rounding (adapters at their start, most of all), it is measured again with steps 4, 16 and
 * 64 times as wide. The stable window of the rate is narrow (two to four times its width) and differs by
 * orders of magnitude between models, scales and sets of trained tensors; kappa hardly does: with a decaying
 * schedule the best was between 0.1 (12,000 samples) and 0.35 (4,096) on the models that were tried
 * (docs/performance.md). A constant rate wants about half. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/command.h"
#include "cli/evaluate.h"
#include "model/data/corpus.h"
#include "model/data/loss.h"
#include "model/formats/json_value.h"
#include "run/replica.h"
#include "spsa/probe.h"

#define KAPPA          0.2
#define KAPPA_ADAPTERS 0.03
#define CONSTANT       0.5 /* of a decaying schedule's peak */
#define WIDEN          4
#define WIDEN_MAX      64
#define BYTE_ERROR     0.035 /* of stochastic rounding between codes 2^(1/8) apart, relative */

struct arguments {
    const char *manifest, *model, *data, *chat_template;
    int64_t batch, length, samples;
    bool bfloat16, json;
};

#define AT(member) OB_ARGUMENT(struct arguments, member)

static const struct ob_option OPTIONS[] = {
    OB_OPTION_MANIFEST(struct arguments),
    OB_OPTION_MODEL(struct arguments, "base model"),
    {"data", "FILE", "rows to train on, JSON Lines", AT(data), .required = true},
    {"samples", "N", "directions to measure, three forward passes each", AT(samples), .low = 2,
     .high = 100000, .fallback = "32"},
    OB_OPTION_BATCH(struct arguments),
    {"length", "N", "longest row in tokens; longer ones are cut", AT(length), .low = 2, .high = OB_LENGTH_MAX,
     .fallback = "128"},
    OB_OPTION_CHAT_TEMPLATE(struct arguments),
    {"bfloat16", NULL,
     "also measure each sample with bfloat16 products: its time, and how far the estimates are from those in "
     "float32 (what [training] products = bfloat16 does to this run)",
     AT(bfloat16)},
    OB_OPTION_JSON(struct arguments),
};

struct probing {
    struct ob_manifest *manifest;
    struct ob_replica *replica;
    struct ob_tokenizer *tokenizer;
    struct ob_corpus *corpus;
    struct ob_forward *forward;
    struct ob_batch *batch;
    struct ob_task task;
    struct ob_forward *half; /* the same with products in bfloat16, when they are to be compared; NULL */
    int64_t batch_size, samples;
    double epsilon; /* that is measured with */
};

struct finding {
    double loss, curvature, curvature_error, estimate_rms, sample_seconds;
    double half_seconds, half_error; /* rms of the estimates' differences over estimate_rms */
};

/* The losses of one mini-batch: at w, at both ends of a direction of nobody's, and there with products in
 * bfloat16. */
static enum ob_err measure(struct probing *p, uint64_t number, double ret_losses[5], struct finding *sum,
                           struct ob_error *error) {
    struct ob_weight_source source = ob_replica_source(p->replica);
    struct ob_machine_id nobody = {{0}};
    struct ob_spsa_key key = ob_spsa_direction_key(&p->manifest->run, &nobody, (struct ob_sample){number});
    ob_corpus_draw(p->corpus, 0, number, (size_t)p->batch_size, p->batch);
    enum ob_err failed = ob_task_losses(&p->task, p->forward, &source, p->batch, ret_losses, error);
    if (failed)
        return failed;
    source.key = &key;
    source.epsilon = (float)p->epsilon;
    uint64_t start = ob_now_ns();
    failed = ob_task_losses(&p->task, p->forward, &source, p->batch, ret_losses + 1, error);
    sum->sample_seconds += ob_seconds_since(start);
    if (failed || !p->half)
        return failed;
    start = ob_now_ns();
    failed = ob_task_losses(&p->task, p->half, &source, p->batch, ret_losses + 3, error);
    sum->half_seconds += ob_seconds_since(start);
    return failed;
}

static enum ob_err find(struct probing *p, struct finding *ret_finding, struct ob_error *error) {
    struct finding sum = {0};
    double squares = 0, epsilon = p->epsilon, count = (double)p->samples;
    for (int64_t i = 0; i < p->samples; i++) {
        double losses[5] = {0};
        enum ob_err failed = measure(p, (uint64_t)i, losses, &sum, error);
        if (failed)
            return failed;
        double curvature = (losses[1] + losses[2] - 2 * losses[0]) / (epsilon * epsilon);
        double estimate = (losses[1] - losses[2]) / (2 * epsilon);
        if (!isfinite(curvature))
            return ob_fail(error, OB_ENOTFINITE, "the base model's loss on these rows is not finite");
        sum.loss += losses[0];
        sum.curvature += curvature;
        squares += curvature * curvature;
        sum.estimate_rms += estimate * estimate;
        double difference = (losses[3] - losses[4]) / (2 * epsilon) - estimate;
        sum.half_error += difference * difference;
    }
    double mean = sum.curvature / count, variance = squares / count - mean * mean;
    *ret_finding = (struct finding){.loss = sum.loss / count,
                                    .curvature = mean,
                                    .curvature_error = sqrt(fmax(variance, 0) / (count - 1)),
                                    .estimate_rms = sqrt(sum.estimate_rms / count),
                                    .sample_seconds = sum.sample_seconds / count,
                                    .half_seconds = sum.half_seconds / count,
                                    .half_error = sqrt(sum.half_error / sum.estimate_rms)};
    return OB_OK;
}

static bool is_sure(const struct finding *f) {
    return f->curvature > 2 * f->curvature_error;
}

/* With wider steps while the curvature is lost in its error. */
static enum ob_err find_surely(struct probing *p, struct finding *ret_finding, struct ob_error *error) {
    double epsilon = (double)p->manifest->epsilon;
    enum ob_err failed = OB_OK;
    for (int wider = 1; wider <= WIDEN_MAX; wider *= WIDEN) {
        p->epsilon = epsilon * wider;
        struct finding before = *ret_finding;
        failed = find(p, ret_finding, error);
        if (wider > 1) { /* products in bfloat16 are judged by the run's own steps */
            ret_finding->half_error = before.half_error;
            ret_finding->half_seconds = before.half_seconds;
        }
        if (failed || is_sure(ret_finding))
            break;
    }
    return failed;
}

static enum ob_err open_all(struct probing *p, const struct arguments *a, struct ob_error *error) {
    enum ob_err failed = ob_manifest_read(a->manifest, &p->manifest, error);
    if (!failed)
        failed = ob_replica_new(p->manifest, a->model, 0, &p->replica, error);
    if (failed)
        return failed;
    struct ob_cli_rows rows = {.model = a->model,
                               .config = &p->replica->model->config,
                               .data = a->data,
                               .chat_template = a->chat_template,
                               .length = a->length};
    failed = ob_cli_open_rows(&rows, &p->tokenizer, &p->corpus, error);
    if (failed)
        return failed;
    size_t sequences = (size_t)p->batch_size * ob_corpus_item_sequences(p->corpus);
    size_t tokens = (size_t)p->batch_size * ob_corpus_item_tokens(p->corpus);
    failed = ob_task_init(&p->task, sequences, error);
    if (!failed)
        failed = ob_forward_new(&p->replica->model->config, tokens, sequences, p->replica->pool, &p->forward,
                                error);
    if (!failed)
        failed = ob_batch_new(sequences, tokens, &p->batch, error);
    if (!failed && a->bfloat16)
        failed =
            ob_forward_new(&p->replica->model->config, tokens, sequences, p->replica->pool, &p->half, error);
    return failed || !p->half ? failed : ob_forward_use_bf16(p->half, error);
}

static void close_all(struct probing *p) {
    ob_batch_free(p->batch);
    ob_task_done(&p->task);
    ob_forward_free(p->half);
    ob_forward_free(p->forward);
    ob_corpus_free(p->corpus);
    ob_tokenizer_free(p->tokenizer);
    ob_replica_free(p->replica);
    ob_manifest_free(p->manifest);
}

static double peak_rate(const struct ob_manifest *manifest) {
    uint64_t peak = 0;
    for (size_t i = 0; i < manifest->rule.rate_count; i++)
        peak = manifest->rule.rates[i] > peak ? manifest->rule.rates[i] : peak;
    return ldexp((double)peak, -48);
}

static void print_json(const struct probing *p, const struct finding *f, double decay) {
    json_t *root = json_object();
    const struct {
        const char *name;
        double value;
    } REALS[] = {{"epsilon", p->epsilon},
                 {"loss", f->loss},
                 {"curvature", f->curvature},
                 {"curvature_error", f->curvature_error},
                 {"estimate_rms", f->estimate_rms},
                 {"sample_seconds", f->sample_seconds},
                 {"rate_of_run", peak_rate(p->manifest)},
                 {"rate_decay", decay},
                 {"rate_constant", CONSTANT * decay},
                 {"bfloat16_sample_seconds", f->half_seconds},
                 {"bfloat16_error", f->half_error}};
    size_t count = sizeof REALS / sizeof *REALS - (p->half ? 0 : 2);
    bool good = ob_json_set(root, "samples", json_integer(p->samples));
    for (size_t i = 0; i < count; i++)
        good = ob_json_set(root, REALS[i].name, ob_json_real(REALS[i].value)) && good;
    (void)ob_json_print(root, stdout);
}

static void print_text(const struct probing *p, const struct finding *f, double decay) {
    printf(
        "loss %.4f, |g| %.3g (rms), curvature %.4g ± %.2g over %lld samples of epsilon %.3g, %.3g s each\n",
        f->loss, f->estimate_rms, f->curvature, f->curvature_error, (long long)p->samples, p->epsilon,
        f->sample_seconds);
    if (p->half)
        printf("bfloat16 products: %.3g s each; the estimates differ by %.2g of |g| (rms; the rounding of "
               "the byte "
               "alone is %.2g)\n",
               f->half_seconds, f->half_error, BYTE_ERROR);
    if (!is_sure(f))
        puts("the curvature estimate is mostly noise; use more --samples");
    else
        printf(
            "this run's peak rate is %.3g; suggested for a run like it: --lr %.2g with a decaying schedule, "
            "%.2g with a constant one\n",
            peak_rate(p->manifest), decay, CONSTANT * decay);
}

static int report(const struct probing *p, const struct finding *f, bool json) {
    double kappa = p->manifest->lora_rank ? KAPPA_ADAPTERS : KAPPA;
    (json ? print_json : print_text)(p, f, is_sure(f) ? kappa / f->curvature : 0);
    return is_sure(f) ? OB_EXIT_DONE : OB_EXIT_CHECK;
}

static int probe(const void *arguments) {
    const struct arguments *a = arguments;
    struct probing probing = {.batch_size = a->batch, .samples = a->samples};
    struct finding finding = {0};
    struct ob_error error = {0};
    enum ob_err failed = open_all(&probing, a, &error);
    if (!failed)
        failed = find_surely(&probing, &finding, &error);
    int status = failed ? ob_cli_fail(&error) : report(&probing, &finding, a->json);
    close_all(&probing);
    return status;
}

const struct ob_command OB_COMMAND_PROBE = {
    .name = "probe",
    .summary = "suggest a learning rate for a run",
    .details = "Measures the curvature that steps along the run's random directions meet on these rows and "
               "suggests a rate; "
               "recreate the run with it. The step size is increased until the curvature rises above the "
               "noise, which "
               "adapters need most; the exit code is 3 if it never does.",
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .needs_blas = true,
    .run = probe,
};
