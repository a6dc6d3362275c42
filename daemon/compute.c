#include "daemon/compute.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "spsa/memory_check.h"

#define PASS_UPDATES 1024 /* records of one replay pass at most */

enum waiting_kind { WAITING_RECORD, WAITING_DIGEST, WAITING_REBUILD, WAITING_TASK };

/* A record that waits to be replayed, with a copy of its bytes; or a mark where a digest or a rebuild of what
 * comes before it is wanted, or it is a task's turn. */
struct waiting {
    struct waiting *next;
    enum waiting_kind kind;
    bool unapply;
    struct ob_spsa_update update;

    struct ob_hash log; /* DIGEST */
    uint32_t below;
    bool possible;
    struct ob_updates without;

    struct ob_store *store; /* REBUILD; owned */

    ob_compute_task_fn task; /* TASK */
    void *context;
    uint8_t bytes[];
};

static void free_waiting(struct waiting *waiting) {
    ob_updates_done(&waiting->without);
    ob_store_close(waiting->store);
    free(waiting);
}

static size_t bytes_of(const struct waiting *waiting) {
    return sizeof *waiting + waiting->update.n;
}

/* At most one round, one digest, one rebuild and two tasks are under way, and for each something else to say.
 */
#define RESULTS_MAX 10

struct ob_compute {
    struct ob_compute_options options;
    struct ob_forward *forward;
    struct ob_batch *batch;
    struct ob_task task;
    pthread_t thread;
    bool started;
    bool *wrong;           /* of each leaf, when the weights are watched */
    uint64_t rounds_to_go; /* until the next memory check */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t work;
    struct waiting *head, **tail;
    bool has_round, stop, hurry, failed;
    struct ob_round_job round;
    struct ob_result results[RESULTS_MAX];
    size_t result_first, result_count;
    struct ob_compute_view view;
};

/* A mean that forgets: about the last twenty. */
static double smooth(double mean, double value) {
    return mean == 0.0 ? value : mean + 0.05 * (value - mean);
}

static void push_result(struct ob_compute *compute, const struct ob_result *result) {
    pthread_mutex_lock(&compute->lock);
    assert(compute->result_count < RESULTS_MAX);
    compute->results[(compute->result_first + compute->result_count++) % RESULTS_MAX] = *result;
    if (result->kind == OB_RESULT_FAILED)
        compute->failed = true;
    pthread_mutex_unlock(&compute->lock);
    compute->options.wake(compute->options.context);
}

static void push_failure(struct ob_compute *compute, const struct ob_error *error) {
    struct ob_result result = {.kind = OB_RESULT_FAILED};
    memcpy(result.text, error->text, sizeof result.text);
    push_result(compute, &result);
}

static enum ob_err pair_loss(void *context, const struct ob_spsa_key *key, float epsilon,
                             struct ob_spsa_losses *ret_losses, struct ob_error *error) {
    struct ob_compute *compute = context;
    struct ob_weight_source source = ob_replica_source(compute->options.replica);
    double losses[2];
    source.key = key;
    source.epsilon = epsilon;
    enum ob_err failed =
        ob_task_losses(&compute->task, compute->forward, &source, compute->batch, losses, error);
    if (!failed)
        *ret_losses = (struct ob_spsa_losses){.plus = losses[0], .minus = losses[1]};
    return failed;
}

static enum ob_err evaluate(struct ob_compute *compute, struct ob_sample sample,
                            struct ob_spsa_estimate *ret_estimate, struct ob_error *error) {
    const struct ob_compute_options *o = &compute->options;
    const struct ob_manifest *manifest = o->replica->manifest;
    struct ob_spsa_key key = ob_spsa_direction_key(&manifest->run, &o->machine, sample);
    ob_corpus_draw(o->corpus, o->seed, sample.index, o->batch, compute->batch);
    uint64_t start = ob_now_ns();
    enum ob_err failed = ob_spsa_probe(&key, o->epsilon, &manifest->rule.code, o->exponent, &o->privacy,
                                       pair_loss, compute, ret_estimate, error);
    pthread_mutex_lock(&compute->lock);
    compute->view.samples_evaluated++;
    compute->view.frozen_bytes = ob_forward_frozen_bytes(compute->forward);
    compute->view.prefix = ob_forward_prefix_counters(compute->forward);
    compute->view.sample_seconds = smooth(compute->view.sample_seconds, ob_seconds_since(start));
    pthread_mutex_unlock(&compute->lock);
    return failed;
}

