#include "daemon/perform.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "daemon/names.h"
#include "peer/message.h"

#define SMALL_BYTES 1024

static const char *name_of(const struct ob_performer *p, const struct ob_machine_id *machine,
                           char buffer[64]) {
    return ob_machine_name(p->session->config, p->session->peer, machine, buffer);
}

/* Serving: records of one chain into one message, as many as fit. */
struct serving {
    struct ob_message_records message;
    uint32_t most;       /* records; 0: as many as fit */
    const uint8_t *last; /* in the buffer … */
    size_t last_bytes;   /* … or 0: none */
    uint8_t buffer[OB_MESSAGE_MAX];
};

static enum ob_err serve_record(void *context, const struct ob_record *record, struct ob_error *error) {
    struct serving *serving = context;
    uint8_t data[OB_RECORD_BYTES_MAX];
    size_t bytes = ob_record_encode(record, data);
    if ((serving->most == 0 || serving->message.count < serving->most) &&
        ob_message_records_add(&serving->message, data, bytes)) {
        serving->last = serving->message.writer.start + serving->message.writer.used - bytes;
        serving->last_bytes = bytes;
        return OB_OK;
    }
    return ob_fail(error, OB_ENOTFOUND, "the message is full");
}

/* The last record's signature covers what the log says of all before it. */
static bool is_signed(const struct ob_performer *p, const struct serving *serving) {
    const struct ob_manifest *manifest = p->session->manifest;
    struct ob_record last;
    return serving->last_bytes == 0 ||
           (ob_record_decode(serving->last, serving->last_bytes, &manifest->bounds, &last, NULL) == OB_OK &&
            ob_record_verify(&manifest->run, &last));
}

struct answering {
    struct ob_performer *p;
    const struct ob_waiting_question *question;
};

/* Rows are input like any other. Who asked for what cannot be served asks somebody else meanwhile. */
static enum ob_err answer(void *context, struct ob_error *error) {
    const struct answering *answering = context;
    const struct ob_session *session = answering->p->session;
    const struct ob_waiting_question *question = answering->question;
    const struct ob_effect_serve *serve = &question->serve;
    struct serving serving;
    size_t capacity = serve->bytes_max < sizeof serving.buffer ? serve->bytes_max : sizeof serving.buffer;
    serving.most = serve->count;
    serving.last_bytes = 0;
    ob_message_records_start(&serving.message, &session->manifest->run, serving.buffer, capacity);
    enum ob_err failed =
        ob_store_from(session->store, &serve->of, serve->first, serve_record, &serving, error);
    if (failed == OB_EFORMAT || (!failed && !is_signed(answering->p, &serving))) {
        ob_mend_look(answering->p->mend, &serve->of, serve->first);
        return OB_OK;
    }
    if (failed)
        return failed;
    size_t bytes = ob_message_records_end(&serving.message);
    serving.buffer[1] = ob_peer_speaks(session->peer, &question->machine);
    ob_answers_paid(answering->p->answers, &question->machine, bytes, ob_now_ns());
    (void)ob_transport_send(session->transport, &question->machine, serving.buffer, bytes);
    return OB_OK;
}

enum ob_err ob_perform_answers(struct ob_performer *p, struct ob_error *error) {
    struct ob_waiting_question question;
    struct answering answering = {p, &question};
    enum ob_err failed = OB_OK;
    while (!failed && ob_answers_next(p->answers, ob_now_ns(), &question))
        failed = ob_disk_full_retry(p->disk, answer, &answering, error);
    return failed;
}

/* What is small is not counted: questions of our own, heartbeats. */
static void send_paid(struct ob_performer *p, const struct ob_effect *effect) {
    if (effect->bytes > SMALL_BYTES &&
        !ob_answers_pay(p->answers, &effect->machine, effect->bytes, ob_now_ns()))
        return;
    (void)ob_transport_send(p->session->transport, &effect->machine, effect->data, effect->bytes);
}

