#include "daemon/daemon.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/learning.h"
#include "daemon/manifest_frames.h"
#include "daemon/manifest_serve.h"
#include "daemon/names.h"
#include "daemon/reload.h"
#include "daemon/request.h"
#include "daemon/status.h"
#include "daemon/step.h"
#include "daemon/watch.h"
#include "model/forward/blas.h"

#define TICK_NS   (OB_SECOND_NS / 20)
#define MUTE_S    15 /* without a frame from anybody: heartbeats come every second */
#define FLUSH_NS  (OB_SECOND_NS / 2)
#define SAMPLE_NS (OB_SECOND_NS * 3 / 10) /* for the running sample, when told to leave */
#define FILES_KIB 256                     /* a second */

/* ---- what is asked ---- */

/* After `resume`: what still keeps it from training. */
static const char *still_paused(const struct ob_daemon *daemon, char buffer[OB_DESK_TEXT_MAX]) {
    for (int reason = 0; reason < OB_PAUSE_COUNT; reason++)
        if (ob_pause_has(&daemon->pause, (enum ob_pause_reason)reason))
            return ob_desk_pause_text(&daemon->desk, daemon->session.config, (enum ob_pause_reason)reason,
                                      buffer);
    return NULL;
}

/* A signed entry of the operator's. What the peer makes of it is the answer. */
static char *take_control(struct ob_daemon *daemon, const struct ob_request *request, enum ob_err *ret_failed,
                          struct ob_error *error) {
    struct ob_event event;
    struct ob_error why = {0};
    if (ob_membership_control(&daemon->membership, request->entry, request->entry_bytes, &event, &why))
        return ob_request_failed(why.text);
    *ret_failed = ob_daemon_step(daemon, &event, error);
    if (*ret_failed)
        return ob_request_failed(error->text);
    return ob_membership_verdict(&daemon->membership, request->entry, request->entry_bytes, &why)
               ? ob_request_failed(why.text)
               : ob_request_done(NULL);
}

static char *refuse_meanwhile(const struct ob_daemon *daemon) {
    char text[OB_ERROR_TEXT_MAX + 80];
    (void)snprintf(text, sizeof text, "%s. Until then, the daemon answers only status and leave",
                   daemon->disk.why);
    return ob_request_failed(text);
}

static char *answer(struct ob_daemon *daemon, const struct ob_request *request, enum ob_err *ret_failed,
                    struct ob_error *error) {
    if (request->kind == OB_REQUEST_STATUS)
        return ob_daemon_status(daemon);
    if (request->kind == OB_REQUEST_LEAVE) {
        atomic_store(&daemon->leave_wanted, true);
        return ob_request_done(NULL);
    }
    char why[OB_DESK_TEXT_MAX];
    if (daemon->stepping) /* within a step there is time for requests only on a full disk */
        return refuse_meanwhile(daemon);
    if (request->kind == OB_REQUEST_CONTROL)
        return take_control(daemon, request, ret_failed, error);
    ob_daemon_pause(daemon, OB_PAUSE_OPERATOR, request->kind == OB_REQUEST_PAUSE);
    if (request->kind == OB_REQUEST_RESUME)
        ob_daemon_pause(daemon, OB_PAUSE_DIVERGING, false);
    *ret_failed = ob_daemon_drain(daemon, error);
    if (*ret_failed)
        return ob_request_failed(error->text);
    return ob_request_done(request->kind == OB_REQUEST_RESUME ? still_paused(daemon, why) : NULL);
}

/* Whatever fails here is the asker's to know. An error is one of a step: the daemon cannot go on. */
static enum ob_err on_request(struct ob_daemon *daemon, const struct ob_transport_event *seen,
                              struct ob_error *error) {
    static const char NO_MEMORY[] = "{\"ok\":false,\"error\":\"out of memory\"}";
    struct ob_request request;
    struct ob_error why = {0};
    enum ob_err failed = OB_OK;
    char *text = ob_request_parse(seen->data, seen->bytes, &request, &why)
                     ? ob_request_failed(why.text)
                     : answer(daemon, &request, &failed, error);
    const char *reply = text ? text : NO_MEMORY;
    ob_transport_status_reply(daemon->session.transport, reply, strlen(reply));
    free(text);
    return failed;
}

