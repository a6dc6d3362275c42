#include "daemon/compute_jobs.h"

#include <assert.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "model/forward/vector.h"
#include "spsa/memory_check.h"

#define PASS_UPDATES 1024 /* as many as a turn has at most */

/* ---- a round ---- */

static enum ob_err pair_loss(void *context, const struct ob_spsa_key *key, float epsilon,
                             struct ob_spsa_losses *ret_losses, struct ob_error *error) {
    struct ob_compute_jobs *jobs = context;
    struct ob_weight_source source = ob_replica_source(jobs->options.replica);
    double losses[2];
    source.key = key;
    source.epsilon = epsilon;
    enum ob_err failed = ob_task_losses(&jobs->task, jobs->forward, &source, jobs->batch, losses, error);
    if (!failed)
        *ret_losses = (struct ob_spsa_losses){.plus = losses[0], .minus = losses[1]};
    return failed;
}

static enum ob_err evaluate(struct ob_compute_jobs *jobs, struct ob_sample sample, struct ob_error *error) {
    const struct ob_compute_options *o = &jobs->options;
    const struct ob_manifest *manifest = o->replica->manifest;
    struct ob_spsa_key key = ob_spsa_direction_key(&manifest->run, &o->machine, sample);
    struct ob_spsa_estimate estimate = {0};
    ob_corpus_draw(o->corpus, o->seed, sample.index, o->batch, jobs->batch);
    uint64_t start = ob_now_ns();
    enum ob_err failed = ob_spsa_probe(&key, o->epsilon, &manifest->rule.code, o->exponent, &o->privacy,
                                       pair_loss, jobs, &estimate, error);
    struct ob_prefix_counters prefix = ob_forward_prefix_counters(jobs->forward);
    ob_compute_queue_kept(jobs->queue, ob_forward_frozen_bytes(jobs->forward), &prefix);
    if (!failed)
        ob_compute_queue_sample(jobs->queue, estimate.byte,
                                0.5 * (estimate.losses.plus + estimate.losses.minus),
                                ob_seconds_since(start));
    return failed;
}

/* False: some of the weights are not what the log makes them. True as well when they are not watched. */
static bool memory_is_right(struct ob_compute_jobs *jobs) {
    const struct ob_replica *replica = jobs->options.replica;
    if (!jobs->wrong)
        return true;
    size_t wrong = ob_spsa_memory_check(&replica->engine, replica->weights, jobs->wrong);
    ob_compute_queue_checked(jobs->queue, wrong > 0);
    if (wrong == 0)
        return true;
    struct ob_result result = {.kind = OB_RESULT_MEMORY, .wrong = wrong};
    ob_compute_queue_push(jobs->queue, &result);
    return false;
}

static bool memory_check_is_due(struct ob_compute_jobs *jobs) {
    if (jobs->rounds_to_go > 0) {
        jobs->rounds_to_go--;
        return false;
    }
    jobs->rounds_to_go = jobs->options.memory_check_interval - 1;
    return true;
}

static void run_round(struct ob_compute_jobs *jobs, const struct ob_round_job *job) {
    struct ob_error error = {0};
    bool sound =
        !jobs->wrong || !memory_check_is_due(jobs) || memory_is_right(jobs); /* else it does not happen */
    for (uint16_t i = 0; sound && i < job->n && ob_compute_queue_goes_on(jobs->queue); i++)
        if (evaluate(jobs, (struct ob_sample){job->first.index + i}, &error)) {
            ob_compute_queue_push_failure(jobs->queue, &error);
            return;
        }
    ob_compute_queue_round_done(jobs->queue);
}

/* ---- records ---- */

/* The end of a record's way, for bench/daemons.py: it is in the weights. */
static void trace(const struct ob_compute_jobs *jobs, const struct ob_job *list) {
    const struct ob_logger *logger = jobs->options.logger;
    for (const struct ob_job *at = list; at && logger && atomic_load(&logger->least) == OB_LOG_DEBUG;
         at = at->next) {
        char key[2 * sizeof at->update.machine.key + 1];
        sodium_bin2hex(key, sizeof key, at->update.machine.key, sizeof at->update.machine.key);
        ob_log(logger, OB_LOG_DEBUG, at->unapply ? "unapplied" : "replayed",
               "key=%s first=%" PRIu64 " at_ns=%" PRIu64, key, at->update.first.index, ob_now_ns());
    }
}

