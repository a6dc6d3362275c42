#include "cli/curvature.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cli/evaluate.h"
#include "cli/replay.h"
#include "run/replica.h"

#define KAPPA     0.2
#define CONSTANT  0.5 /* of a decaying schedule's peak */
#define WIDEN     4
#define WIDEN_MAX 64

struct probing {
    const struct ob_curvature_options *o;
    struct ob_replica *replica;
    struct ob_tokenizer *tokenizer;
    struct ob_corpus *corpus;
    struct ob_forward *forward;
    struct ob_batch *batch;
    struct ob_task task;
    struct ob_item_loss *losses; /* (3, items of a mini-batch): plus, minus, centre */
    struct ob_forward *half;     /* the same with products in bfloat16, when they are to be compared; NULL */
    double epsilon;              /* that is measured with */
};

/* What one direction says. */
struct direction {
    double loss, curvature, estimate, square, signal, difference;
    double seconds, half_seconds;
};

/* Sums over directions, and of squares. */
struct sums {
    struct direction of, squares;
};

static size_t items_of(const struct ob_batch *batch) {
    return batch->groups > 0 ? batch->groups : batch->sequences;
}

/* Of the rows' own estimates: their mean square, and their mean product in pairs. */
static void compare_rows(const struct probing *p, size_t items, struct direction *ret) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < items; i++) {
        double plus = ob_item_losses_mean(&p->losses[i], 1),
               minus = ob_item_losses_mean(&p->losses[items + i], 1), s = (plus - minus) / (2 * p->epsilon);
        sum += s;
        squares += s * s;
    }
    double count = (double)items;
    ret->square = squares / count;
    ret->signal = items > 1 ? (sum * sum - squares) / (count * (count - 1)) : 0;
}

static enum ob_err measure(struct probing *p, uint64_t number, struct direction *ret,
                           struct ob_error *error) {
    struct ob_weight_source source = ob_replica_source(p->replica);
    struct ob_machine_id nobody = {{0}};
    struct ob_spsa_key key = ob_spsa_direction_key(&p->o->manifest->run, &nobody, (struct ob_sample){number});
    ob_corpus_draw(p->corpus, 0, number, (size_t)p->o->batch, p->batch);
    size_t items = items_of(p->batch);
    const struct ob_task_part parts[2] = {{.key = &key, .items = items}, {.items = items}};
    double epsilon = p->epsilon, half[2];
    source.epsilon = (float)epsilon;
    uint64_t start = ob_now_ns();
    enum ob_err failed =
        ob_task_part_losses(&p->task, p->forward, &source, p->batch, parts, 2, p->losses, error);
    if (failed)
        return failed;
    double plus = ob_item_losses_mean(p->losses, items),
           minus = ob_item_losses_mean(p->losses + items, items);
    *ret = (struct direction){.loss = ob_item_losses_mean(p->losses + 2 * items, items),
                              .seconds = ob_seconds_since(start) * 2 / 3};
    ret->curvature = (plus + minus - 2 * ret->loss) / (epsilon * epsilon);
    ret->estimate = (plus - minus) / (2 * epsilon);
    compare_rows(p, items, ret);
    if (!p->half)
        return OB_OK;
    source.key = &key;
    start = ob_now_ns();
    failed = ob_task_losses(&p->task, p->half, &source, p->batch, half, error);
    ret->half_seconds = ob_seconds_since(start);
    ret->difference = failed ? 0 : (half[0] - half[1]) / (2 * epsilon) - ret->estimate;
    return failed;
}

static void add(struct sums *sums, const struct direction *d) {
    sums->of.loss += d->loss;
    sums->of.curvature += d->curvature;
    sums->of.square += d->square;
    sums->of.signal += d->signal;
    sums->of.seconds += d->seconds;
    sums->of.half_seconds += d->half_seconds;
    sums->squares.curvature += d->curvature * d->curvature;
    sums->squares.signal += d->signal * d->signal;
    sums->squares.estimate += d->estimate * d->estimate;
    sums->squares.difference += d->difference * d->difference;
}

/* The standard error of a mean over `count` directions. */
static double error_of(double sum, double squares, double count) {
    double mean = sum / count;
    return sqrt(fmax(squares / count - mean * mean, 0) / (count - 1));
}