/* ---- what a service manager hears ---- */

static void tell_service(struct ob_daemon *daemon, uint64_t now_ns) {
    if (!ob_service_tend(&daemon->service, now_ns))
        return;
    const struct ob_manifest *manifest = daemon->session.manifest;
    struct ob_peer_view view = ob_peer_view(daemon->session.peer);
    uint32_t rounds = manifest->bounds.max_rounds, done = view.round.index - daemon->first_round;
    double elapsed_s = (double)(now_ns - daemon->started_ns) / (double)OB_SECOND_NS;
    struct ob_service_news news = {.life = ob_daemon_life(daemon, &view),
                                   .round = view.round.index,
                                   .rounds = rounds,
                                   .loss = daemon->own_rounds > 0 ? daemon->loss : (double)NAN,
                                   .left_s = done > 2 ? elapsed_s / done * (rounds - view.round.index)
                                                      : (double)NAN};
    ob_service_tell(&daemon->service, &news, now_ns);
}

/* A second while the log cannot be written (daemon/disk_full.h). */
static enum ob_err wait_for_room(void *context, struct ob_error *error) {
    struct ob_daemon *daemon = context;
    uint64_t until = ob_now_ns() + OB_SECOND_NS;
    while (ob_now_ns() < until) {
        struct ob_transport_event seen;
        tell_service(daemon, ob_now_ns());
        if (atomic_load(&daemon->leave_wanted))
            return ob_fail(
                error, OB_EIO,
                "left without a goodbye, because the log could not be written; nothing was published that "
                "was not stored (%.200s)",
                daemon->disk.why);
        enum ob_err failed = ob_transport_poll(daemon->session.transport, 50, &seen, error);
        if (!failed && seen.kind == OB_TRANSPORT_STATUS)
            failed = on_request(daemon, &seen, error);
        if (failed)
            return failed;
    }
    return OB_OK;
}

static enum ob_err flush_store(void *store, struct ob_error *error) {
    return ob_store_flush(store, error);
}

static enum ob_err flush(struct ob_daemon *daemon, struct ob_error *error) {
    return ob_disk_full_retry(&daemon->disk, flush_store, daemon->session.store, error);
}

/* ---- what the transport says ---- */

static void on_snapshot(struct ob_daemon *daemon, const struct ob_transport_event *seen) {
    struct ob_snapshot_message message;
    if (seen->published || !ob_snapshot_message_decode(seen->data, seen->bytes, &message) ||
        !ob_hash_equal(&message.run.hash, &daemon->session.manifest->run.hash)) {
        daemon->snapshot_malformed++;
        return;
    }
    ob_snapshot_serve(&daemon->server, &daemon->snapshots, daemon->session.transport, &seen->machine,
                      &message, daemon->session.config->snapshot_upload_kib);
    ob_snapshot_join_take(&daemon->join, &seen->machine, &message);
}

static void on_file(struct ob_daemon *daemon, const struct ob_transport_event *seen) {
    struct ob_transfer_message message;
    if (!seen->published && ob_transfer_message_decode(seen->data, seen->bytes, &message) &&
        ob_hash_equal(&message.run.hash, &daemon->session.manifest->run.hash))
        ob_transfer_serve(&daemon->file_server, &seen->machine, &message);
}

/* The peer admits it before it is told. */
static enum ob_err on_knock(struct ob_daemon *daemon, const struct ob_transport_event *seen,
                            struct ob_error *error) {
    struct ob_door_answer answer = ob_membership_knock(&daemon->membership, seen);
    enum ob_err failed =
        answer.verdict == OB_VERDICT_WELCOME ? ob_daemon_step(daemon, &answer.event, error) : OB_OK;
    ob_transport_answer(daemon->session.transport, answer.verdict, answer.why, answer.why_bytes);
    return failed;
}

static enum ob_err on_answer(struct ob_daemon *daemon, const struct ob_transport_event *seen,
                             struct ob_error *error) {
    struct ob_event event;
    ob_contacts_answer(daemon->membership.contacts, &seen->machine, seen->verdict, ob_now_s());
    return ob_membership_told_out(&daemon->membership, seen, &event) ? ob_daemon_step(daemon, &event, error)
                                                                     : OB_OK;
}

