#include "daemon/compute_queue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "desk/throttle.h"

#define PASS_UPDATES  1024 /* records of one replay pass at most */
#define SLICE_SAMPLES 64   /* are replayed in any case */

void ob_job_free(struct ob_job *job) {
    ob_updates_done(&job->without);
    ob_store_close(job->store);
    free(job);
}

static size_t bytes_of(const struct ob_job *job) {
    return sizeof *job + job->update.n;
}

/* A mean that forgets: about the last twenty. */
static double smooth(double mean, double value) {
    return mean == 0.0 ? value : mean + 0.05 * (value - mean);
}

void ob_compute_queue_init(struct ob_compute_queue *q, void (*wake)(void *context), void *context) {
    pthread_condattr_t monotonic;
    *q = (struct ob_compute_queue){.wake = wake, .context = context, .view = {.products = "", .loops = ""}};
    q->tail = &q->head;
    pthread_mutex_init(&q->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&q->work, &monotonic);
    pthread_cond_init(&q->ended, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

void ob_compute_queue_done(struct ob_compute_queue *q) {
    while (q->head) {
        struct ob_job *next = q->head->next;
        ob_job_free(q->head);
        q->head = next;
    }
    pthread_cond_destroy(&q->ended);
    pthread_cond_destroy(&q->work);
    pthread_mutex_destroy(&q->lock);
}

/* ---- the network thread ---- */

void ob_compute_queue_submit(struct ob_compute_queue *q, struct ob_job *job) {
    pthread_mutex_lock(&q->lock);
    *q->tail = job;
    q->tail = &job->next;
    if (job->kind == OB_JOB_RECORD) {
        q->view.waiting_records++;
        q->view.waiting_samples += job->update.n;
        q->view.waiting_bytes += bytes_of(job);
    }
    pthread_cond_signal(&q->work);
    pthread_mutex_unlock(&q->lock);
}

void ob_compute_queue_round(struct ob_compute_queue *q, const struct ob_round_job *round) {
    pthread_mutex_lock(&q->lock);
    assert(!q->has_round && !q->in_round);
    q->round = *round;
    q->has_round = true;
    q->cut = false;
    pthread_cond_signal(&q->work);
    pthread_mutex_unlock(&q->lock);
}

void ob_compute_queue_end_round(struct ob_compute_queue *q) {
    pthread_mutex_lock(&q->lock);
    q->cut = q->has_round || q->in_round;
    pthread_cond_signal(&q->work);
    pthread_mutex_unlock(&q->lock);
}

void ob_compute_queue_share(struct ob_compute_queue *q, double share) {
    pthread_mutex_lock(&q->lock);
    q->share = share;
    pthread_mutex_unlock(&q->lock);
}

void ob_compute_queue_hurry(struct ob_compute_queue *q) {
    pthread_mutex_lock(&q->lock);
    q->hurry = true;
    pthread_cond_signal(&q->work);
    pthread_mutex_unlock(&q->lock);
}

static void finish_partial(struct ob_compute_queue *q) {
    q->partial.kind = OB_RESULT_ROUND;
    q->partial.loss = q->partial.n ? q->loss_sum / q->partial.n : 0.0;
    q->in_round = false;
}

bool ob_compute_queue_abandon(struct ob_compute_queue *q, struct ob_result *ret_result) {
    pthread_mutex_lock(&q->lock);
    bool any = q->has_round || q->in_round;
    if (q->has_round)
        q->partial = (struct ob_result){.kind = OB_RESULT_ROUND}; /* it has not begun */
    if (q->in_round)
        finish_partial(q);
    q->has_round = false;
    q->hurry = true;
    pthread_cond_signal(&q->work);
    if (any)
        *ret_result = q->partial;
    pthread_mutex_unlock(&q->lock);
    return any;
}

void ob_compute_queue_stop(struct ob_compute_queue *q) {
    pthread_mutex_lock(&q->lock);
    q->stop = true;
    pthread_cond_signal(&q->work);
    pthread_mutex_unlock(&q->lock);
}

static struct timespec from_now(uint64_t ns) {
    uint64_t at = ob_now_ns() + ns;
    return (struct timespec){.tv_sec = (time_t)(at / OB_SECOND_NS), .tv_nsec = (long)(at % OB_SECOND_NS)};
}

bool ob_compute_queue_ended(struct ob_compute_queue *q, unsigned timeout_ms) {
    struct timespec until = from_now((uint64_t)timeout_ms * 1000000);
    pthread_mutex_lock(&q->lock);
    while (!q->idle && pthread_cond_timedwait(&q->ended, &q->lock, &until) == 0)
        ;
    bool ended = q->idle;
    pthread_mutex_unlock(&q->lock);
    return ended;
}

bool ob_compute_queue_result(struct ob_compute_queue *q, struct ob_result *ret_result) {
    pthread_mutex_lock(&q->lock);
    bool any = q->result_count > 0;
    if (any) {
        *ret_result = q->results[q->result_first];
        q->result_first = (q->result_first + 1) % OB_COMPUTE_RESULTS;
        q->result_count--;
    }
    pthread_mutex_unlock(&q->lock);
    return any;
}

struct ob_compute_view ob_compute_queue_view(struct ob_compute_queue *q) {
    pthread_mutex_lock(&q->lock);
    struct ob_compute_view view = q->view;
    view.round_waits = q->has_round && q->head != NULL && !q->current;
    pthread_mutex_unlock(&q->lock);
    return view;
}

/* ---- the compute thread ---- */

/* So many samples are replayed in the time of these evaluations. */
static uint64_t slice_of(const struct ob_compute_queue *q, uint64_t evaluations) {
    const struct ob_compute_view *view = &q->view;
    if (view->replay_seconds <= 0 || view->sample_seconds <= 0)
        return UINT64_MAX; /* not known yet */
    double samples = (double)evaluations * view->sample_seconds / view->replay_seconds;
    return samples < SLICE_SAMPLES ? SLICE_SAMPLES : samples < 1e15 ? (uint64_t)samples : UINT64_MAX;
}

/* One pass of records, up to the first mark, of about so many samples. Not all at once, so that leaving need not wait for a
 * long log. */
static void take_records(struct ob_compute_queue *q, uint64_t samples, struct ob_turn *turn) {
    struct ob_job **end = &q->head;
    size_t count = 0;
    uint64_t taken = 0;
    turn->records = q->head;
    while (*end && (*end)->kind == OB_JOB_RECORD && count < PASS_UPDATES && (count == 0 || taken < samples)) {
        taken += (*end)->update.n;
        q->view.waiting_records--;
        q->view.waiting_samples -= (*end)->update.n;
        q->view.waiting_bytes -= bytes_of(*end);
        end = &(*end)->next;
        count++;
    }
    bool marked = *end && (*end)->kind != OB_JOB_RECORD;
    turn->mark = marked ? *end : NULL;
    struct ob_job *rest = marked ? (*end)->next : *end;
    *end = NULL;
    if (count == 0)
        turn->records = NULL;
    if (turn->mark)
        turn->mark->next = NULL;
    q->head = rest;
    if (!rest)
        q->tail = &q->head;
}

bool ob_compute_queue_take(struct ob_compute_queue *q, struct ob_turn *ret_turn) {
    pthread_mutex_lock(&q->lock);
    while (!q->stop && !q->head && !q->has_round)
        pthread_cond_wait(&q->work, &q->lock);
    *ret_turn = (struct ob_turn){.dead = q->failed};
    bool stop = q->stop, goes_on = q->has_round && q->current;
    if (!stop)
        take_records(q, goes_on ? slice_of(q, q->round.n) : UINT64_MAX, ret_turn);
    if (!stop && q->has_round && (!q->head || goes_on)) {
        q->current = q->current || !q->head;
        ret_turn->has_round = true;
        ret_turn->round = q->round;
        q->has_round = false;
        q->in_round = true;
        q->partial = (struct ob_result){0};
        q->loss_sum = 0;
    }
    if (stop) {
        q->idle = true;
        pthread_cond_signal(&q->ended);
    }
    pthread_mutex_unlock(&q->lock);
    return !stop;
}

struct ob_job *ob_compute_queue_slice(struct ob_compute_queue *q) {
    struct ob_turn turn = {0};
    pthread_mutex_lock(&q->lock);
    if (q->head && q->head->kind == OB_JOB_RECORD && !q->stop) {
        struct ob_job *mark = NULL;
        take_records(q, slice_of(q, 1), &turn);
        if ((mark = turn.mark)) { /* it keeps its place */
            mark->next = q->head;
            if (!q->head)
                q->tail = &mark->next;
            q->head = mark;
        }
    }
    pthread_mutex_unlock(&q->lock);
    return turn.records;
}

static bool is_to_end(const struct ob_compute_queue *q) {
    return q->stop || q->hurry || (q->cut && q->in_round);
}

void ob_compute_queue_rest(struct ob_compute_queue *q, double cpu_s, double wall_s, unsigned processors) {
    uint64_t begun = ob_now_ns();
    pthread_mutex_lock(&q->lock);
    double rest_s = ob_throttle_rest_s(cpu_s, wall_s, q->share, processors);
    if (rest_s > 0) {
        struct timespec until = from_now((uint64_t)(rest_s * (double)OB_SECOND_NS));
        while (!is_to_end(q) && pthread_cond_timedwait(&q->work, &q->lock, &until) == 0)
            ;
        q->view.rest_seconds += ob_seconds_since(begun);
    }
    pthread_mutex_unlock(&q->lock);
}

bool ob_compute_queue_is_stopped(struct ob_compute_queue *q) {
    pthread_mutex_lock(&q->lock);
    bool stop = q->stop;
    pthread_mutex_unlock(&q->lock);
    return stop;
}

bool ob_compute_queue_goes_on(struct ob_compute_queue *q) {
    pthread_mutex_lock(&q->lock);
    bool on = !q->hurry && !q->cut && !q->stop && q->in_round;
    pthread_mutex_unlock(&q->lock);
    return on;
}

void ob_compute_queue_kept(struct ob_compute_queue *q, size_t frozen_bytes,
                           const struct ob_prefix_counters *prefix) {
    pthread_mutex_lock(&q->lock);
    q->view.frozen_bytes = frozen_bytes;
    q->view.prefix = *prefix;
    pthread_mutex_unlock(&q->lock);
}

void ob_compute_queue_sample(struct ob_compute_queue *q, uint8_t byte, double loss, double seconds) {
    pthread_mutex_lock(&q->lock);
    q->view.samples_evaluated++;
    q->view.sample_seconds = smooth(q->view.sample_seconds, seconds);
    if (q->in_round) { /* else it was abandoned meanwhile: this sample did not happen */
        q->partial.bytes[q->partial.n++] = byte;
        q->loss_sum += loss;
    }
    pthread_mutex_unlock(&q->lock);
}

void ob_compute_queue_curvature(struct ob_compute_queue *q, const struct ob_spsa_curvature *curvature) {
    pthread_mutex_lock(&q->lock);
    q->view.curvature = *curvature;
    pthread_mutex_unlock(&q->lock);
}

static void push_locked(struct ob_compute_queue *q, const struct ob_result *result) {
    assert(q->result_count < OB_COMPUTE_RESULTS);
    q->results[(q->result_first + q->result_count++) % OB_COMPUTE_RESULTS] = *result;
    if (result->kind == OB_RESULT_FAILED)
        q->failed = true;
}

void ob_compute_queue_round_done(struct ob_compute_queue *q) {
    pthread_mutex_lock(&q->lock);
    bool wanted = q->in_round;
    if (wanted) {
        finish_partial(q);
        push_locked(q, &q->partial);
    }
    pthread_mutex_unlock(&q->lock);
    if (wanted)
        q->wake(q->context);
}

void ob_compute_queue_push(struct ob_compute_queue *q, const struct ob_result *result) {
    pthread_mutex_lock(&q->lock);
    push_locked(q, result);
    pthread_mutex_unlock(&q->lock);
    q->wake(q->context);
}

void ob_compute_queue_push_failure(struct ob_compute_queue *q, const struct ob_error *error) {
    struct ob_result result = {.kind = OB_RESULT_FAILED};
    memcpy(result.text, error->text, sizeof result.text);
    ob_compute_queue_push(q, &result);
}

void ob_compute_queue_replayed(struct ob_compute_queue *q, uint64_t samples, double seconds) {
    pthread_mutex_lock(&q->lock);
    q->view.samples_replayed += samples;
    q->view.replay_total_s += seconds;
    q->view.replay_seconds = smooth(q->view.replay_seconds, seconds / (double)samples);
    pthread_mutex_unlock(&q->lock);
}

void ob_compute_queue_checked(struct ob_compute_queue *q, bool found_something) {
    pthread_mutex_lock(&q->lock);
    q->view.memory_checks++;
    q->view.memory_faults += found_something;
    pthread_mutex_unlock(&q->lock);
}
