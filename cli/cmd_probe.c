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
#include "cli/eval.h"
#include "cli/options.h"
#include "model/data/corpus.h"
#include "model/data/loss.h"
#include "run/replica.h"
#include "spsa/probe.h"

#define KAPPA          0.2
#define KAPPA_ADAPTERS 0.03
#define CONSTANT       0.5 /* of a decaying schedule's peak */
#define WIDEN          4
#define WIDEN_MAX      64
#define BYTE_ERROR     0.035 /* of stochastic rounding between codes 2^(1/8) apart, relative */

enum probe_option {
    PROBE_MANIFEST,
    PROBE_MODEL,
    PROBE_DATA,
    PROBE_BATCH,
    PROBE_LENGTH,
    PROBE_SAMPLES,
    PROBE_JSON,
    PROBE_BFLOAT16,
    PROBE_CHAT_TEMPLATE,
    PROBE_OPTIONS
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
    int64_t batch_size, length, samples;
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
            return ob_fail(error, OB_ENOTFINITE, "a loss of the base model is not finite on these rows");
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

static enum ob_err open_all(struct probing *p, const struct ob_tool_option *o, struct ob_error *error) {
    const char *model = o[PROBE_MODEL].value;
    enum ob_err failed = ob_manifest_read(o[PROBE_MANIFEST].value, &p->manifest, error);
    if (!failed)
        failed = ob_replica_new(p->manifest, model, 0, &p->replica, error);
    if (failed)
        return failed;
    struct ob_tool_rows rows = {.model = model,
                                .config = &p->replica->model->config,
                                .data = o[PROBE_DATA].value,
                                .chat_template = o[PROBE_CHAT_TEMPLATE].value,
                                .length = p->length};
    failed = ob_tool_open_rows(&rows, &p->tokenizer, &p->corpus, error);
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
    if (!failed && o[PROBE_BFLOAT16].value)
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

static int report(const struct probing *p, const struct finding *f, bool json) {
    bool sure = is_sure(f);
    double kappa = p->manifest->lora_rank ? KAPPA_ADAPTERS : KAPPA;
    double decay = sure ? kappa / f->curvature : 0, constant = CONSTANT * decay;
    if (json) {
        printf("{\"samples\":%lld,\"epsilon\":%.6g,\"loss\":%.6f,\"curvature\":%.6g,\"curvature_error\":%.6g,"
               "\"estimate_rms\":"
               "%.6g,"
               "\"sample_seconds\":%.6g,\"rate_of_run\":%.6g,\"rate_decay\":%.6g,\"rate_constant\":%.6g",
               (long long)p->samples, p->epsilon, f->loss, f->curvature, f->curvature_error, f->estimate_rms,
               f->sample_seconds, peak_rate(p->manifest), decay, constant);
        if (p->half)
            printf(",\"bfloat16_sample_seconds\":%.6g,\"bfloat16_error\":%.6g", f->half_seconds,
                   f->half_error);
        puts("}");
        return sure ? OB_EXIT_DONE : OB_EXIT_CHECK;
    }
    printf(
        "loss %.4f, |g| %.3g (rms), curvature %.4g ± %.2g over %lld samples of epsilon %.3g, %.3g s each\n",
        f->loss, f->estimate_rms, f->curvature, f->curvature_error, (long long)p->samples, p->epsilon,
        f->sample_seconds);
    if (p->half)
        printf("products in bfloat16: %.3g s each; estimates differ by %.2g of |g| (rms; the byte's own "
               "rounding "
               "is %.2g)\n",
               f->half_seconds, f->half_error, BYTE_ERROR);
    if (!sure) {
        printf("the curvature is lost in its error: take more --samples\n");
        return OB_EXIT_CHECK;
    }
    printf("this run's peak rate is %.3g; suggested for a run like it: --lr %.2g with a decaying schedule, "
           "%.2g constant\n",
           peak_rate(p->manifest), decay, constant);
    return OB_EXIT_DONE;
}

int ob_tool_probe(int argc, char **argv) {
    struct ob_tool_option o[PROBE_OPTIONS] = {
        [PROBE_MANIFEST] = {.name = "manifest"},
        [PROBE_MODEL] = {.name = "model"},
        [PROBE_DATA] = {.name = "data"},
        [PROBE_BATCH] = {.name = "batch", .value = "8"},
        [PROBE_LENGTH] = {.name = "length", .value = "128"},
        [PROBE_SAMPLES] = {.name = "samples", .value = "32"},
        [PROBE_JSON] = {.name = "json", .is_switch = true},
        [PROBE_BFLOAT16] = {.name = "bfloat16", .is_switch = true},
        [PROBE_CHAT_TEMPLATE] = {.name = "chat-template"},
    };
    size_t count = 0;
    struct probing probing = {0};
    struct finding finding = {0};
    struct ob_error error = {0};
    if (!ob_tool_parse(argc, argv, o, PROBE_OPTIONS, NULL, 0, &count))
        return OB_EXIT_USAGE;
    if (!o[PROBE_MANIFEST].value || !o[PROBE_MODEL].value || !o[PROBE_DATA].value)
        return ob_tool_usage("probe needs --manifest, --model and --data");
    if (!ob_tool_integer(&o[PROBE_BATCH], 1, 4096, &probing.batch_size) ||
        !ob_tool_integer(&o[PROBE_LENGTH], 2, 1 << 20, &probing.length) ||
        !ob_tool_integer(&o[PROBE_SAMPLES], 2, 100000, &probing.samples))
        return OB_EXIT_USAGE;
    enum ob_err failed = open_all(&probing, o, &error);
    if (!failed)
        failed = find_surely(&probing, &finding, &error);
    int status = failed ? ob_tool_complain(&error) : report(&probing, &finding, o[PROBE_JSON].value != NULL);
    close_all(&probing);
    return status;
}