static enum ob_err on_link(struct ob_daemon *daemon, const struct ob_transport_event *seen,
                           struct ob_error *error) {
    bool up = seen->kind == OB_TRANSPORT_LINK_UP;
    struct ob_event event = {.kind = up ? OB_EVENT_LINK_UP : OB_EVENT_LINK_DOWN, .machine = seen->machine};
    char name[64];
    if (ob_line_may(&daemon->lines, &daemon->logger, up ? "link-up" : "link-down"))
        ob_log(&daemon->logger, OB_LOG_INFO, up ? "link-up" : "link-down", "machine=%s",
               ob_machine_name(daemon->session.config, daemon->session.peer, &seen->machine, name));
    if (up)
        ob_snapshot_join_linked(&daemon->join, &seen->machine);
    enum ob_err failed =
        ob_daemon_drain(daemon, error); /* a pause for the join, before the link starts a round */
    return failed ? failed : ob_daemon_step(daemon, &event, error);
}

/* Transfers of manifests, snapshots and files are for the daemon, everything else is for the peer. A transfer of a machine that is
 * not admitted yet (we connected to it before its certificate came) is dropped: it asks again. */
static enum ob_err on_frame(struct ob_daemon *daemon, const struct ob_transport_event *seen,
                            struct ob_error *error) {
    struct ob_event event = {
        .kind = OB_EVENT_MESSAGE, .machine = seen->machine, .data = seen->data, .bytes = seen->bytes};
    if (!seen->published && ob_answers_is_question(seen->data, seen->bytes) &&
        !ob_answers_question(&daemon->answers, &seen->machine, ob_now_ns()))
        return OB_OK;
    if (ob_manifest_frame_is(seen->data, seen->bytes)) {
        if (seen->admitted &&
            ob_answers_pay(&daemon->answers, &seen->machine, OB_MANIFEST_PIECE_MESSAGE, ob_now_ns()))
            ob_manifest_serve(daemon->session.manifest, daemon->session.transport, &seen->machine, seen->data,
                              seen->bytes);
        return OB_OK;
    }
    if (ob_snapshot_message_is(seen->data, seen->bytes)) {
        if (seen->admitted)
            on_snapshot(daemon, seen);
        return OB_OK;
    }
    if (ob_transfer_message_is(seen->data, seen->bytes)) {
        if (seen->admitted)
            on_file(daemon, seen);
        return OB_OK;
    }
    if (ob_mend_take(&daemon->mend, &daemon->session, seen->data, seen->bytes))
        return OB_OK;
    return ob_daemon_step(daemon, &event, error);
}

/* Not a connection, but a word of another machine ends being alone: a door lets everybody connect. */
static enum ob_err on_word(struct ob_daemon *daemon, const struct ob_transport_event *seen,
                           struct ob_error *error) {
    daemon->heard_s = ob_now_s();
    ob_daemon_pause(daemon, OB_PAUSE_ALONE, false);
    enum ob_err failed = ob_daemon_drain(daemon, error);
    return failed ? failed : on_frame(daemon, seen, error);
}

static enum ob_err on_transport(struct ob_daemon *daemon, const struct ob_transport_event *seen,
                                struct ob_error *error) {
    char text[600];
    switch (seen->kind) {
    case OB_TRANSPORT_FRAME:
        return on_word(daemon, seen, error);
    case OB_TRANSPORT_LINK_UP:
    case OB_TRANSPORT_LINK_DOWN:
        return on_link(daemon, seen, error);
    case OB_TRANSPORT_REFUSED:
        if (ob_line_may(&daemon->lines, &daemon->logger, "refused"))
            ob_log(&daemon->logger, OB_LOG_INFO, "refused", "text=%s",
                   ob_logger_quote(seen->text, text, sizeof text));
        return OB_OK;
    case OB_TRANSPORT_STATUS:
        return on_request(daemon, seen, error);
    case OB_TRANSPORT_KNOCK:
        return on_knock(daemon, seen, error);
    case OB_TRANSPORT_ANSWER:
        return on_answer(daemon, seen, error);
    case OB_TRANSPORT_BEACON:
        ob_contacts_set(daemon->membership.contacts, &seen->machine, OB_PLACE_HINT, seen->text, ob_now_s());
        return OB_OK;
    case OB_TRANSPORT_NOTHING:
    case OB_TRANSPORT_WAKE:
        break;
    }
    return OB_OK;
}