static enum ob_err persist_control(struct ob_performer *p, const struct ob_effect *effect,
                                   struct ob_error *error) {
    struct ob_control control;
    enum ob_err failed = ob_control_decode(effect->data, effect->bytes, &control, error);
    return failed ? failed
                  : ob_store_control(p->session->store, &control, effect->data, effect->bytes, error);
}

/* Warnings and errors are what an operator should act on. */
static enum ob_log_level level_of(enum ob_notice notice) {
    switch (notice) {
    case OB_NOTICE_FORK:
    case OB_NOTICE_HEALED:
    case OB_NOTICE_DISAGREE:
    case OB_NOTICE_TWIN:
        return OB_LOG_ERROR;
    case OB_NOTICE_ISOLATED:
    case OB_NOTICE_VERSION:
    case OB_NOTICE_SLOW:
    case OB_NOTICE_PROVEN:
        return OB_LOG_WARN;
    default:
        return OB_LOG_INFO;
    }
}

/* What the history keeps, and its name there; NULL: nothing. */
static const char *event_of(enum ob_notice notice) {
    switch (notice) {
    case OB_NOTICE_QUIET:
        return "silent";
    case OB_NOTICE_GAP:
    case OB_NOTICE_CAUGHT_UP:
    case OB_NOTICE_REFUSED:
    case OB_NOTICE_VERSION:
    case OB_NOTICE_ADMITTED:
        return NULL;
    default:
        return ob_notice_name(notice);
    }
}

static void tell(struct ob_performer *p, const struct ob_effect *effect) {
    char name[64], text[600];
    const char *event = event_of(effect->notice);
    if (event)
        ob_diary_event(p->diary, event, name_of(p, &effect->machine, name), effect->text ? effect->text : "");
    enum ob_log_level level = level_of(effect->notice);
    if (!ob_line_may(p->session->lines, p->session->logger, ob_notice_name(effect->notice)))
        return;
    ob_log(p->session->logger, level, ob_notice_name(effect->notice), "machine=%s text=%s",
           name_of(p, &effect->machine, name),
           ob_logger_quote(effect->text ? effect->text : "", text, sizeof text));
}

/* A record counts: how far it moves the weights is kept, and whose records stand out is told. */
static enum ob_err watch(struct ob_performer *p, const struct ob_record *record, struct ob_error *error) {
    char name[64], text[200], quoted[600];
    struct ob_movements *movements = p->session->movements;
    enum ob_err failed = ob_movements_add(movements, record, error);
    /* what is fetched before the start is of other times than what others sign now */
    bool old = ob_peer_life(p->session->peer) == OB_PEER_RECONCILING;
    if (failed || old || !ob_movements_judge(movements, &record->machine))
        return failed;
    const struct ob_movement *outlier = ob_movements_of(movements, &record->machine);
    (void)snprintf(text, sizeof text,
                   "its estimates are %.1f times as large as is typical for the others; "
                   "look at `onebyte audit`, then `onebyte quarantine %s`",
                   outlier->times, name_of(p, &record->machine, name));
    ob_diary_event(p->diary, "outlier", name, text);
    if (ob_line_may(p->session->lines, p->session->logger, "outlier"))
        ob_log(p->session->logger, OB_LOG_ERROR, "outlier", "machine=%s sample=%" PRIu64 " text=%s", name,
               outlier->outlier_from, ob_logger_quote(text, quoted, sizeof quoted));
    ob_audit_suspect(p->audit, &record->machine, outlier->outlier_from);
    return OB_OK;
}

static enum ob_err unapply_record(void *context, const struct ob_record *record, struct ob_error *error) {
    struct ob_performer *p = context;
    ob_diary_cut(p->diary, record->round);
    enum ob_err failed = ob_compute_unapply(p->session->compute, record, error);
    if (!failed)
        ob_movements_remove(p->session->movements, record);
    return failed;
}

struct cut {
    struct ob_store *store;
    const struct ob_effect *effect;
};

static enum ob_err cut(void *context, struct ob_error *error) {
    const struct cut *cut = context;
    return ob_store_cut(cut->store, &cut->effect->machine, cut->effect->unapply.first, error);
}

