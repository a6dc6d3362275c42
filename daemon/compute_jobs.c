#include "daemon/compute_jobs.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hex.h"
#include "desk/memory.h"
#include "model/forward/vector.h"
#include "spsa/memory_check.h"

#define CURVATURE_KEEP 0.998 /* of a sample's weight, at each one after it: some 500 count */
#define PASS_UPDATES   1024  /* as many as a turn has at most */

/* ---- work and rest ---- */

struct work {
    uint64_t cpu_ns, wall_ns; /* when it began */
};

static struct work begin_work(void) {
    return (struct work){ob_cpu_ns(), ob_now_ns()};
}

/* With cpu_share at 1 it does not rest. */
static void end_work(struct ob_compute_jobs *jobs, const struct work *work) {
    double cpu_s = (double)(ob_cpu_ns() - work->cpu_ns) / (double)OB_SECOND_NS;
    ob_compute_queue_rest(jobs->queue, cpu_s, ob_seconds_since(work->wall_ns), jobs->options.processors);
}

/* ---- a round ---- */

/* Samples [first, first + count), at most a pass. */
static enum ob_err evaluate(struct ob_compute_jobs *jobs, struct ob_sample first, size_t count, bool measure,
                            struct ob_error *error) {
    const struct ob_compute_options *o = &jobs->options;
    struct ob_weight_source source = ob_replica_source(o->replica);
    const struct ob_forward *forward = ob_sampler_forward(jobs->sampler);
    uint64_t start = ob_now_ns();
    enum ob_err failed =
        ob_sampler_run(jobs->sampler, &source, &o->machine, first, count, measure, jobs->samples, error);
    double seconds = ob_seconds_since(start) / (double)count;
    struct ob_prefix_counters prefix = ob_forward_prefix_counters(forward);
    ob_compute_queue_kept(jobs->queue, ob_forward_frozen_bytes(forward), &prefix);
    for (size_t k = 0; k < count && !failed; k++)
        ob_compute_queue_sample(jobs->queue, jobs->samples[k].byte, jobs->samples[k].loss, seconds);
    for (size_t k = 0; k < count && !failed && measure; k++)
        ob_spsa_curvature_add(&jobs->curvature, &jobs->samples[k].losses, (double)o->epsilon, CURVATURE_KEEP);
    if (measure && !failed)
        ob_compute_queue_curvature(jobs->queue, &jobs->curvature);
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

/* Samples of the next pass. A pass ends where its last row's directions end, also when a round began among them. */
static size_t samples_of_pass(const struct ob_compute_jobs *jobs, struct ob_sample first, size_t left) {
    size_t directions = jobs->options.directions, pass = ob_sampler_pass(jobs->sampler);
    size_t whole = pass - (size_t)(first.index % directions);
    return whole < left ? whole : left;
}

/* Of every so many rounds, the samples of one are measured; they cost half as much again. */
static bool measuring_is_due(struct ob_compute_jobs *jobs) {
    if (jobs->options.curvature_interval == 0 || jobs->rounds_to_measure > 0) {
        jobs->rounds_to_measure -= jobs->rounds_to_measure > 0;
        return false;
    }
    jobs->rounds_to_measure = jobs->options.curvature_interval - 1;
    return true;
}

/* ---- records ---- */

/* The end of a record's way, for bench/daemons.py: it is in the weights. */
static void trace(const struct ob_compute_jobs *jobs, const struct ob_job *list) {
    const struct ob_logger *logger = jobs->options.logger;
    for (const struct ob_job *at = list; at && logger && atomic_load(&logger->least) == OB_LOG_DEBUG;
         at = at->next) {
        char key[OB_HEX_MAX(OB_KEY_BYTES)];
        ob_hex_encode(at->update.machine.key, OB_KEY_BYTES, key);
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

/* A flood of records does not stop a round: between two passes, as much is replayed as a sample takes. */
static void run_round(struct ob_compute_jobs *jobs, const struct ob_round_job *job) {
    struct ob_error error = {0};
    bool sound =
        !jobs->wrong || !memory_check_is_due(jobs) || memory_is_right(jobs); /* else it does not happen */
    bool measure = measuring_is_due(jobs);
    for (size_t i = 0, count; sound && i < job->n && ob_compute_queue_goes_on(jobs->queue); i += count) {
        struct ob_sample first = {job->first.index + i};
        struct work work = begin_work();
        struct ob_job *slice = i > 0 ? ob_compute_queue_slice(jobs->queue) : NULL;
        if (slice)
            run_replay(jobs, slice);
        count = samples_of_pass(jobs, first, job->n - i);
        if (evaluate(jobs, first, count, measure, &error)) {
            ob_compute_queue_push_failure(jobs->queue, &error);
            return;
        }
        if (i + count == job->n) /* the result first: others wait for it */
            ob_compute_queue_round_done(jobs->queue);
        end_work(jobs, &work);
    }
    ob_compute_queue_round_done(jobs->queue);
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

/* Mean losses of a pass along directions that are nobody's, as if by different machines. */
static enum ob_err losses_to_choose_by(void *context, unsigned direction, double ret_losses[2],
                                       struct ob_error *error) {
    struct ob_compute_jobs *jobs = context;
    struct ob_machine_id nobody = {.key = "choosing products"};
    struct ob_weight_source source = ob_replica_source(jobs->options.replica);
    size_t count = ob_sampler_pass(jobs->sampler);
    nobody.key[31] = (uint8_t)direction;
    enum ob_err failed = ob_sampler_run(jobs->sampler, &source, &nobody, (struct ob_sample){0}, count, false,
                                        jobs->samples, error);
    ret_losses[0] = ret_losses[1] = 0;
    for (size_t k = 0; k < count && !failed; k++) {
        const struct ob_spsa_sides *losses = &jobs->samples[k].losses;
        ret_losses[0] += losses->plus / (double)count;
        ret_losses[1] += (jobs->options.one_sided ? losses->centre : losses->minus) / (double)count;
    }
    return failed;
}

static void choose_loops(struct ob_compute_jobs *jobs) {
    struct ob_race race;
    const struct ob_vector_loops *loops = ob_vector_fastest(ob_now_ns, &race);
    ob_forward_use_loops(ob_sampler_forward(jobs->sampler), loops);
    jobs->queue->view.loops = ob_vector_name(loops);
    (void)ob_race_text(&race, jobs->queue->view.loops_measured);
}

static enum ob_err choose_products(struct ob_compute_jobs *jobs, struct ob_error *error) {
    const struct ob_compute_options *o = &jobs->options;
    struct ob_forward *forward = ob_sampler_forward(jobs->sampler);
    struct ob_choices choices;
    if (strcmp(o->products, "auto") != 0)
        return ob_forward_use_named(forward, o->products, error);
    enum ob_err failed = ob_forward_choose(forward, losses_to_choose_by, jobs, &choices, error);
    if (!failed)
        (void)ob_choices_text(&choices, jobs->queue->view.products_measured);
    return failed;
}

static enum ob_err open_sampler(struct ob_compute_jobs *jobs, struct ob_error *error) {
    const struct ob_compute_options *o = &jobs->options;
    struct ob_sampler_options options = {.model = &o->replica->model->config,
                                         .pool = o->replica->pool,
                                         .corpus = o->corpus,
                                         .run = o->replica->manifest->run,
                                         .code = o->replica->manifest->rule.code,
                                         .exponent = o->exponent,
                                         .epsilon = o->epsilon,
                                         .privacy = o->privacy,
                                         .seed = o->seed,
                                         .rows = o->rows,
                                         .rows_per_sample = o->rows_per_sample,
                                         .directions = o->directions,
                                         .one_sided = o->one_sided,
                                         .memory_bytes = o->pass_memory_bytes};
    enum ob_err failed = ob_sampler_new(&options, &jobs->sampler, error);
    if (failed)
        return failed;
    jobs->samples = calloc(ob_sampler_pass(jobs->sampler), sizeof *jobs->samples);
    return jobs->samples ? OB_OK : ob_fail(error, OB_ENOMEM, "not enough memory to evaluate samples");
}

/* Packed at once: what is wrong with the folder is said at the start. */
static enum ob_err share_frozen(struct ob_compute_jobs *jobs, struct ob_forward *forward,
                                struct ob_error *error) {
    const struct ob_compute_options *o = &jobs->options;
    struct ob_weight_source source = ob_replica_source(o->replica);
    enum ob_err failed =
        ob_forward_share_frozen(forward, o->frozen_folder, &o->replica->manifest->base_hash, error);
    if (!failed)
        failed = ob_forward_prepare(forward, &source, error);
    return failed ? ob_fail_within(error, failed, "frozen_folder in [training]") : OB_OK;
}

/* Passes were made: what they need is taken. A tenth is left for what comes and goes. */
static size_t fitting_prefix(const struct ob_compute_options *o) {
    uint64_t own = ob_memory_own_bytes(OB_MEMORY_FILE), most = o->memory_limit_bytes / 10 * 9;
    uint64_t room = most > own ? most - own : 0;
    return o->memory_limit_bytes > 0 && room < o->prefix_memory_bytes ? (size_t)room : o->prefix_memory_bytes;
}

static enum ob_err prepare_forward(struct ob_compute_jobs *jobs, struct ob_error *error) {
    const struct ob_compute_options *o = &jobs->options;
    enum ob_err failed = open_sampler(jobs, error);
    if (failed)
        return failed;
    struct ob_forward *forward = ob_sampler_forward(jobs->sampler);
    choose_loops(jobs);
    failed = choose_products(jobs, error);
    size_t prefix_bytes = fitting_prefix(o);
    if (!failed && prefix_bytes + o->prefix_file_bytes > 0)
        failed = ob_forward_keep_prefix(forward, prefix_bytes, o->folder, o->prefix_file_bytes, error);
    if (!failed && *o->frozen_folder)
        failed = share_frozen(jobs, forward, error);
    if (failed)
        return failed;
    jobs->queue->view.forward_bytes = ob_forward_bytes(forward);
    jobs->queue->view.products = ob_forward_products(forward)->name;
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
    free(jobs->samples);
    ob_sampler_free(jobs->sampler);
}

void ob_compute_jobs_run(struct ob_compute_jobs *jobs, struct ob_turn *turn) {
    struct work work = begin_work();
    if (turn->records)
        run_replay(jobs, turn->records);
    if (turn->mark && !turn->dead)
        run_mark(jobs, turn->mark);
    if (turn->mark)
        ob_job_free(turn->mark);
    end_work(jobs, &work);
    if (turn->has_round && !turn->dead)
        run_round(jobs, &turn->round);
}