/* ---- what the compute thread says ---- */

/* For the history: the rate of the round's samples, and the curvature when it is more than noise. */
static void tell_learning(struct ob_daemon *daemon, const struct ob_peer_view *view, uint16_t samples) {
    struct ob_compute_view work = ob_compute_view(daemon->session.compute);
    if (samples == 0)
        return;
    struct ob_learning learning = ob_learning_of(daemon->session.manifest, view, samples, &work);
    bool sure = learning.curvature > 2 * learning.curvature_error;
    daemon->diary.step_rate = learning.rate;
    daemon->diary.curvature = sure ? learning.curvature : NAN;
}

static enum ob_err on_round(struct ob_daemon *daemon, const struct ob_result *result,
                            struct ob_error *error) {
    struct ob_event event = {.kind = OB_EVENT_ROUND_DONE,
                             .data = result->bytes,
                             .bytes = result->n,
                             .exponent = (int8_t)daemon->session.config->exponent};
    struct ob_peer_view view = ob_peer_view(daemon->session.peer);
    if (result->n == 0) /* it was ended before its first sample: it did not happen */
        return ob_daemon_step(daemon, &event, error);
    daemon->own_rounds++;
    daemon->own_samples += result->n;
    daemon->loss = result->loss;
    (void)ob_round_log_add(&daemon->round_log, &daemon->logger, view.round.index, result->n, result->loss,
                           (unsigned)view.live, ob_now_s());
    tell_learning(daemon, &view, result->n);
    ob_diary_round(&daemon->diary, &view, result->loss, result->n);
    return ob_daemon_step(daemon, &event, error);
}

/* A weight beyond half its range: no further round until records are cut and it is back. */
static void on_overrange(struct ob_daemon *daemon, int64_t tensor) {
    bool was = ob_pause_has(&daemon->pause, OB_PAUSE_OVERRANGE), is = tensor >= 0;
    if (was == is)
        return;
    ob_daemon_pause(daemon, OB_PAUSE_OVERRANGE, is);
    if (is)
        ob_log(&daemon->logger, OB_LOG_ERROR, "overrange",
               "tensor=%s text=\"paused: a weight is beyond half its range\"",
               daemon->session.manifest->tensors[tensor].name);
    else
        ob_log(&daemon->logger, OB_LOG_INFO, "in-range", "text=\"all weights are within range again\"");
}

static enum ob_err on_digest(struct ob_daemon *daemon, const struct ob_result *result,
                             struct ob_error *error) {
    static const struct ob_hash NONE;
    struct ob_event event = {.kind = OB_EVENT_DIGEST, .log = result->log, .weights = result->weights};
    struct ob_hash whole = ob_peer_log_digest(daemon->session.peer);
    bool of_whole = result->below == OB_ROUNDS_ALL || ob_hash_equal(&result->log, &whole);
    if (of_whole && !ob_hash_equal(&result->weights, &NONE)) {
        daemon->has_digest = true;
        daemon->digest_log = result->log;
        daemon->weights_digest = result->weights;
    }
    ob_diary_digest(&daemon->diary, &result->log, &result->weights);
    on_overrange(daemon, result->overrange);
    return ob_daemon_step(daemon, &event, error);
}

static enum ob_err on_memory(struct ob_daemon *daemon, const struct ob_result *result,
                             struct ob_error *error) {
    struct ob_event event = {.kind = OB_EVENT_DISPUTE};
    ob_log(&daemon->logger, OB_LOG_ERROR, "memory",
           "leaves=%zu text=\"in-memory weights do not match the log; rebuilding them from the base model "
           "and the log before continuing. If this recurs, test this machine's memory\"",
           result->wrong);
    return ob_daemon_step(daemon, &event, error);
}