static void run_replay(struct ob_compute_jobs *jobs, struct ob_job *list) {
    struct ob_spsa_update updates[PASS_UPDATES];
    struct ob_error error = {0};
    uint64_t samples = 0;
    uint64_t start = ob_now_ns();
    enum ob_err failed = OB_OK;
    size_t count = 0;
    for (const struct ob_job *at = list; at && !failed; at = at->next) {
        updates[count++] = at->update;
        samples += at->update.n;
        if (count == PASS_UPDATES || !at->next || at->next->unapply != at->unapply) {
            failed = at->unapply ? ob_replica_unapply(jobs->options.replica, updates, count, &error)
                                 : ob_replica_apply(jobs->options.replica, updates, count, &error);
            count = 0;
        }
    }
    if (failed)
        ob_compute_queue_push_failure(jobs->queue, &error);
    else
        trace(jobs, list);
    while (list) {
        struct ob_job *next = list->next;
        ob_job_free(list);
        list = next;
    }
    ob_compute_queue_replayed(jobs->queue, samples, ob_seconds_since(start));
}

/* ---- marks ---- */

static void run_digest(struct ob_compute_jobs *jobs, const struct ob_job *mark) {
    struct ob_result result = {.kind = OB_RESULT_DIGEST, .log = mark->log, .below = mark->below};
    struct ob_error error = {0};
    const struct ob_replica *replica = jobs->options.replica;
    if (mark->possible && memory_is_right(jobs) &&
        ob_rebuild_digest(replica, mark->without.items, mark->without.count, &result.weights, &error)) {
        ob_compute_queue_push_failure(jobs->queue, &error);
        return;
    }
    result.overrange = ob_spsa_weights_overrange(&replica->engine, replica->weights);
    ob_compute_queue_push(jobs->queue, &result);
}

static bool is_stopped(void *context) {
    return ob_compute_queue_is_stopped(context);
}

/* The leaves that the memory check names, or all: then it was another peer who had something to say. */
static void run_rebuild(struct ob_compute_jobs *jobs, struct ob_store *store) {
    struct ob_replica *replica = jobs->options.replica;
    struct ob_rebuild_log log = {
        .store = store, .stopped = is_stopped, .context = jobs->queue, .verify = true};
    struct ob_result result = {.kind = OB_RESULT_REBUILT};
    struct ob_error error = {0};
    bool some = jobs->wrong && ob_spsa_memory_check(&replica->engine, replica->weights, jobs->wrong) > 0;
    enum ob_err failed = ob_rebuild_heal(replica, &log, some ? jobs->wrong : NULL, &result.heal, &error);
    if (failed == OB_ESTATE)
        return;
    if (failed) {
        (void)ob_fail_within(&error, failed, "verifying the weights against the base model and the log");
        ob_compute_queue_push_failure(jobs->queue, &error);
        return;
    }
    ob_compute_queue_push(jobs->queue, &result);
}

static void run_task(struct ob_compute_jobs *jobs, const struct ob_job *mark) {
    struct ob_result result = {.kind = OB_RESULT_TASK, .task = mark->context};
    enum ob_err failed = mark->task(mark->context, &result.error);
    result.error.code = failed;
    ob_compute_queue_push(jobs->queue, &result);
}

static void run_mark(struct ob_compute_jobs *jobs, const struct ob_job *mark) {
    if (mark->kind == OB_JOB_DIGEST)
        run_digest(jobs, mark);
    else if (mark->kind == OB_JOB_REBUILD)
        run_rebuild(jobs, mark->store);
    else
        run_task(jobs, mark);
}

/* ---- the whole ---- */

