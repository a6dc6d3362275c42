#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "daemon/daemon.h"
#include "peer/message.h"

const char *ob_daemon_name_of(const struct ob_daemon *daemon, const struct ob_machine_id *machine,
                              char buffer[64]) {
    char text[OB_HEX_KEY_MAX];
    for (size_t i = 0; i < daemon->config->peer_count; i++) {
        if (!ob_machine_equal(&daemon->config->peers[i].machine, machine))
            continue;
        snprintf(buffer, 64, "%s", daemon->config->peers[i].name);
        return buffer;
    }
    struct ob_peer_machine known;
    if (ob_daemon_find_machine(daemon, machine, &known) && known.name[0]) {
        snprintf(buffer, 64, "%s", known.name);
        return buffer;
    }
    ob_machine_to_text(machine, text);
    memcpy(buffer, text, 12);
    buffer[12] = 0;
    return buffer;
}

/* The peer's list is sorted. */
bool ob_daemon_find_machine(const struct ob_daemon *daemon, const struct ob_machine_id *machine,
                            struct ob_peer_machine *ret_machine) {
    size_t low = 0, high = ob_peer_view(daemon->peer).machines;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct ob_peer_machine at = ob_peer_machine(daemon->peer, middle);
        int order = ob_machine_compare(&at.machine, machine);
        if (order == 0) {
            *ret_machine = at;
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

/* Serving: records of one chain into one message, as many as fit. */
struct serving {
    struct ob_message_records message;
    uint32_t most; /* records; 0: as many as fit */
    uint8_t buffer[OB_MESSAGE_MAX];
};

static enum ob_err serve_record(void *context, const struct ob_record *record, struct ob_error *error) {
    struct serving *serving = context;
    uint8_t data[OB_RECORD_BYTES_MAX];
    size_t bytes = ob_record_encode(record, data);
    if ((serving->most == 0 || serving->message.count < serving->most) &&
        ob_message_records_add(&serving->message, data, bytes))
        return OB_OK;
    return ob_fail(error, OB_ENOTFOUND, "the message is full");
}

static enum ob_err serve(struct ob_daemon *daemon, const struct ob_effect *effect, struct ob_error *error) {
    struct serving serving;
    size_t capacity = effect->bytes < sizeof serving.buffer ? effect->bytes : sizeof serving.buffer;
    serving.most = effect->n;
    ob_message_records_start(&serving.message, &daemon->manifest->run, serving.buffer, capacity);
    enum ob_err failed =
        ob_store_from(daemon->store, &effect->subject, effect->first, serve_record, &serving, error);
    if (failed)
        return failed;
    size_t bytes = ob_message_records_end(&serving.message);
    (void)ob_transport_send(daemon->transport, &effect->machine, serving.buffer, bytes);
    return OB_OK;
}

static enum ob_err persist_control(struct ob_daemon *daemon, const struct ob_effect *effect,
                                   struct ob_error *error) {
    struct ob_control control;
    enum ob_err failed = ob_control_decode(effect->data, effect->bytes, &control, error);
    return failed ? failed : ob_store_control(daemon->store, &control, effect->data, effect->bytes, error);
}

static void tell(struct ob_daemon *daemon, const struct ob_effect *effect) {
    char name[64], text[600];
    enum ob_log_level level = OB_LOG_INFO;
    if (effect->notice == OB_NOTICE_REFUSED || effect->notice == OB_NOTICE_VERSION)
        level = OB_LOG_WARN;
    if (effect->notice == OB_NOTICE_FORK || effect->notice == OB_NOTICE_HEALED ||
        effect->notice == OB_NOTICE_DISAGREE)
        level = OB_LOG_ERROR;
    ob_log(&daemon->log, level, ob_notice_name(effect->notice), "machine=%s text=%s",
           ob_daemon_name_of(daemon, &effect->machine, name),
           ob_log_quote(effect->text ? effect->text : "", text, sizeof text));
}

static enum ob_err unapply_record(void *context, const struct ob_record *record, struct ob_error *error) {
    return ob_compute_unapply(context, record, error);
}

/* A crash between the two is safe: the start replays what the store holds, and the peer asks again. */
static enum ob_err unapply(struct ob_daemon *daemon, const struct ob_effect *effect, struct ob_error *error) {
    enum ob_err failed = ob_snapshot_join_end(daemon, "records are to be taken out", error);
    if (!failed)
        failed = ob_daemon_flush(daemon, error);
    if (!failed)
        failed = ob_store_from(daemon->store, &effect->machine, effect->first, unapply_record,
                               daemon->compute, error);
    if (failed)
        return failed;
    /* what is taken out once must not be taken out again: only the deleting is tried again */
    struct ob_error why = {0};
    while ((failed = ob_store_cut(daemon->store, &effect->machine, effect->first, &why)) == OB_EFULL)
        if ((failed = ob_daemon_wait_for_room(daemon, &why)))
            break;
    if (failed && error)
        *error = why;
    return failed;
}

static enum ob_err collect(void *context, const struct ob_record *record, struct ob_error *error) {
    return ob_updates_add(context, record, error);
}

/* What the store holds now is what the weights hold when the compute thread comes to it. */
static enum ob_err digest(struct ob_daemon *daemon, const struct ob_effect *effect, struct ob_error *error) {
    if (ob_snapshot_join_behind(daemon)) { /* what was put off is not in the weights */
        daemon->digest_waits = true;
        daemon->digest_wait_log = effect->log;
        daemon->digest_wait_round = effect->round;
        return OB_OK;
    }
    struct ob_updates above = {0};
    enum ob_err failed = effect->round.index == OB_ROUNDS_ALL
                             ? OB_OK
                             : ob_store_since(daemon->store, effect->round, collect, &above, error);
    bool too_many = failed == OB_ETOOBIG || failed == OB_ENOMEM; /* then there is none this time */
    if (!failed || too_many)
        failed = ob_compute_digest(daemon->compute, &effect->log, effect->round.index,
                                   too_many ? NULL : &above, error);
    ob_updates_done(&above);
    return failed;
}

enum ob_err ob_daemon_digest_waiting(struct ob_daemon *daemon, struct ob_error *error) {
    struct ob_hash log = ob_peer_view(daemon->peer).log_digest;
    struct ob_updates none = {0};
    bool whole = daemon->digest_wait_round.index == OB_ROUNDS_ALL;
    if (!daemon->digest_waits || ob_snapshot_join_behind(daemon))
        return OB_OK;
    daemon->digest_waits = false; /* of another log than it was asked for it is not to be had */
    bool possible = whole && ob_hash_equal(&log, &daemon->digest_wait_log);
    return ob_compute_digest(daemon->compute, &daemon->digest_wait_log, daemon->digest_wait_round.index,
                             possible ? &none : NULL, error);
}

static enum ob_err rebuild(struct ob_daemon *daemon, struct ob_error *error) {
    struct ob_store_options options = {.state_dir = daemon->config->state_dir,
                                       .run = daemon->manifest->run,
                                       .bounds = daemon->manifest->bounds};
    struct ob_store *store = NULL;
    enum ob_err failed = ob_snapshot_join_end(daemon, "the weights are to be made again", error);
    if (!failed)
        failed = ob_store_flush(daemon->store, error);
    if (!failed)
        failed = ob_store_open(&options, &store, error);
    if (!failed && (failed = ob_store_hold(store, error)))
        ob_store_close(store);
    return failed ? failed : ob_compute_rebuild(daemon->compute, store, error);
}

static enum ob_err start_round(struct ob_daemon *daemon, const struct ob_effect *effect,
                               struct ob_error *error) {
    enum ob_err failed = ob_snapshot_join_end(daemon, "a round begins", error);
    if (failed)
        return failed;
    struct ob_round_job job = {
        .first = effect->first, .round = effect->round, .n = effect->n, .live = effect->live};
    int64_t wanted = daemon->config->samples_per_round;
    if (wanted > 0 && wanted < job.n)
        job.n = (uint16_t)wanted;
    ob_compute_round(daemon->compute, &job);
    return OB_OK;
}

static void halt(struct ob_daemon *daemon, const char *why) {
    char text[600];
    daemon->halted = true;
    ob_log(&daemon->log, OB_LOG_ERROR, "halted", "text=%s", ob_log_quote(why, text, sizeof text));
}

/* On one host, what bench/daemons.py takes the way of a record from: CLOCK_MONOTONIC is the same for all. */
static void trace(const struct ob_daemon *daemon, const char *event, const struct ob_record *record) {
    char name[64];
    ob_log(&daemon->log, OB_LOG_DEBUG, event, "machine=%s first=%" PRIu64 " at_ns=%" PRIu64,
           ob_daemon_name_of(daemon, &record->machine, name), record->first.index, ob_now_ns());
}

static enum ob_err persist_own(struct ob_daemon *daemon, const struct ob_record *record,
                               struct ob_error *error) {
    enum ob_err failed = ob_store_own(daemon->store, record, error);
    if (!failed)
        trace(daemon, "durable", record);
    return failed;
}

static enum ob_err perform(struct ob_daemon *daemon, const struct ob_effect *effect, struct ob_error *error) {
    switch (effect->kind) {
    case OB_EFFECT_PERSIST_OWN:
        return persist_own(daemon, &effect->record, error);
    case OB_EFFECT_PERSIST:
        return ob_store_other(daemon->store, &effect->record, error);
    case OB_EFFECT_PERSIST_CONTROL:
        return persist_control(daemon, effect, error);
    case OB_EFFECT_APPLY:
        trace(daemon, "apply", &effect->record);
        if (ob_snapshot_join_puts_off(daemon))
            return OB_OK;
        return ob_compute_apply(daemon->compute, &effect->record, error);
    case OB_EFFECT_PUBLISH:
        ob_transport_publish(daemon->transport, effect->data, effect->bytes);
        return OB_OK;
    case OB_EFFECT_SEND: /* may be lost */
        (void)ob_transport_send(daemon->transport, &effect->machine, effect->data, effect->bytes);
        return OB_OK;
    case OB_EFFECT_SERVE:
        return serve(daemon, effect, error);
    case OB_EFFECT_START_ROUND:
        return start_round(daemon, effect, error);
    case OB_EFFECT_TELL:
        tell(daemon, effect);
        return OB_OK;
    case OB_EFFECT_LEFT:
        daemon->left = true;
        return OB_OK;
    case OB_EFFECT_HALT:
        halt(daemon, effect->text);
        return OB_OK;
    case OB_EFFECT_ADMIT:
        return ob_membership_admit(daemon, effect, error);
    case OB_EFFECT_EXPEL:
        ob_membership_expel(daemon, effect);
        return OB_OK;
    case OB_EFFECT_REACH:
        ob_membership_reach(daemon, effect);
        return OB_OK;
    case OB_EFFECT_UNAPPLY:
        return unapply(daemon, effect, error);
    case OB_EFFECT_DIGEST:
        return digest(daemon, effect, error);
    case OB_EFFECT_REBUILD:
        return rebuild(daemon, error);
    }
    assert(false);
    return OB_OK;
}

static enum ob_err perform_or_wait(struct ob_daemon *daemon, const struct ob_effect *effect,
                                   struct ob_error *error) {
    struct ob_error why = {0};
    enum ob_err failed;
    while ((failed = perform(daemon, effect, &why)) == OB_EFULL)
        if ((failed = ob_daemon_wait_for_room(daemon, &why)))
            break;
    if (failed && error)
        *error = why;
    if (!failed)
        ob_daemon_has_room(daemon);
    return failed;
}

enum ob_err ob_daemon_step(struct ob_daemon *daemon, struct ob_event *event, struct ob_error *error) {
    event->now_ns = ob_now_ns();
    event->wall_s = ob_wall_s();
    if (event->bytes > 0 && event->bytes <= sizeof daemon->event_data) {
        /* effects point into it, and waiting for room polls the transport whose buffer it is */
        memcpy(daemon->event_data, event->data, event->bytes);
        event->data = daemon->event_data;
    }
    struct ob_effects effects = ob_peer_step(daemon->peer, event);
    for (size_t i = 0; i < effects.count; i++) {
        enum ob_err failed = perform_or_wait(daemon, &effects.items[i], error);
        if (failed)
            return failed;
    }
    return OB_OK;
}