static enum ob_err on_rebuilt(struct ob_daemon *daemon, const struct ob_result *result,
                              struct ob_error *error) {
    const struct ob_heal *heal = &result->heal;
    struct ob_event event = {.kind = OB_EVENT_REBUILT, .healed = heal->weights > 0};
    ob_log(&daemon->logger, OB_LOG_INFO, "rebuilt",
           "records=%llu wrong_weights=%llu wrong_leaves=%llu tensor=%s", (unsigned long long)heal->records,
           (unsigned long long)heal->weights, (unsigned long long)heal->leaves,
           heal->weights > 0 ? daemon->session.manifest->tensors[heal->tensor].name : "-");
    if (event.healed)
        daemon->has_digest = false;
    return ob_daemon_step(daemon, &event, error);
}

static enum ob_err on_task(struct ob_daemon *daemon, const struct ob_result *result, struct ob_error *error) {
    struct ob_score score;
    struct ob_event event;
    bool evaluated;
    struct ob_event rebuild = {.kind = OB_EVENT_DISPUTE};
    bool lost = result->error.code == OB_EMISMATCH; /* an evaluation did not leave the weights as they were */
    if (ob_held_out_done(&daemon->held_out, result->task, &result->error, &score, &event, &evaluated)) {
        if (lost)
            return ob_daemon_step(daemon, &rebuild, error);
        return evaluated ? ob_daemon_step(daemon, &event, error) : OB_OK;
    }
    if (ob_audit_done(&daemon->audit, result->task, &result->error))
        return lost ? ob_daemon_step(daemon, &rebuild, error) : OB_OK;
    bool ours = ob_snapshot_writer_done(&daemon->writer, result->task, &result->error);
    enum ob_err failed =
        ours ? OB_OK : ob_snapshot_join_done(&daemon->join, result->task, &result->error, &ours, error);
    assert(ours);
    return failed ? failed : ob_daemon_drain(daemon, error);
}

static enum ob_err on_results(struct ob_daemon *daemon, struct ob_error *error) {
    struct ob_result result;
    enum ob_err failed = OB_OK;
    while (!failed && ob_compute_take(daemon->session.compute, &result)) {
        if (result.kind == OB_RESULT_ROUND)
            failed = on_round(daemon, &result, error);
        else if (result.kind == OB_RESULT_DIGEST)
            failed = on_digest(daemon, &result, error);
        else if (result.kind == OB_RESULT_MEMORY)
            failed = on_memory(daemon, &result, error);
        else if (result.kind == OB_RESULT_REBUILT)
            failed = on_rebuilt(daemon, &result, error);
        else if (result.kind == OB_RESULT_TASK)
            failed = on_task(daemon, &result, error);
        else
            failed = ob_fail(error, OB_EIO, "computing: %s", result.text);
    }
    return failed;
}

/* ---- what the clock says ---- */

static enum ob_err tend_join(void *join, struct ob_error *error) {
    return ob_snapshot_join_tend(join, error);
}

static enum ob_err tend_snapshots(struct ob_daemon *daemon, struct ob_error *error) {
    bool may_write = !daemon->leaving && !daemon->performer.halted && daemon->join.state == OB_JOIN_OFF;
    ob_snapshot_writer_tend(&daemon->writer, may_write);
    ob_snapshot_serve_tend(&daemon->server, &daemon->snapshots, daemon->session.transport,
                           daemon->session.config->snapshot_upload_kib, ob_now_ns());
    enum ob_err failed = ob_disk_full_retry(&daemon->disk, tend_join, &daemon->join, error);
    if (!failed)
        failed = ob_perform_waiting_digest(&daemon->performer, error);
    return failed ? failed : ob_perform_audit(&daemon->performer, error);
}

static bool send_block(void *transport, const struct ob_machine_id *to, const void *data, size_t bytes) {
    return ob_transport_send(transport, to, data, bytes);
}

/* A run cannot be joined without its files, so there is a rate for them even where snapshots are not served. */
static void tend_files(struct ob_daemon *daemon) {
    const struct ob_session *session = &daemon->session;
    int64_t kib = session->config->snapshot_upload_kib;
    struct ob_transfer_source source = {.run = session->manifest->run,
                                        .shares = daemon->shares,
                                        .count = daemon->share_count,
                                        .send = send_block,
                                        .context = session->transport};
    ob_transfer_serve_tend(&daemon->file_server, &source, kib > FILES_KIB ? kib : FILES_KIB, ob_now_ns());
}