static bool must_hurry(struct ob_compute *compute) {
    pthread_mutex_lock(&compute->lock);
    bool hurry = compute->hurry || compute->stop;
    pthread_mutex_unlock(&compute->lock);
    return hurry;
}

/* False: some of the weights are not what the log makes them. True as well when they are not watched. */
static bool memory_is_right(struct ob_compute *compute) {
    const struct ob_replica *replica = compute->options.replica;
    if (!compute->wrong)
        return true;
    size_t wrong = ob_spsa_memory_check(&replica->engine, replica->weights, compute->wrong);
    pthread_mutex_lock(&compute->lock);
    compute->view.memory_checks++;
    compute->view.memory_faults += wrong > 0;
    pthread_mutex_unlock(&compute->lock);
    if (wrong == 0)
        return true;
    struct ob_result result = {.kind = OB_RESULT_MEMORY, .wrong = wrong};
    push_result(compute, &result);
    return false;
}

static bool memory_check_is_due(struct ob_compute *compute) {
    if (compute->rounds_to_go > 0) {
        compute->rounds_to_go--;
        return false;
    }
    compute->rounds_to_go = compute->options.memory_check_interval - 1;
    return true;
}

static void run_round(struct ob_compute *compute, const struct ob_round_job *job) {
    struct ob_result result = {.kind = OB_RESULT_ROUND};
    struct ob_error error = {0};
    double sum = 0;
    if (compute->wrong && memory_check_is_due(compute) && !memory_is_right(compute)) {
        push_result(compute, &result); /* the round did not happen */
        return;
    }
    for (uint16_t i = 0; i < job->n && !must_hurry(compute); i++) {
        struct ob_spsa_estimate estimate = {0};
        if (evaluate(compute, (struct ob_sample){job->first.index + i}, &estimate, &error)) {
            push_failure(compute, &error);
            return;
        }
        result.bytes[result.n++] = estimate.byte;
        sum += 0.5 * (estimate.losses.plus + estimate.losses.minus);
    }
    result.loss = result.n ? sum / result.n : 0.0;
    push_result(compute, &result);
}

/* The end of a record's way, for bench/daemons.py: it is in the weights. */
static void trace(const struct ob_compute *compute, const struct waiting *list) {
    const struct ob_logger *logger = compute->options.logger;
    for (const struct waiting *at = list; at && logger && atomic_load(&logger->least) == OB_LOG_DEBUG;
         at = at->next) {
        char key[2 * sizeof at->update.machine.key + 1];
        sodium_bin2hex(key, sizeof key, at->update.machine.key, sizeof at->update.machine.key);
        ob_log(logger, OB_LOG_DEBUG, at->unapply ? "unapplied" : "replayed",
               "key=%s first=%" PRIu64 " at_ns=%" PRIu64, key, at->update.first.index, ob_now_ns());
    }
}

static void run_replay(struct ob_compute *compute, struct waiting *list) {
    struct ob_spsa_update updates[PASS_UPDATES];
    struct ob_error error = {0};
    uint64_t samples = 0;
    uint64_t start = ob_now_ns();
    enum ob_err failed = OB_OK;
    size_t count = 0;
    for (const struct waiting *at = list; at && !failed; at = at->next) {
        updates[count++] = at->update;
        samples += at->update.n;
        if (count == PASS_UPDATES || !at->next || at->next->unapply != at->unapply) {
            failed = at->unapply ? ob_replica_unapply(compute->options.replica, updates, count, &error)
                                 : ob_replica_apply(compute->options.replica, updates, count, &error);
            count = 0;
        }
    }
    if (failed)
        push_failure(compute, &error);
    else
        trace(compute, list);
    while (list) {
        struct waiting *next = list->next;
        free_waiting(list);
        list = next;
    }
    pthread_mutex_lock(&compute->lock);
    compute->view.samples_replayed += samples;
    compute->view.replay_seconds =
        smooth(compute->view.replay_seconds, ob_seconds_since(start) / (double)samples);
    pthread_mutex_unlock(&compute->lock);
}