/* A crash between the two is safe: the start replays what the store holds, and the peer asks again. What is taken out once
 * must not be taken out again: on a full disk only the deleting is tried again. */
static enum ob_err unapply(struct ob_performer *p, const struct ob_effect *effect, struct ob_error *error) {
    struct cut deleting = {p->session->store, effect};
    enum ob_err failed = ob_snapshot_join_end(p->join, "records have to be removed", error);
    if (!failed)
        failed = ob_store_flush(p->session->store, error);
    if (!failed)
        failed = ob_store_from(p->session->store, &effect->machine, effect->unapply.first, unapply_record, p,
                               error);
    return failed ? failed : ob_disk_full_retry(p->disk, cut, &deleting, error);
}

static enum ob_err collect(void *context, const struct ob_record *record, struct ob_error *error) {
    return ob_updates_add(context, record, error);
}

/* What the store holds now is what the weights hold when the compute thread comes to it. */
static enum ob_err digest(struct ob_performer *p, const struct ob_effect *effect, struct ob_error *error) {
    if (ob_snapshot_join_behind(p->join)) { /* what was put off is not in the weights */
        p->digest_waits = true;
        p->digest_wait_log = effect->digest.log;
        p->digest_wait_round = effect->digest.below;
        return OB_OK;
    }
    struct ob_updates above = {0};
    uint32_t end = ob_diary_frontier(p->diary, effect->digest.below.index, &effect->digest.log);
    enum ob_err failed =
        effect->digest.below.index == OB_ROUNDS_ALL
            ? OB_OK
            : ob_store_since(p->session->store, effect->digest.below, collect, &above, error);
    bool too_many = failed == OB_ETOOBIG || failed == OB_ENOMEM; /* then there is none this time */
    if (!failed || too_many)
        failed = ob_compute_digest(p->session->compute, &effect->digest.log, effect->digest.below.index,
                                   too_many ? NULL : &above, error);
    ob_updates_done(&above);
    ob_audit_frontier(p->audit, end);
    return failed
               ? failed
               : ob_held_out_offer(p->held_out, effect->digest.below.index, end, &effect->digest.log, error);
}

enum ob_err ob_perform_waiting_digest(struct ob_performer *p, struct ob_error *error) {
    struct ob_hash log = ob_peer_log_digest(p->session->peer);
    struct ob_updates none = {0};
    bool whole = p->digest_wait_round.index == OB_ROUNDS_ALL;
    if (!p->digest_waits || ob_snapshot_join_behind(p->join))
        return OB_OK;
    p->digest_waits = false; /* of another log than it was asked for it is not to be had */
    bool possible = whole && ob_hash_equal(&log, &p->digest_wait_log);
    return ob_compute_digest(p->session->compute, &p->digest_wait_log, p->digest_wait_round.index,
                             possible ? &none : NULL, error);
}

enum ob_err ob_perform_audit(struct ob_performer *p, struct ob_error *error) {
    return ob_snapshot_join_behind(p->join) ? OB_OK : ob_audit_tend(p->audit, error);
}

static enum ob_err rebuild(struct ob_performer *p, struct ob_error *error) {
    struct ob_store_options options = {.state_dir = p->session->config->state_dir,
                                       .run = p->session->manifest->run,
                                       .bounds = p->session->manifest->bounds};
    struct ob_store *store = NULL;
    enum ob_err failed = ob_snapshot_join_end(p->join, "the weights have to be rebuilt", error);
    if (!failed)
        failed = ob_store_flush(p->session->store, error);
    if (!failed)
        failed = ob_store_open(&options, &store, error);
    if (!failed && (failed = ob_store_hold(store, error)))
        ob_store_close(store);
    return failed ? failed : ob_compute_rebuild(p->session->compute, store, error);
}