/* Links that came and went while the disk was full become events. */
static enum ob_err settle_links(struct ob_daemon *daemon, struct ob_error *error) {
    const struct ob_peer *peer = daemon->session.peer;
    enum ob_err failed = OB_OK;
    daemon->disk.was = false;
    for (size_t i = 0; i < ob_peer_count(peer) && !failed; i++) {
        struct ob_peer_machine machine = ob_peer_machine(peer, i);
        bool linked = ob_transport_linked(daemon->session.transport, &machine.machine);
        struct ob_event event = {.kind = linked ? OB_EVENT_LINK_UP : OB_EVENT_LINK_DOWN,
                                 .machine = machine.machine};
        if (linked != machine.linked && !ob_machine_equal(&machine.machine, &daemon->identity.machine))
            failed = ob_daemon_step(daemon, &event, error);
    }
    return failed;
}

static void tend_catch_up(struct ob_daemon *daemon) {
    struct ob_compute_view work = ob_compute_view(daemon->session.compute);
    ob_catch_up_tell(&daemon->catch_up, daemon->session.peer, &work, &daemon->logger, ob_now_ns());
    ob_catch_up_pace(&daemon->catch_up, &work, &daemon->queue);
}

static enum ob_err leave(struct ob_daemon *daemon, uint64_t now, struct ob_error *error) {
    struct ob_event event = {.kind = OB_EVENT_LEAVE};
    daemon->leaving = true;
    daemon->leaving_ns = now;
    ob_service_stopping();
    ob_compute_hurry(daemon->session.compute);
    ob_held_out_hurry(&daemon->held_out);
    return ob_daemon_step(daemon, &event, error);
}

/* A long sample is not waited for: it did not happen. */
static enum ob_err leave_without(struct ob_daemon *daemon, uint64_t now, struct ob_error *error) {
    struct ob_result result;
    if (now - daemon->leaving_ns < SAMPLE_NS || !ob_compute_abandon(daemon->session.compute, &result))
        return OB_OK;
    return on_round(daemon, &result, error);
}

static enum ob_err heed(struct ob_daemon *daemon, uint64_t now, struct ob_error *error) {
    if (daemon->leaving)
        return leave_without(daemon, now, error);
    if (atomic_load(&daemon->leave_wanted))
        return leave(daemon, now, error);
    if (daemon->session.config->exit_when_finished &&
        ob_finish_now(&daemon->finish, daemon->session.peer, ob_now_s())) {
        ob_log(&daemon->logger, OB_LOG_INFO, "finished",
               "text=\"the run is finished; ending, as exit_when_finished says\"");
        return leave(daemon, now, error);
    }
    return atomic_exchange(&daemon->reload_wanted, false) ? ob_daemon_reload(daemon, error) : OB_OK;
}

/* Whoever sits down at the machine does not wait for the end of a round. */
static void tend_desk(struct ob_daemon *daemon, uint64_t now) {
    unsigned gone, come;
    char text[OB_DESK_TEXT_MAX], quoted[OB_DESK_TEXT_MAX + 200];
    if (!ob_desk_pause_tend(&daemon->desk, now, &gone, &come))
        return;
    for (int i = 0; i < OB_DESK_REASONS; i++) {
        enum ob_pause_reason reason = ob_desk_pause_reason((enum ob_desk_reason)i);
        if (!((gone | come) & 1u << i))
            continue;
        bool on = (come & 1u << i) != 0;
        ob_daemon_pause(daemon, reason, on);
        (void)ob_desk_pause_text(&daemon->desk, daemon->session.config, reason, text);
        ob_log(&daemon->logger, OB_LOG_INFO, on ? "paused" : "resumed", "by=%s%s%s",
               ob_pause_reason_name(reason), on ? " text=" : "",
               on ? ob_logger_quote(text, quoted, sizeof quoted) : "");
    }
    if (come && !daemon->leaving)
        ob_compute_end_round(daemon->session.compute);
}

static enum ob_err tick(struct ob_daemon *daemon, uint64_t now, struct ob_error *error) {
    struct ob_event event = {.kind = OB_EVENT_TICK};
    if (now - daemon->last_tick_ns < TICK_NS)
        return OB_OK;
    daemon->last_tick_ns = now;
    return ob_daemon_step(daemon, &event, error);
}

