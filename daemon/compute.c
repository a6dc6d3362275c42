#include "daemon/compute.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct ob_compute {
    struct ob_compute_queue queue;
    struct ob_compute_jobs jobs;
    pthread_t thread;
    bool started;
};

static void *serve(void *argument) {
    struct ob_compute *compute = argument;
    struct ob_turn turn;
    while (ob_compute_queue_take(&compute->queue, &turn))
        ob_compute_jobs_run(&compute->jobs, &turn);
    return NULL;
}

enum ob_err ob_compute_new(const struct ob_compute_options *options, struct ob_compute **ret_compute,
                           struct ob_error *error) {
    struct ob_compute *compute = calloc(1, sizeof *compute);
    if (!compute)
        return ob_fail(error, OB_ENOMEM, "not enough memory for the compute thread");
    ob_compute_queue_init(&compute->queue, options->wake, options->context);
    ob_compute_queue_share(&compute->queue, options->cpu_share);
    enum ob_err failed = ob_compute_jobs_init(&compute->jobs, options, &compute->queue, error);
    int code = failed ? 0 : pthread_create(&compute->thread, NULL, serve, compute);
    if (code)
        failed = ob_fail(error, OB_EIO, "cannot start the compute thread: %s", strerror(code));
    if (failed) {
        ob_compute_free(compute);
        return failed;
    }
    compute->started = true;
    *ret_compute = compute;
    return OB_OK;
}

bool ob_compute_stop(struct ob_compute *compute, unsigned timeout_ms) {
    if (!compute || !compute->started)
        return true;
    ob_compute_queue_stop(&compute->queue);
    return ob_compute_queue_ended(&compute->queue, timeout_ms);
}

void ob_compute_free(struct ob_compute *compute) {
    if (!compute)
        return;
    if (compute->started) {
        ob_compute_queue_stop(&compute->queue);
        pthread_join(compute->thread, NULL);
    }
    ob_compute_jobs_done(&compute->jobs);
    ob_compute_queue_done(&compute->queue);
    free(compute);
}

static enum ob_err submit_record(struct ob_compute *compute, const struct ob_record *record, bool unapply,
                                 struct ob_error *error) {
    struct ob_job *job = calloc(1, sizeof *job + record->n);
    if (!job)
        return ob_fail(error, OB_ENOMEM, "not enough memory to queue a record for replay");
    job->kind = OB_JOB_RECORD;
    job->unapply = unapply;
    job->update = ob_update_of(record);
    job->update.bytes = memcpy(job->bytes, record->bytes, record->n);
    ob_compute_queue_submit(&compute->queue, job);
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
    assert(job->n >= 1 && compute->jobs.options.corpus);
    ob_compute_queue_round(&compute->queue, job);
}

enum ob_err ob_compute_digest(struct ob_compute *compute, const struct ob_hash *log, uint32_t below,
                              struct ob_updates *without, struct ob_error *error) {
    struct ob_job *mark = calloc(1, sizeof *mark);
    if (!mark) {
        if (without)
            ob_updates_done(without);
        return ob_fail(error, OB_ENOMEM, "not enough memory to queue a digest");
    }
    mark->kind = OB_JOB_DIGEST;
    mark->log = *log;
    mark->below = below;
    if (without) {
        mark->possible = true;
        mark->without = *without;
        *without = (struct ob_updates){0};
    }
    ob_compute_queue_submit(&compute->queue, mark);
    return OB_OK;
}

enum ob_err ob_compute_task(struct ob_compute *compute, ob_compute_task_fn run, void *context,
                            struct ob_error *error) {
    struct ob_job *mark = calloc(1, sizeof *mark);
    if (!mark)
        return ob_fail(error, OB_ENOMEM, "not enough memory to queue a task");
    mark->kind = OB_JOB_TASK;
    mark->task = run;
    mark->context = context;
    ob_compute_queue_submit(&compute->queue, mark);
    return OB_OK;
}

enum ob_err ob_compute_rebuild(struct ob_compute *compute, struct ob_store *log, struct ob_error *error) {
    struct ob_job *mark = calloc(1, sizeof *mark);
    if (!mark) {
        ob_store_close(log);
        return ob_fail(error, OB_ENOMEM, "not enough memory to queue a rebuild");
    }
    mark->kind = OB_JOB_REBUILD;
    mark->store = log;
    ob_compute_queue_submit(&compute->queue, mark);
    return OB_OK;
}

void ob_compute_end_round(struct ob_compute *compute) {
    ob_compute_queue_end_round(&compute->queue);
}

void ob_compute_share(struct ob_compute *compute, double share) {
    ob_compute_queue_share(&compute->queue, share);
}

void ob_compute_hurry(struct ob_compute *compute) {
    ob_compute_queue_hurry(&compute->queue);
}

bool ob_compute_abandon(struct ob_compute *compute, struct ob_result *ret_result) {
    return ob_compute_queue_abandon(&compute->queue, ret_result);
}

bool ob_compute_take(struct ob_compute *compute, struct ob_result *ret_result) {
    return ob_compute_queue_result(&compute->queue, ret_result);
}

struct ob_compute_view ob_compute_view(struct ob_compute *compute) {
    return ob_compute_queue_view(&compute->queue);
}