/* Losses along a direction that is nobody's. */
static enum ob_err losses_to_choose_by(void *context, unsigned direction, double ret_losses[2],
                                       struct ob_error *error) {
    struct ob_compute_jobs *jobs = context;
    struct ob_spsa_key key = {.bytes = "choosing products"};
    struct ob_spsa_losses losses;
    key.bytes[31] = (uint8_t)direction;
    enum ob_err failed = pair_loss(jobs, &key, jobs->options.epsilon, &losses, error);
    if (!failed) {
        ret_losses[0] = losses.plus;
        ret_losses[1] = losses.minus;
    }
    return failed;
}

static void choose_loops(struct ob_compute_jobs *jobs) {
    struct ob_race race;
    const struct ob_vector_loops *loops = ob_vector_fastest(ob_now_ns, &race);
    ob_forward_use_loops(jobs->forward, loops);
    jobs->queue->view.loops = ob_vector_name(loops);
    (void)ob_race_text(&race, jobs->queue->view.loops_measured);
}

static enum ob_err choose_products(struct ob_compute_jobs *jobs, struct ob_error *error) {
    const struct ob_compute_options *o = &jobs->options;
    struct ob_choices choices;
    if (strcmp(o->products, "auto") != 0)
        return ob_forward_use_named(jobs->forward, o->products, error);
    ob_corpus_draw(o->corpus, o->seed, 0, o->batch, jobs->batch);
    enum ob_err failed = ob_forward_choose(jobs->forward, losses_to_choose_by, jobs, &choices, error);
    if (!failed)
        (void)ob_choices_text(&choices, jobs->queue->view.products_measured);
    return failed;
}

static enum ob_err prepare_forward(struct ob_compute_jobs *jobs, struct ob_error *error) {
    const struct ob_compute_options *o = &jobs->options;
    const struct ob_replica *replica = o->replica;
    size_t tokens = o->batch * ob_corpus_item_tokens(o->corpus);
    size_t sequences = o->batch * ob_corpus_item_sequences(o->corpus);
    enum ob_err failed =
        ob_forward_new(&replica->model->config, tokens, sequences, replica->pool, &jobs->forward, error);
    if (!failed)
        failed = ob_batch_new(sequences, tokens, &jobs->batch, error);
    if (!failed)
        failed = ob_task_init(&jobs->task, sequences, error);
    if (failed)
        return failed;
    choose_loops(jobs);
    failed = choose_products(jobs, error);
    if (!failed && o->prefix_memory_bytes + o->prefix_file_bytes > 0)
        failed = ob_forward_keep_prefix(jobs->forward, o->prefix_memory_bytes, o->folder,
                                        o->prefix_file_bytes, error);
    if (failed)
        return failed;
    jobs->queue->view.forward_bytes = ob_forward_bytes(jobs->forward);
    jobs->queue->view.products = ob_forward_products(jobs->forward)->name;
    return OB_OK;
}

enum ob_err ob_compute_jobs_init(struct ob_compute_jobs *jobs, const struct ob_compute_options *options,
                                 struct ob_compute_queue *queue, struct ob_error *error) {
    *jobs = (struct ob_compute_jobs){.options = *options, .queue = queue};
    enum ob_err failed = options->corpus ? prepare_forward(jobs, error) : OB_OK;
    if (failed || options->memory_check_interval == 0)
        return failed;
    const struct ob_spsa_weights *weights = options->replica->weights;
    assert(weights->sums);
    jobs->wrong = calloc(ob_spsa_leaf_count(weights->tensors, weights->count), sizeof *jobs->wrong);
    return jobs->wrong ? OB_OK : ob_fail(error, OB_ENOMEM, "not enough memory to check the weights");
}

void ob_compute_jobs_done(struct ob_compute_jobs *jobs) {
    free(jobs->wrong);
    ob_batch_free(jobs->batch);
    ob_task_done(&jobs->task);
    ob_forward_free(jobs->forward);
}

void ob_compute_jobs_run(struct ob_compute_jobs *jobs, struct ob_turn *turn) {
    if (turn->records)
        run_replay(jobs, turn->records);
    if (turn->mark && !turn->dead)
        run_mark(jobs, turn->mark);
    if (turn->mark)
        ob_job_free(turn->mark);
    if (turn->has_round && !turn->dead)
        run_round(jobs, &turn->round);
}