static void tend_membership(struct ob_daemon *daemon) {
    const struct ob_session *session = &daemon->session;
    uint64_t now_s = ob_now_s();
    bool mute = daemon->heard_s == 0 || now_s - daemon->heard_s > MUTE_S;
    bool alone = (mute || ob_transport_counters(session->transport).links == 0) && !session->config->solo &&
                 ob_reach_expected(session);
    ob_company_tend(&daemon->company, session, ob_now_ns());
    ob_mend_tend(&daemon->mend, session, ob_now_ns());
    ob_membership_tend(&daemon->membership);
    ob_reach_tend(&daemon->reach, session, daemon->membership.contacts, alone, now_s);
}

static enum ob_err on_clock(struct ob_daemon *daemon, struct ob_error *error) {
    uint64_t now = ob_now_ns();
    enum ob_err failed = tick(daemon, now, error);
    if (!failed)
        failed = ob_perform_answers(&daemon->performer, error);
    if (!failed && daemon->disk.was)
        failed = settle_links(daemon, error);
    if (!failed)
        failed = tend_snapshots(daemon, error);
    tend_files(daemon);
    tend_catch_up(daemon);
    tend_desk(daemon, now);
    tell_service(daemon, now);
    if (!failed)
        failed = ob_daemon_drain(daemon, error);
    if (!failed && now - daemon->last_flush_ns >= FLUSH_NS) {
        daemon->last_flush_ns = now;
        failed = flush(daemon, error);
    }
    if (!failed)
        failed = heed(daemon, now, error);
    tend_membership(daemon);
    if (!failed)
        failed = ob_watch_tend(daemon, now, error);
    struct ob_event address;
    if (!failed && now / OB_SECOND_NS != daemon->address_s &&
        ob_membership_found_address(&daemon->membership, &address))
        failed = ob_daemon_step(daemon, &address, error);
    daemon->address_s = now / OB_SECOND_NS;
    return failed;
}

/* ---- the whole ---- */

void ob_daemon_ask_to_leave(struct ob_daemon *daemon) {
    atomic_store(&daemon->leave_wanted, true);
    ob_transport_wake(daemon->session.transport);
}

void ob_daemon_ask_to_reload(struct ob_daemon *daemon) {
    atomic_store(&daemon->reload_wanted, true);
    ob_transport_wake(daemon->session.transport);
}

/* Which instructions compute what, and the measurements that say so. */
static void tell_choices(const struct ob_daemon *daemon) {
    struct ob_compute_view work = ob_compute_view(daemon->session.compute);
    char kernels[OB_RACE_TEXT_MAX];
    ob_log(&daemon->logger, OB_LOG_INFO, "fastest", "kernels=%s measured=\"%s\"",
           ob_spsa_engine_name(&daemon->session.replica->engine),
           ob_race_text(&daemon->session.replica->race, kernels));
    if (*work.loops)
        ob_log(&daemon->logger, OB_LOG_INFO, "fastest", "loops=%s measured=\"%s\"", work.loops,
               work.loops_measured);
    if (*work.products)
        ob_log(&daemon->logger, OB_LOG_INFO, "fastest", "products=%s measured=\"%s\"", work.products,
               *work.products_measured ? work.products_measured : "no: products = in [training] names it");
}

static void tell_start(const struct ob_daemon *daemon) {
    const struct ob_session *session = &daemon->session;
    char key[OB_HEX_KEY_MAX];
    ob_machine_to_text(&daemon->identity.machine, key);
    ob_log(&daemon->logger, OB_LOG_INFO, "start", "run=%s machine=%s pid=%d blas=%s kernels=%s samples=%llu",
           session->manifest->name, key, (int)getpid(), ob_blas_core(),
           ob_spsa_engine_name(&session->replica->engine), (unsigned long long)session->replica->samples);
    tell_choices(daemon);
    if (*ob_blas_failed_cores())
        ob_log(&daemon->logger, OB_LOG_WARN, "blas",
               "failed=%s text=\"these OpenBLAS cores compute wrong products on this machine; using %s\"",
               ob_blas_failed_cores(), ob_blas_core());
}