static void run_digest(struct ob_compute *compute, const struct waiting *mark) {
    struct ob_result result = {.kind = OB_RESULT_DIGEST, .log = mark->log, .below = mark->below};
    struct ob_error error = {0};
    const struct ob_replica *replica = compute->options.replica;
    if (mark->possible && memory_is_right(compute) &&
        ob_rebuild_digest(replica, mark->without.items, mark->without.count, &result.weights, &error)) {
        push_failure(compute, &error);
        return;
    }
    result.overrange = ob_spsa_weights_overrange(&replica->engine, replica->weights);
    push_result(compute, &result);
}

static bool is_stopped(void *context) {
    struct ob_compute *compute = context;
    pthread_mutex_lock(&compute->lock);
    bool stop = compute->stop;
    pthread_mutex_unlock(&compute->lock);
    return stop;
}

/* The leaves that the memory check names, or all: then it was another peer who had something to say. */
static void run_rebuild(struct ob_compute *compute, struct ob_store *store) {
    struct ob_replica *replica = compute->options.replica;
    struct ob_rebuild_log log = {.store = store, .stopped = is_stopped, .context = compute, .verify = true};
    struct ob_result result = {.kind = OB_RESULT_REBUILT};
    struct ob_error error = {0};
    bool some =
        compute->wrong && ob_spsa_memory_check(&replica->engine, replica->weights, compute->wrong) > 0;
    enum ob_err failed = ob_rebuild_heal(replica, &log, some ? compute->wrong : NULL, &result.heal, &error);
    if (failed == OB_ESTATE)
        return;
    if (failed) {
        (void)ob_fail_within(&error, failed, "holding the weights against base and log");
        push_failure(compute, &error);
        return;
    }
    push_result(compute, &result);
}

static void run_task(struct ob_compute *compute, const struct waiting *mark) {
    struct ob_result result = {.kind = OB_RESULT_TASK, .task = mark->context};
    enum ob_err failed = mark->task(mark->context, &result.error);
    result.error.code = failed;
    push_result(compute, &result);
}

static void run_mark(struct ob_compute *compute, const struct waiting *mark) {
    if (mark->kind == WAITING_DIGEST)
        run_digest(compute, mark);
    else if (mark->kind == WAITING_REBUILD)
        run_rebuild(compute, mark->store);
    else
        run_task(compute, mark);
}

/* Takes what waits, one pass of it, up to the first mark: the digest must be of the records before it and no
 * others. Not all at once, so that leaving need not wait for a long log. */
static struct waiting *take_waiting(struct ob_compute *compute, struct waiting **ret_mark) {
    struct waiting *list = compute->head, **end = &list;
    size_t count = 0;
    while (*end && (*end)->kind == WAITING_RECORD && count < PASS_UPDATES) {
        compute->view.waiting_records--;
        compute->view.waiting_samples -= (*end)->update.n;
        compute->view.waiting_bytes -= bytes_of(*end);
        end = &(*end)->next;
        count++;
    }
    bool marked = *end && (*end)->kind != WAITING_RECORD;
    *ret_mark = marked ? *end : NULL;
    compute->head = marked ? (*end)->next : *end;
    if (!compute->head)
        compute->tail = &compute->head;
    *end = NULL;
    return list;
}

static void *serve(void *argument) {
    struct ob_compute *compute = argument;
    pthread_mutex_lock(&compute->lock);
    for (;;) {
        while (!compute->stop && !compute->head && !compute->has_round)
            pthread_cond_wait(&compute->work, &compute->lock);
        if (compute->stop)
            break;
        struct waiting *mark = NULL;
        struct waiting *list = take_waiting(compute, &mark);
        bool has_round = compute->has_round && !compute->head, dead = compute->failed;
        struct ob_round_job round = compute->round;
        if (has_round)
            compute->has_round = false;
        pthread_mutex_unlock(&compute->lock);
        if (list)
            run_replay(compute, list);
        if (mark && !dead)
            run_mark(compute, mark);
        if (mark)
            free_waiting(mark);
        if (has_round && !dead)
            run_round(compute, &round);
        pthread_mutex_lock(&compute->lock);
    }
    pthread_mutex_unlock(&compute->lock);
    return NULL;
}

