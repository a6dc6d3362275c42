#include "daemon/audit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "daemon/names.h"

struct ob_audit_job {
    struct ob_evaluator *evaluator;
    atomic_bool *stop;
    struct ob_machine_id machine;
    uint32_t below;
    struct ob_updates without; /* what is above the frontier, and behind it what stood out */
    size_t above;              /* how many are above */
    struct ob_score score, score_without;
    double seconds;
};

static void drop_job(struct ob_audit *audit) {
    if (audit->job)
        ob_updates_done(&audit->job->without);
    free(audit->job);
    audit->job = NULL;
}

void ob_audit_close(struct ob_audit *audit) {
    drop_job(audit);
}

static struct ob_suspect *find(const struct ob_audit *audit, const struct ob_machine_id *machine) {
    for (size_t i = 0; i < audit->count; i++)
        if (ob_machine_equal(&audit->suspects[i].machine, machine))
            return (struct ob_suspect *)&audit->suspects[i];
    return NULL;
}

void ob_audit_suspect(struct ob_audit *audit, const struct ob_machine_id *machine, uint64_t from) {
    struct ob_suspect *suspect = find(audit, machine);
    if (!audit->held_out->evaluator)
        return;
    if (!suspect && audit->count < OB_AUDIT_SUSPECTS)
        suspect = &audit->suspects[audit->count++];
    if (suspect) /* when so many stand out the log names the others all the same */
        *suspect = (struct ob_suspect){.machine = *machine, .from = from, .frontiers = OB_AUDIT_FRONTIERS};
}

void ob_audit_frontier(struct ob_audit *audit, uint32_t below) {
    audit->below = below;
}

/* ---- the compute thread ---- */

static bool is_stopped(void *stop) {
    return atomic_load((atomic_bool *)stop);
}

/* A loss that is not finite is a result as well. */
static enum ob_err evaluate(const struct ob_audit_job *job, size_t count, struct ob_score *ret_score,
                            struct ob_error *error) {
    struct ob_updates without = job->without;
    without.count = count;
    enum ob_err failed = ob_evaluator_run(job->evaluator, &without, is_stopped, job->stop, ret_score, error);
    return failed == OB_ENOTFINITE ? OB_OK : failed;
}

static enum ob_err run(void *context, struct ob_error *error) {
    struct ob_audit_job *job = context;
    uint64_t start = ob_now_ns();
    enum ob_err failed = evaluate(job, job->above, &job->score, error);
    if (!failed)
        failed = evaluate(job, job->without.count, &job->score_without, error);
    job->seconds = ob_seconds_since(start);
    return failed;
}

/* ---- the network thread ---- */

static enum ob_err collect(void *context, const struct ob_record *record, struct ob_error *error) {
    struct ob_audit_job *job = context;
    return ob_updates_add(&job->without, record, error);
}

static enum ob_err collect_below(void *context, const struct ob_record *record, struct ob_error *error) {
    struct ob_audit_job *job = context;
    return record->round.index < job->below ? ob_updates_add(&job->without, record, error) : OB_OK;
}

static enum ob_err gather(const struct ob_audit *audit, const struct ob_suspect *suspect,
                          struct ob_audit_job *job, struct ob_error *error) {
    struct ob_store *store = audit->session->store;
    enum ob_err failed = ob_store_since(store, (struct ob_round){job->below}, collect, job, error);
    job->above = job->without.count;
    return failed ? failed
                  : ob_store_from(store, &suspect->machine, (struct ob_sample){suspect->from}, collect_below,
                                  job, error);
}

static enum ob_err start(struct ob_audit *audit, struct ob_suspect *suspect, struct ob_error *error) {
    struct ob_audit_job *job = calloc(1, sizeof *job);
    if (!job)
        return OB_OK; /* not this time */
    *job = (struct ob_audit_job){.evaluator = audit->held_out->evaluator,
                                 .stop = &audit->held_out->stop,
                                 .machine = suspect->machine,
                                 .below = audit->below};
    audit->job = job;
    suspect->looked_at = audit->below;
    enum ob_err failed = gather(audit, suspect, job, error);
    bool nothing = !failed && job->without.count == job->above;
    bool too_many = failed == OB_ETOOBIG || failed == OB_ENOMEM; /* then perhaps at the next frontier */
    if (!failed && !nothing)
        failed = ob_compute_task(audit->session->compute, run, job, error);
    if (failed || nothing)
        drop_job(audit);
    return too_many ? OB_OK : failed;
}