static enum ob_err find(struct probing *p, struct ob_curvature *ret_curvature, struct ob_error *error) {
    struct sums sums = {0};
    double count = (double)p->o->samples;
    uint64_t passes = 0;
    if (p->o->progress)
        ob_progress_start(p->o->progress, "measuring the curvature", "samples", (uint64_t)p->o->samples);
    for (int64_t i = 0; i < p->o->samples; i++) {
        struct direction d;
        ob_progress_at(p->o->progress, (uint64_t)i);
        enum ob_err failed = measure(p, (uint64_t)i, &d, error);
        if (failed)
            return failed;
        if (!isfinite(d.curvature))
            return ob_fail(error, OB_ENOTFINITE, "the base model's loss on these rows is not finite");
        add(&sums, &d);
        passes += 3 * items_of(p->batch);
    }
    *ret_curvature = (struct ob_curvature){
        .epsilon = p->epsilon,
        .loss = sums.of.loss / count,
        .curvature = sums.of.curvature / count,
        .curvature_error = error_of(sums.of.curvature, sums.squares.curvature, count),
        .estimate_rms = sqrt(sums.squares.estimate / count),
        .sample_seconds = sums.of.seconds / count,
        .half_seconds = sums.of.half_seconds / count,
        .half_error = sqrt(sums.squares.difference / sums.squares.estimate),
        .square = sums.of.square / count,
        .signal = sums.of.signal / count,
        .signal_error = error_of(sums.of.signal, sums.squares.signal, count),
        .rows = (uint64_t)p->o->batch,
        .directions = (uint64_t)p->o->samples,
        .passes = passes,
    };
    return OB_OK;
}

bool ob_curvature_is_sure(const struct ob_curvature *f) {
    return f->curvature > 2 * f->curvature_error;
}

bool ob_curvature_signal_is_sure(const struct ob_curvature *f) {
    return f->signal > 2 * f->signal_error && f->signal < f->square;
}

double ob_curvature_ratio(const struct ob_curvature *f) {
    return f->signal / (f->square - f->signal);
}

/* Q is far surer than G. */
double ob_curvature_ratio_error(const struct ob_curvature *f) {
    double noise = f->square - f->signal;
    return f->signal_error * f->square / (noise * noise);
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
        ret_curvature->passes += before.passes;
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
    enum ob_err failed = ob_cli_replica_new(o->manifest, o->model, &p->replica, error);
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
    failed = ob_task_init(&p->task, 2 * sequences, error);
    p->losses = calloc(3 * sequences, sizeof *p->losses);
    if (!failed && !p->losses)
        failed = ob_fail(error, OB_ENOMEM, "not enough memory for the losses of %zu sequences", sequences);
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
    free(p->losses);
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

/* Σ over all samples of (their rate / the peak)². */
static double square_rates(const struct ob_rate_plan *plan) {
    struct ob_spsa_rule rule = plan->manifest->rule;
    uint16_t samples = plan->manifest->bounds.samples_per_round, live = (uint16_t)plan->machines;
    double sum = 0, peak = 0, rounds = (double)plan->manifest->bounds.max_rounds;
    for (size_t i = 0; i < rule.rate_count; i++) {
        double rate = (double)rule.rates[i], from = (double)i * rule.rounds_per_rate,
               to = from + rule.rounds_per_rate;
        to = i + 1 == rule.rate_count || to > rounds ? rounds : to;
        sum += to > from ? rate * rate * (to - from) : 0;
        peak = fmax(peak, rate);
    }
    const uint64_t one = (uint64_t)1 << 40;
    rule.rates = &one;
    rule.rate_count = 1;
    double scale = ldexp((double)ob_spsa_rate(&rule, (struct ob_round){0}, live, samples), -80 + 8);
    return peak > 0 ? sum / (peak * peak) * scale * scale * live * samples : 0;
}

struct ob_rate ob_curvature_rate(const struct ob_curvature *f, const struct ob_rate_plan *plan) {
    struct ob_rate rate = {.bound = ""};
    bool sure = ob_curvature_signal_is_sure(f);
    double rows = (double)plan->rows_per_sample, signal = sure ? f->signal : 0;
    double of_sample = signal + (f->square - signal) / rows; /* E s² */
    double usual = OB_RATE_USUAL_RATIO * rows;
    double kappa = plan->manifest->lora_rank ? OB_RATE_STEP_SHARE * usual / (1 + usual) : KAPPA;
    if (sure)
        kappa = OB_RATE_STEP_SHARE * signal / of_sample;
    if (!ob_curvature_is_sure(f))
        return rate;
    double cost = 0.5 * f->curvature * of_sample * square_rates(plan);
    rate.step = (plan->is_constant ? CONSTANT : 1.0) * kappa / f->curvature;
    rate.walk = sqrt(OB_RATE_WALK_SHARE * f->loss / cost);
    rate.rate = fmin(rate.step, rate.walk);
    rate.bound = rate.walk < rate.step ? "walk" : sure ? "step" : "usual step";
    rate.walk_share = cost * rate.rate * rate.rate / f->loss;
    return rate;
}
