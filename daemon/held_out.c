#include "daemon/held_out.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "daemon/rows.h"
#include "daemon/sampling.h"

/* A pass of rows along a direction evaluates both sides at once and costs 1.2 to 2 passes of the rows alone. */
#define PASSES_PER_SAMPLE 1.2

/* Rows whose passes cost the share of those of an interval's rounds. */
static size_t rows_for(const struct ob_session *session) {
    const struct ob_config *config = session->config;
    struct ob_sampling sampling = ob_sampling_of(config, session->manifest);
    double samples = (double)ob_sampling_round(config, session->manifest);
    double rows_per_sample = (double)sampling.rows_per_sample;
    double passes = PASSES_PER_SAMPLE * samples * rows_per_sample * (double)config->held_out_interval;
    double rows = floor(passes * config->held_out_share / 100);
    return rows < 1 ? 1 : rows > 1e9 ? (size_t)1e9 : (size_t)rows;
}

enum ob_err ob_held_out_open(struct ob_held_out *held_out, const struct ob_session *session,
                             struct ob_tokenizer **tokenizer, struct ob_error *error) {
    *held_out = (struct ob_held_out){.session = session, .start_ns = ob_now_ns()};
    atomic_init(&held_out->stop, false);
    if (session->config->held_out[0] == 0)
        return OB_OK;
    enum ob_err failed = ob_rows_held_out(session->config, &session->replica->model->config,
                                          session->replica->pool, tokenizer, &held_out->corpus, error);
    if (!failed)
        failed = ob_evaluator_new(session->replica, held_out->corpus, rows_for(session),
                                  (size_t)session->config->batch, &held_out->evaluator, error);
    if (!failed)
        ob_log(session->logger, OB_LOG_INFO, "held-out", "rows=%zu of=%zu interval=%lld",
               ob_evaluator_rows(held_out->evaluator), ob_corpus_items(held_out->corpus),
               (long long)session->config->held_out_interval);
    return failed;
}

void ob_held_out_hurry(struct ob_held_out *held_out) {
    atomic_store(&held_out->stop, true);
}

static void drop_job(struct ob_held_out *held_out) {
    if (held_out->job)
        ob_updates_done(&held_out->job->without);
    free(held_out->job);
    held_out->job = NULL;
}

void ob_held_out_close(struct ob_held_out *held_out) {
    drop_job(held_out);
    ob_evaluator_free(held_out->evaluator);
    ob_corpus_free(held_out->corpus);
    held_out->evaluator = NULL;
    held_out->corpus = NULL;
}

static bool is_stopped(void *context) {
    return atomic_load((atomic_bool *)context);
}

/* In the compute thread. */
static enum ob_err run(void *context, struct ob_error *error) {
    struct ob_held_out_job *job = context;
    uint64_t start = ob_now_ns();
    enum ob_err failed =
        ob_evaluator_run(job->evaluator, &job->without, is_stopped, job->stop, &job->score, error);
    job->seconds = ob_seconds_since(start);
    return failed;
}

static bool is_wanted(const struct ob_held_out *held_out, uint32_t below, const struct ob_hash *log) {
    uint32_t interval = (uint32_t)held_out->session->config->held_out_interval;
    bool due = below == OB_ROUNDS_ALL ? ob_peer_life(held_out->session->peer) == OB_PEER_FINISHED
                                      : below % interval == 0;
    return held_out->evaluator && !held_out->job && due && !atomic_load(&held_out->stop) &&
           !(held_out->evaluations > 0 && ob_hash_equal(&held_out->asked_log, log));
}

bool ob_held_out_affords(const struct ob_held_out *held_out, unsigned passes) {
    double limit = held_out->session->config->held_out_share / 100;
    double spent = held_out->seconds - held_out->base_seconds + passes * held_out->last_seconds;
    return spent <= limit * ob_seconds_since(held_out->start_ns);
}

void ob_held_out_spent(struct ob_held_out *held_out, unsigned passes, double seconds) {
    held_out->seconds += seconds;
    held_out->last_seconds = seconds / passes;
}

/* The share of the time keeps to its bound, whatever the passes cost: then a frontier is left out. The base and the end are
 * never. */
static bool is_affordable(const struct ob_held_out *held_out, uint32_t below) {
    return below == 0 || below == OB_ROUNDS_ALL || (!held_out->yields && ob_held_out_affords(held_out, 1));
}

static enum ob_err collect(void *context, const struct ob_record *record, struct ob_error *error) {
    return ob_updates_add(context, record, error);
}

enum ob_err ob_held_out_offer(struct ob_held_out *held_out, uint32_t below, uint32_t end,
                              const struct ob_hash *log, struct ob_error *error) {
    const struct ob_session *session = held_out->session;
    if (!is_wanted(held_out, below, log) || !is_affordable(held_out, below))
        return OB_OK;
    struct ob_held_out_job *job = calloc(1, sizeof *job);
    if (!job)
        return OB_OK; /* not this time */
    *job = (struct ob_held_out_job){.evaluator = held_out->evaluator,
                                    .stop = &held_out->stop,
                                    .below = below == OB_ROUNDS_ALL ? end : below,
                                    .log = *log};
    held_out->job = job;
    enum ob_err failed =
        below == OB_ROUNDS_ALL || below == 0
            ? OB_OK
            : ob_store_since(session->store, (struct ob_round){below}, collect, &job->without, error);
    bool too_many = failed == OB_ETOOBIG || failed == OB_ENOMEM;
    if (!failed)
        failed = ob_compute_task(session->compute, run, job, error);
    if (failed)
        drop_job(held_out);
    else
        held_out->asked_log = *log;
    return too_many ? OB_OK : failed;
}

bool ob_held_out_done(struct ob_held_out *held_out, const void *task, const struct ob_error *how,
                      struct ob_score *ret_score, struct ob_event *ret_event, bool *ret_evaluated) {
    const struct ob_held_out_job *job = held_out->job;
    char text[600];
    *ret_evaluated = false;
    if (!job || task != job)
        return false;
    held_out->evaluations++;
    ob_held_out_spent(held_out, 1, job->seconds);
    held_out->base_seconds += job->below == 0 ? job->seconds : 0;
    held_out->not_finite = how->code == OB_ENOTFINITE;
    if (how->code && how->code != OB_ESTATE)
        ob_log(held_out->session->logger, OB_LOG_WARN, "held-out", "round=%u text=%s", job->below,
               ob_logger_quote(how->text, text, sizeof text));
    if (!how->code) {
        *ret_evaluated = true;
        *ret_score = job->score;
        *ret_event = (struct ob_event){
            .kind = OB_EVENT_EVALUATED, .below = job->below, .log = job->log, .score = ret_score};
        ob_log(held_out->session->logger, OB_LOG_INFO, "held-out",
               "round=%u loss=%.4f error=%.4f rows=%llu seconds=%.3f", job->below, ob_score_loss(&job->score),
               ob_score_loss_error(&job->score), (unsigned long long)job->score.items, job->seconds);
    }
    drop_job(held_out);
    return true;
}