static bool is_due(const struct ob_audit *audit, const struct ob_suspect *suspect) {
    return suspect->frontiers > 0 && suspect->looked_at != audit->below;
}

/* Whose records do not stand out any more was cut. */
static void forget_cut(struct ob_audit *audit) {
    for (size_t i = audit->count; i-- > 0;) {
        const struct ob_movement *m = ob_movements_of(audit->session->movements, &audit->suspects[i].machine);
        if (!m || !m->outlier)
            audit->suspects[i] = audit->suspects[--audit->count];
    }
}

enum ob_err ob_audit_tend(struct ob_audit *audit, struct ob_error *error) {
    struct ob_held_out *held_out = audit->held_out;
    if (audit->count == 0 || audit->job || audit->below == 0 || atomic_load(&held_out->stop))
        return OB_OK;
    forget_cut(audit);
    size_t due = 0;
    for (size_t i = 0; i < audit->count; i++)
        due += is_due(audit, &audit->suspects[i]);
    held_out->yields = due > 0;
    if (due == 0 || !ob_held_out_affords(held_out, 2))
        return OB_OK;
    do
        audit->next = (audit->next + 1) % audit->count;
    while (!is_due(audit, &audit->suspects[audit->next]));
    return start(audit, &audit->suspects[audit->next], error);
}

static double loss_of(const struct ob_score *score) {
    return score->items > 0 ? ob_score_loss(score) : (double)NAN;
}

bool ob_audit_is_worse(const struct ob_audit_result *result) {
    return result->below > 0 && isfinite(result->loss_without) && !(result->loss <= result->loss_without);
}

static void tell(const struct ob_audit *audit, const struct ob_suspect *suspect, double seconds) {
    const struct ob_session *session = audit->session;
    const struct ob_audit_result *result = &suspect->result;
    char buffer[64], text[OB_HISTORY_TEXT_MAX], quoted[600];
    const char *name = ob_machine_name(session->config, session->peer, &suspect->machine, buffer);
    bool worse = ob_audit_is_worse(result);
    (void)snprintf(text, sizeof text,
                   "held-out loss at round %u: %.4f with all records, %.4f without its samples from %llu on "
                   "(%llu rows)%s%s%s",
                   result->below, result->loss, result->loss_without, (unsigned long long)suspect->from,
                   (unsigned long long)result->rows,
                   worse ? ": the run is worse for them; use `onebyte quarantine "
                         : ": the run is not worse for them",
                   worse ? name : "", worse ? "`" : "");
    ob_diary_event(audit->diary, "audit", name, text);
    if (ob_line_may(session->lines, session->logger, "audit"))
        ob_log(session->logger, worse ? OB_LOG_ERROR : OB_LOG_WARN, "audit",
               "machine=%s round=%u loss=%.4f loss_without=%.4f rows=%llu seconds=%.3f text=%s", name,
               result->below, result->loss, result->loss_without, (unsigned long long)result->rows, seconds,
               ob_logger_quote(text, quoted, sizeof quoted));
}

bool ob_audit_done(struct ob_audit *audit, const void *task, const struct ob_error *how) {
    const struct ob_audit_job *job = audit->job;
    char quoted[600];
    if (!job || task != job)
        return false;
    struct ob_suspect *suspect = find(audit, &job->machine);
    ob_held_out_spent(audit->held_out, 2, job->seconds);
    if (how->code && how->code != OB_ESTATE)
        ob_log(audit->session->logger, OB_LOG_WARN, "audit", "round=%u text=%s", job->below,
               ob_logger_quote(how->text, quoted, sizeof quoted));
    if (suspect && !how->code) {
        suspect->frontiers--;
        suspect->result = (struct ob_audit_result){.below = job->below,
                                                   .loss = loss_of(&job->score),
                                                   .loss_without = loss_of(&job->score_without),
                                                   .rows = ob_evaluator_rows(job->evaluator)};
        tell(audit, suspect, job->seconds);
    }
    drop_job(audit);
    return true;
}

const struct ob_audit_result *ob_audit_of(const struct ob_audit *audit, const struct ob_machine_id *machine) {
    const struct ob_suspect *suspect = find(audit, machine);
    return suspect && suspect->result.below > 0 ? &suspect->result : NULL;
}