static enum ob_err start_round(struct ob_performer *p, const struct ob_effect *effect,
                               struct ob_error *error) {
    enum ob_err failed = ob_snapshot_join_end(p->join, "a round is starting", error);
    if (failed)
        return failed;
    struct ob_round_job job = {.first = effect->start.first,
                               .round = effect->start.round,
                               .n = effect->start.n,
                               .live = effect->start.live};
    int64_t wanted = p->session->config->samples_per_round;
    if (wanted > 0 && wanted < job.n)
        job.n = (uint16_t)wanted;
    ob_compute_round(p->session->compute, &job);
    return OB_OK;
}

static void halt(struct ob_performer *p, const char *why) {
    char text[600];
    p->halted = true;
    ob_diary_event(p->diary, "halted", "", why);
    ob_log(p->session->logger, OB_LOG_ERROR, "halted", "text=%s", ob_logger_quote(why, text, sizeof text));
}

/* On one host, what bench/daemons.py takes the way of a record from: CLOCK_MONOTONIC is the same for all. */
static void trace(const struct ob_performer *p, const char *event, const struct ob_record *record) {
    char name[64];
    ob_log(p->session->logger, OB_LOG_DEBUG, event, "machine=%s first=%" PRIu64 " at_ns=%" PRIu64,
           name_of(p, &record->machine, name), record->first.index, ob_now_ns());
}

static enum ob_err persist_own(struct ob_performer *p, const struct ob_record *record,
                               struct ob_error *error) {
    enum ob_err failed = ob_store_own(p->session->store, record, error);
    if (!failed)
        trace(p, "durable", record);
    return failed;
}

static enum ob_err apply(struct ob_performer *p, const struct ob_record *record, struct ob_error *error) {
    trace(p, "apply", record);
    ob_diary_record(p->diary, record);
    enum ob_err failed = watch(p, record, error);
    if (failed || ob_snapshot_join_puts_off(p->join))
        return failed;
    return ob_compute_apply(p->session->compute, record, error);
}

static enum ob_err perform(struct ob_performer *p, const struct ob_effect *effect, struct ob_error *error) {
    switch (effect->kind) {
    case OB_EFFECT_PERSIST_OWN:
        return persist_own(p, &effect->record, error);
    case OB_EFFECT_PERSIST:
        return ob_store_other(p->session->store, &effect->record, error);
    case OB_EFFECT_PERSIST_CONTROL:
        return persist_control(p, effect, error);
    case OB_EFFECT_APPLY:
        return apply(p, &effect->record, error);
    case OB_EFFECT_PUBLISH:
        ob_transport_publish(p->session->transport, effect->data, effect->bytes);
        return OB_OK;
    case OB_EFFECT_SEND: /* may be lost */
        send_paid(p, effect);
        return OB_OK;
    case OB_EFFECT_SERVE: /* ob_perform_answers */
        ob_answers_wait(p->answers, &effect->machine, &effect->serve);
        return OB_OK;
    case OB_EFFECT_START_ROUND:
        return start_round(p, effect, error);
    case OB_EFFECT_TELL:
        tell(p, effect);
        return OB_OK;
    case OB_EFFECT_LEFT:
        p->left = true;
        return OB_OK;
    case OB_EFFECT_HALT:
        halt(p, effect->text);
        return OB_OK;
    case OB_EFFECT_ADMIT:
        return ob_membership_admit(p->membership, effect, error);
    case OB_EFFECT_EXPEL:
        ob_membership_expel(p->membership, effect);
        return OB_OK;
    case OB_EFFECT_REACH:
        ob_membership_reach(p->membership, effect);
        return OB_OK;
    case OB_EFFECT_UNAPPLY:
        return unapply(p, effect, error);
    case OB_EFFECT_DIGEST:
        return digest(p, effect, error);
    case OB_EFFECT_REBUILD:
        return rebuild(p, error);
    }
    assert(false);
    return OB_OK;
}

struct work {
    struct ob_performer *p;
    const struct ob_effect *effect;
};

static enum ob_err run(void *context, struct ob_error *error) {
    const struct work *work = context;
    return perform(work->p, work->effect, error);
}

enum ob_err ob_perform(struct ob_performer *p, const struct ob_effect *effect, struct ob_error *error) {
    struct work work = {p, effect};
    return ob_disk_full_retry(p->disk, run, &work, error);
}