/* Losses along a direction that is nobody's. */
static enum ob_err losses_to_choose_by(void *context, unsigned direction, double ret_losses[2],
                                       struct ob_error *error) {
    struct ob_compute *compute = context;
    struct ob_spsa_key key = {.bytes = "choosing products"};
    struct ob_spsa_losses losses;
    key.bytes[31] = (uint8_t)direction;
    enum ob_err failed = pair_loss(compute, &key, compute->options.epsilon, &losses, error);
    if (!failed) {
        ret_losses[0] = losses.plus;
        ret_losses[1] = losses.minus;
    }
    return failed;
}

static enum ob_err choose_products(struct ob_compute *compute, struct ob_error *error) {
    const struct ob_compute_options *o = &compute->options;
    struct ob_choices choices;
    if (strcmp(o->products, "auto") != 0)
        return ob_forward_use_named(compute->forward, o->products, error);
    ob_corpus_draw(o->corpus, o->seed, 0, o->batch, compute->batch);
    enum ob_err failed = ob_forward_choose(compute->forward, losses_to_choose_by, compute, &choices, error);
    if (!failed)
        (void)ob_choices_text(&choices, compute->view.products_measured);
    return failed;
}

static enum ob_err prepare(struct ob_compute *compute, struct ob_error *error) {
    const struct ob_compute_options *o = &compute->options;
    if (o->corpus) {
        const struct ob_replica *replica = o->replica;
        size_t tokens = o->batch * ob_corpus_item_tokens(o->corpus);
        size_t sequences = o->batch * ob_corpus_item_sequences(o->corpus);
        enum ob_err failed = ob_forward_new(&replica->model->config, tokens, sequences, replica->pool,
                                            &compute->forward, error);
        if (!failed)
            failed = ob_batch_new(sequences, tokens, &compute->batch, error);
        if (!failed)
            failed = ob_task_init(&compute->task, sequences, error);
        if (!failed)
            failed = choose_products(compute, error);
        if (!failed && o->prefix_memory_bytes + o->prefix_file_bytes > 0)
            failed = ob_forward_keep_prefix(compute->forward, o->prefix_memory_bytes, o->folder,
                                            o->prefix_file_bytes, error);
        if (failed)
            return failed;
        compute->view.forward_bytes = ob_forward_bytes(compute->forward);
        compute->view.products = ob_forward_products(compute->forward)->name;
    }
    if (o->memory_check_interval > 0) {
        const struct ob_spsa_weights *weights = o->replica->weights;
        assert(weights->sums);
        compute->wrong = calloc(ob_spsa_leaf_count(weights->tensors, weights->count), sizeof *compute->wrong);
        if (!compute->wrong)
            return ob_fail(error, OB_ENOMEM, "out of memory");
    }
    int failed = pthread_create(&compute->thread, NULL, serve, compute);
    if (failed)
        return ob_fail(error, OB_EIO, "cannot start the compute thread: %s", strerror(failed));
    compute->started = true;
    return OB_OK;
}

enum ob_err ob_compute_new(const struct ob_compute_options *options, struct ob_compute **ret_compute,
                           struct ob_error *error) {
    struct ob_compute *compute = calloc(1, sizeof *compute);
    if (!compute)
        return ob_fail(error, OB_ENOMEM, "out of memory");
    compute->options = *options;
    compute->view.products = "";
    compute->tail = &compute->head;
    pthread_mutex_init(&compute->lock, NULL);
    pthread_cond_init(&compute->work, NULL);
    enum ob_err failed = prepare(compute, error);
    if (failed) {
        ob_compute_free(compute);
        return failed;
    }
    *ret_compute = compute;
    return OB_OK;
}

void ob_compute_free(struct ob_compute *compute) {
    if (!compute)
        return;
    if (compute->started) {
        pthread_mutex_lock(&compute->lock);
        compute->stop = true;
        pthread_cond_signal(&compute->work);
        pthread_mutex_unlock(&compute->lock);
        pthread_join(compute->thread, NULL);
    }
    while (compute->head) {
        struct waiting *next = compute->head->next;
        free_waiting(compute->head);
        compute->head = next;
    }
    free(compute->wrong);
    ob_batch_free(compute->batch);
    ob_task_done(&compute->task);
    ob_forward_free(compute->forward);
    pthread_cond_destroy(&compute->work);
    pthread_mutex_destroy(&compute->lock);
    free(compute);
}

