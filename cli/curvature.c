#include "cli/curvature.h"

#include <math.h>

#include "base/clock.h"
#include "cli/evaluate.h"
#include "run/replica.h"

#define KAPPA          0.2
#define KAPPA_ADAPTERS 0.03
#define CONSTANT       0.5 /* of a decaying schedule's peak */
#define WIDEN          4
#define WIDEN_MAX      64

struct probing {
    const struct ob_curvature_options *o;
    struct ob_replica *replica;
    struct ob_tokenizer *tokenizer;
    struct ob_corpus *corpus;
    struct ob_forward *forward;
    struct ob_batch *batch;
    struct ob_task task;
    struct ob_forward *half; /* the same with products in bfloat16, when they are to be compared; NULL */
    double epsilon;          /* that is measured with */
};

/* The losses of one mini-batch: at w, at both ends of a direction of nobody's, and there with products in
 * bfloat16. */
static enum ob_err measure(struct probing *p, uint64_t number, double ret_losses[5], struct ob_curvature *sum,
                           struct ob_error *error) {
    struct ob_weight_source source = ob_replica_source(p->replica);
    struct ob_machine_id nobody = {{0}};
    struct ob_spsa_key key = ob_spsa_direction_key(&p->o->manifest->run, &nobody, (struct ob_sample){number});
    ob_corpus_draw(p->corpus, 0, number, (size_t)p->o->batch, p->batch);
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

static enum ob_err find(struct probing *p, struct ob_curvature *ret_curvature, struct ob_error *error) {
    struct ob_curvature sum = {0};
    double squares = 0, epsilon = p->epsilon, count = (double)p->o->samples;
    if (p->o->progress)
        ob_progress_start(p->o->progress, "measuring the curvature", "samples", (uint64_t)p->o->samples);
    for (int64_t i = 0; i < p->o->samples; i++) {
        ob_progress_at(p->o->progress, (uint64_t)i);
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
    *ret_curvature = (struct ob_curvature){.epsilon = epsilon,
                                           .loss = sum.loss / count,
                                           .curvature = mean,
                                           .curvature_error = sqrt(fmax(variance, 0) / (count - 1)),
                                           .estimate_rms = sqrt(sum.estimate_rms / count),
                                           .sample_seconds = sum.sample_seconds / count,
                                           .half_seconds = sum.half_seconds / count,
                                           .half_error = sqrt(sum.half_error / sum.estimate_rms)};
    return OB_OK;
}

bool ob_curvature_is_sure(const struct ob_curvature *f) {
    return f->curvature > 2 * f->curvature_error;
}

/* Increases the step size until the curvature rises above the noise. */
static enum ob_err find_surely(struct probing *p, struct ob_curvature *ret_curvature,
                               struct ob_error *error) {
    double epsilon = (double)p->o->manifest->epsilon;
    enum ob_err failed = OB_OK;
    for (int wider = 1; wider <= WIDEN_MAX; wider *= WIDEN) {
        p->epsilon = epsilon * wider;
        struct ob_curvature before = *ret_curvature;
        failed = find(p, ret_curvature, error);
        if (wider > 1) { /* products in bfloat16 are judged by the run's own steps */
            ret_curvature->half_error = before.half_error;
            ret_curvature->half_seconds = before.half_seconds;
        }
        if (failed || ob_curvature_is_sure(ret_curvature))
            break;
    }
    return failed;
}

static enum ob_err open_all(struct probing *p, struct ob_error *error) {
    const struct ob_curvature_options *o = p->o;
    enum ob_err failed = ob_replica_new(o->manifest, o->model, 0, &p->replica, error);
    if (failed)
        return failed;
    struct ob_cli_rows rows = {.model = o->model,
                               .config = &p->replica->model->config,
                               .data = o->data,
                               .chat_template = o->chat_template,
                               .length = o->length};
    failed = ob_cli_open_rows(&rows, &p->tokenizer, &p->corpus, error);
    if (failed)
        return failed;
    size_t sequences = (size_t)p->o->batch * ob_corpus_item_sequences(p->corpus);
    size_t tokens = (size_t)p->o->batch * ob_corpus_item_tokens(p->corpus);
    failed = ob_task_init(&p->task, sequences, error);
    if (!failed)
        failed = ob_forward_new(&p->replica->model->config, tokens, sequences, p->replica->pool, &p->forward,
                                error);
    if (!failed)
        failed = ob_batch_new(sequences, tokens, &p->batch, error);
    if (!failed && o->products)
        failed =
            ob_forward_new(&p->replica->model->config, tokens, sequences, p->replica->pool, &p->half, error);
    return failed || !p->half ? failed : ob_forward_use_named(p->half, p->o->products, error);
}

static void close_all(struct probing *p) {
    ob_batch_free(p->batch);
    ob_task_done(&p->task);
    ob_forward_free(p->half);
    ob_forward_free(p->forward);
    ob_corpus_free(p->corpus);
    ob_tokenizer_free(p->tokenizer);
    ob_replica_free(p->replica);
}

enum ob_err ob_curvature_measure(const struct ob_curvature_options *options,
                                 struct ob_curvature *ret_curvature, struct ob_error *error) {
    struct probing probing = {.o = options};
    struct ob_curvature found = {0};
    enum ob_err failed = open_all(&probing, error);
    if (!failed)
        failed = find_surely(&probing, &found, error);
    close_all(&probing);
    if (!failed)
        *ret_curvature = found;
    return failed;
}

double ob_curvature_rate(const struct ob_curvature *f, const struct ob_manifest *manifest, bool constant) {
    double kappa = manifest->lora_rank ? KAPPA_ADAPTERS : KAPPA;
    return ob_curvature_is_sure(f) ? (constant ? CONSTANT : 1.0) * kappa / f->curvature : 0;
}