/* The machines that we will try to reach. */
static enum ob_err expect_peers(struct ob_daemon *daemon, struct ob_error *error) {
    const struct ob_config *config = daemon->session.config;
    enum ob_err failed = OB_OK;
    for (size_t i = 0; i < config->peer_count && !failed; i++) {
        struct ob_event expect = {.kind = OB_EVENT_EXPECT, .machine = config->peers[i].machine};
        if (config->peers[i].endpoint[0] && !ob_machine_equal(&expect.machine, &daemon->identity.machine))
            failed = ob_daemon_step(daemon, &expect, error);
    }
    return failed;
}

static enum ob_err own_certificate(struct ob_daemon *daemon, struct ob_error *error) {
    const struct ob_membership *m = &daemon->membership;
    struct ob_event event;
    if (!m->has_certificate || !ob_peer_knows_authority(daemon->session.peer, &m->certificate.authority))
        return OB_OK; /* of a key that is still to be told to us: the others, who know it, hand us our entry */
    enum ob_err failed =
        ob_membership_control(m, m->certificate.entry, m->certificate.entry_bytes, &event, error);
    return failed ? failed : ob_daemon_step(daemon, &event, error);
}

/* A machine that has nothing and should find others does not begin a log of its own: that would be another run in all but
 * name, and most likely the address, the name or the key of [peers] is wrong. */
static enum ob_err wait_when_alone(struct ob_daemon *daemon, struct ob_error *error) {
    const struct ob_session *session = &daemon->session;
    struct ob_store_counts counts = {0};
    enum ob_err failed = ob_store_counts(session->store, &counts, error);
    if (!failed)
        ob_daemon_pause(daemon, OB_PAUSE_ALONE,
                        counts.records == 0 && !session->config->solo && ob_reach_expected(session));
    return failed ? failed : ob_daemon_drain(daemon, error);
}

/* Where a fresh run begins: the weights are the base, and the log is empty. */
static enum ob_err evaluate_base(struct ob_daemon *daemon, struct ob_error *error) {
    struct ob_store_counts counts = {0};
    struct ob_hash log = ob_peer_log_digest(daemon->session.peer);
    enum ob_err failed = ob_store_counts(daemon->session.store, &counts, error);
    if (failed || counts.records > 0)
        return failed;
    (void)ob_diary_frontier(&daemon->diary, 0, &log);
    return ob_held_out_offer(&daemon->held_out, 0, 0, &log, error);
}

static enum ob_err start(struct ob_daemon *daemon, struct ob_error *error) {
    struct ob_event event = {.kind = OB_EVENT_START};
    daemon->started_ns = ob_now_ns();
    ob_service_init(&daemon->service);
    daemon->disk = (struct ob_disk_full){.logger = &daemon->logger, .wait = wait_for_room, .context = daemon};
    tell_start(daemon);
    enum ob_err failed = ob_membership_start(&daemon->membership, error);
    if (!failed)
        failed = own_certificate(daemon, error);
    if (!failed)
        failed = expect_peers(daemon, error);
    if (!failed)
        failed =
            ob_snapshot_join_start(&daemon->join, &daemon->snapshot_context, daemon->join_from_base, error);
    tend_desk(daemon, daemon->started_ns);
    if (!failed)
        failed = wait_when_alone(daemon, error);
    if (!failed)
        failed = evaluate_base(daemon, error);
    if (!failed)
        failed = ob_daemon_step(daemon, &event, error);
    if (!failed)
        failed = ob_membership_address(&daemon->membership, &event, error);
    failed = failed ? failed : ob_daemon_step(daemon, &event, error);
    daemon->first_round = ob_peer_view(daemon->session.peer).round.index;
    return failed;
}

enum ob_err ob_daemon_run(struct ob_daemon *daemon, struct ob_error *error) {
    enum ob_err failed = start(daemon, error);
    while (!failed && !daemon->performer.left) {
        struct ob_transport_event seen;
        failed = ob_transport_poll(daemon->session.transport, (int)(TICK_NS / 1000000), &seen, error);
        if (!failed)
            failed = on_transport(daemon, &seen, error);
        if (!failed)
            failed = on_results(daemon, error);
        if (!failed)
            failed = on_clock(daemon, error);
    }
    ob_log(&daemon->logger, failed ? OB_LOG_ERROR : OB_LOG_INFO, "stop", "rounds=%llu samples=%llu",
           (unsigned long long)daemon->own_rounds, (unsigned long long)daemon->own_samples);
    return failed;
}