static void submit(struct ob_compute *compute, struct waiting *waiting) {
    pthread_mutex_lock(&compute->lock);
    *compute->tail = waiting;
    compute->tail = &waiting->next;
    if (waiting->kind == WAITING_RECORD) {
        compute->view.waiting_records++;
        compute->view.waiting_samples += waiting->update.n;
        compute->view.waiting_bytes += bytes_of(waiting);
    }
    pthread_cond_signal(&compute->work);
    pthread_mutex_unlock(&compute->lock);
}

static enum ob_err submit_record(struct ob_compute *compute, const struct ob_record *record, bool unapply,
                                 struct ob_error *error) {
    struct waiting *waiting = calloc(1, sizeof *waiting + record->n);
    if (!waiting)
        return ob_fail(error, OB_ENOMEM, "no memory for a record that waits to be replayed");
    waiting->unapply = unapply;
    waiting->update = ob_update_of(record);
    waiting->update.bytes = memcpy(waiting->bytes, record->bytes, record->n);
    submit(compute, waiting);
    return OB_OK;
}

enum ob_err ob_compute_apply(struct ob_compute *compute, const struct ob_record *record,
                             struct ob_error *error) {
    return submit_record(compute, record, false, error);
}

enum ob_err ob_compute_unapply(struct ob_compute *compute, const struct ob_record *record,
                               struct ob_error *error) {
    return submit_record(compute, record, true, error);
}

void ob_compute_round(struct ob_compute *compute, const struct ob_round_job *job) {
    assert(job->n >= 1 && compute->options.corpus);
    pthread_mutex_lock(&compute->lock);
    assert(!compute->has_round);
    compute->round = *job;
    compute->has_round = true;
    pthread_cond_signal(&compute->work);
    pthread_mutex_unlock(&compute->lock);
}

enum ob_err ob_compute_digest(struct ob_compute *compute, const struct ob_hash *log, uint32_t below,
                              struct ob_updates *without, struct ob_error *error) {
    struct waiting *mark = calloc(1, sizeof *mark);
    if (!mark) {
        if (without)
            ob_updates_done(without);
        return ob_fail(error, OB_ENOMEM, "no memory to ask for a digest");
    }
    mark->kind = WAITING_DIGEST;
    mark->log = *log;
    mark->below = below;
    if (without) {
        mark->possible = true;
        mark->without = *without;
        *without = (struct ob_updates){0};
    }
    submit(compute, mark);
    return OB_OK;
}

enum ob_err ob_compute_task(struct ob_compute *compute, ob_compute_task_fn run, void *context,
                            struct ob_error *error) {
    struct waiting *mark = calloc(1, sizeof *mark);
    if (!mark)
        return ob_fail(error, OB_ENOMEM, "no memory for a task");
    mark->kind = WAITING_TASK;
    mark->task = run;
    mark->context = context;
    submit(compute, mark);
    return OB_OK;
}

enum ob_err ob_compute_rebuild(struct ob_compute *compute, struct ob_store *log, struct ob_error *error) {
    struct waiting *mark = calloc(1, sizeof *mark);
    if (!mark) {
        ob_store_close(log);
        return ob_fail(error, OB_ENOMEM, "no memory to ask for a rebuild");
    }
    mark->kind = WAITING_REBUILD;
    mark->store = log;
    submit(compute, mark);
    return OB_OK;
}

void ob_compute_hurry(struct ob_compute *compute) {
    pthread_mutex_lock(&compute->lock);
    compute->hurry = true;
    pthread_mutex_unlock(&compute->lock);
}

bool ob_compute_take(struct ob_compute *compute, struct ob_result *ret_result) {
    pthread_mutex_lock(&compute->lock);
    bool any = compute->result_count > 0;
    if (any) {
        *ret_result = compute->results[compute->result_first];
        compute->result_first = (compute->result_first + 1) % RESULTS_MAX;
        compute->result_count--;
    }
    pthread_mutex_unlock(&compute->lock);
    return any;
}

struct ob_compute_view ob_compute_view(struct ob_compute *compute) {
    pthread_mutex_lock(&compute->lock);
    struct ob_compute_view view = compute->view;
    pthread_mutex_unlock(&compute->lock);
    return view;
}
