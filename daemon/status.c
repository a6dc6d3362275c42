#include "daemon/status.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "daemon/names.h"
#include "daemon/problems.h"
#include "daemon/status_fields.h"
#include "model/forward/blas.h"

/* Bytes that CURVE and ZMTP framing add to a message on the wire (measured; docs/design.md, invariant 7). */
#define FRAMING_BYTES 40

/* Ages are NaN, which becomes null, for what never happened. */
static double age_s(uint64_t then_ns, uint64_t now_ns) {
    return then_ns == 0 ? NAN : (double)(now_ns - then_ns) * 1e-9;
}

const char *ob_daemon_life(const struct ob_daemon *daemon, const struct ob_peer_view *view) {
    bool starts =
        view->life == OB_PEER_RECOVERING || view->life == OB_PEER_RECONCILING || view->life == OB_PEER_PAUSED;
    if (daemon->performer.halted)
        return "halted";
    if (daemon->disk.full)
        return ob_disk_full_life(&daemon->disk);
    if (view->disputed)
        return "rebuilding";
    if (view->life == OB_PEER_TRAINING && ob_compute_view(daemon->session.compute).round_waits)
        return "replaying";
    return starts && ob_pause_has(&daemon->pause, OB_PAUSE_ALONE) ? "alone" : ob_peer_life_name(view->life);
}

static void gather_reported(const struct ob_daemon *daemon, uint64_t now_ns,
                            struct ob_status_machine *machine) {
    const struct ob_peer_machine *peer = &machine->peer;
    bool told = peer->report_ns > 0;
    machine->reported_s = machine->self ? 0 : age_s(peer->report_ns, now_ns);
    bool recent = told && machine->reported_s < OB_DIARY_RECENT_S && !peer->left;
    machine->rate = machine->self ? daemon->diary.rate : recent ? peer->reported_rate : NAN;
    machine->loss = machine->self ? daemon->diary.loss : told ? peer->reported_loss : NAN;
    machine->version = machine->self ? OB_VERSION : peer->version;
}

static void gather_machine(const struct ob_daemon *daemon, const struct ob_status *status, size_t index,
                           uint64_t now_ns, struct ob_status_machine *ret_machine) {
    struct ob_peer_machine peer = ob_peer_machine(daemon->session.peer, index);
    bool self = ob_machine_equal(&peer.machine, &daemon->identity.machine);
    enum ob_peer_life life = status->peer.life;
    const struct ob_movement *movement = ob_movements_of(&daemon->movements, &peer.machine);
    const struct ob_audit_result *audit = ob_audit_of(&daemon->audit, &peer.machine);
    *ret_machine = (struct ob_status_machine){
        .peer = peer,
        .self = self,
        .movement = movement,
        .movement_share = movement ? ob_movements_share(&daemon->movements, movement) : 0,
        .audit = audit ? *audit : (struct ob_audit_result){0},
        .trains =
            self ? (life == OB_PEER_TRAINING || life == OB_PEER_WAITING) && !status->observer : peer.paced,
        .linked = self || ob_transport_linked(daemon->session.transport, &peer.machine),
        .reaches_us = !self && ob_transport_reached_by(daemon->session.transport, &peer.machine),
        .link_s = age_s(peer.link_ns, now_ns),
        .last_record_s = age_s(peer.last_record_ns, now_ns),
        .last_heard_s = age_s(peer.last_heard_ns, now_ns),
        .why = self ? NULL : ob_contacts_why(daemon->membership.contacts, &peer.machine),
        .endpoint = self ? "" : ob_transport_endpoint(daemon->session.transport, &peer.machine),
    };
    if (self)
        (void)snprintf(ret_machine->name, sizeof ret_machine->name, "(this machine)");
    else
        (void)ob_machine_name(daemon->session.config, daemon->session.peer, &peer.machine, ret_machine->name);
    gather_reported(daemon, now_ns, ret_machine);
}

/* What the machines look like beside one another. */
static void compare_machines(struct ob_status *status, uint64_t wall_s) {
    uint32_t furthest = 0;
    uint64_t samples = 0;
    for (size_t i = 0; i < status->machine_count; i++) {
        const struct ob_peer_machine *peer = &status->machines[i].peer;
        samples += peer->next.index;
        if (peer->has_records && peer->head_round.index > furthest)
            furthest = peer->head_round.index;
    }
    for (size_t i = 0; i < status->machine_count; i++) {
        struct ob_status_machine *machine = &status->machines[i];
        machine->behind = machine->peer.has_records ? furthest - machine->peer.head_round.index : 0;
        machine->share = samples > 0 ? (double)machine->peer.next.index / (double)samples : 0;
        machine->state = ob_machine_state(status, machine, wall_s);
    }
}

static const struct ob_history_frontier *last_evaluated(const struct ob_history *history) {
    for (size_t i = ob_history_frontier_count(history); i-- > 0;)
        if (ob_history_frontier_at(history, i)->score.items > 0)
            return ob_history_frontier_at(history, i);
    return NULL;
}

/* What the history says. */
static void gather_history(const struct ob_daemon *daemon, uint64_t now_ns, struct ob_status *status) {
    const struct ob_diary *diary = &daemon->diary;
    const struct ob_held_out *held_out = &daemon->held_out;
    double left = (double)status->max_rounds - (double)status->peer.round.index;
    bool over = status->peer.life == OB_PEER_FINISHED;
    status->health = &diary->health.shown;
    status->history = diary->history;
    status->since_round_s = age_s(diary->round_ns, now_ns);
    status->mean_loss = diary->loss;
    status->start_loss = diary->start_loss;
    status->swarm_loss = diary->swarm_loss;
    status->swarm_rate = diary->swarm_rate;
    status->rounds_per_s = diary->rounds_per_s;
    status->seconds_left = over ? 0 : diary->rounds_per_s > 0 ? left / diary->rounds_per_s : NAN;
    status->held_out.last = last_evaluated(diary->history);
    status->held_out.best = ob_history_best(diary->history);
    status->held_out.rows = held_out->evaluator ? ob_evaluator_rows(held_out->evaluator) : 0;
    status->held_out.evaluations = held_out->evaluations;
    status->held_out.seconds = held_out->evaluations > 0 ? held_out->last_seconds : NAN;
    status->held_out.share = status->uptime_s > 0 ? held_out->seconds / status->uptime_s : 0;
}

static void gather_snapshot(const struct ob_daemon *daemon, struct ob_status *status) {
    const struct ob_snapshot_join *join = &daemon->join;
    const struct ob_snapshots *kept = &daemon->snapshots;
    status->snapshot.join = ob_join_state_name(join->state);
    status->snapshot.provisional = join->state >= OB_JOIN_FETCHING && join->state <= OB_JOIN_CHECKING;
    status->snapshot.bytes_have = join->fetch.bytes_have;
    status->snapshot.bytes_total = ob_snapshot_fetch_total(&join->fetch);
    status->snapshot.used_samples = join->used_samples;
    status->snapshot.refused = join->refused + kept->set_aside;
    status->snapshot.kept = kept->count;
    status->snapshot.newest_samples = kept->count ? kept->files[0]->table->samples : 0;
    status->snapshot.written = daemon->writer.written;
    status->snapshot.write_seconds = daemon->writer.seconds;
    status->snapshot.sent_bytes = daemon->server.sent_bytes;
    status->snapshot.dropped = daemon->server.dropped + daemon->snapshot_malformed;
}

static void gather_work(const struct ob_daemon *daemon, struct ob_status *status) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    status->work = ob_compute_view(daemon->session.compute);
    status->peak_memory_bytes = (uint64_t)usage.ru_maxrss * 1024;
    status->threads = ob_pool_threads(daemon->session.replica->pool);
    status->blas_core = ob_blas_core();
    status->blas_failed_cores = ob_blas_failed_cores();
    status->kernels = ob_spsa_engine_name(&daemon->session.replica->engine);
    (void)ob_race_text(&daemon->session.replica->race, status->kernels_measured);
    int64_t most = daemon->session.config->samples_per_round;
    uint16_t bound = daemon->session.manifest->bounds.samples_per_round;
    status->learning = ob_learning_of(daemon->session.manifest, &status->peer,
                                      most > 0 && most < bound ? (uint16_t)most : bound, &status->work);
    status->catch_up_s = ob_catch_up_seconds(&status->peer, &status->work, daemon->catch_up.busy);
}

static void gather_traffic(const struct ob_daemon *daemon, struct ob_status *status) {
    struct ob_transport_counters c = ob_transport_counters(daemon->session.transport);
    double wire = (double)(c.published_bytes + FRAMING_BYTES * c.published_messages);
    status->traffic = c;
    status->refused_questions = daemon->answers.refused;
    status->wire_bytes_per_sample = daemon->own_samples ? wire / (double)daemon->own_samples : 0.0;
}

/* Everything but the log and the machines. */
static void gather(const struct ob_daemon *daemon, uint64_t now_ns, struct ob_status *status) {
    *status = (struct ob_status){
        .name = daemon->session.manifest->name,
        .run = daemon->session.manifest->run,
        .machine = daemon->identity.machine,
        .uptime_s = (double)(now_ns - daemon->started_ns) * 1e-9,
        .loss = daemon->loss,
        .observer = daemon->session.config->observer,
        .max_rounds = daemon->session.manifest->bounds.max_rounds,
        .own_rounds = daemon->own_rounds,
        .own_samples = daemon->own_samples,
        .expires_s =
            daemon->membership.has_certificate ? daemon->membership.certificate.certificate.expiry_s : 0,
        .peer = ob_peer_view(daemon->session.peer),
    };
    status->life = ob_daemon_life(daemon, &status->peer);
    status->pause = daemon->pause;
    status->desk = &daemon->desk;
    status->config = daemon->session.config;
    (void)ob_pause_set(&status->pause, OB_PAUSE_ISOLATED, status->peer.life == OB_PEER_ISOLATED);
    if (daemon->has_digest)
        status->weights_digest = daemon->weights_digest;
    status->weights_digest_current =
        daemon->has_digest && ob_hash_equal(&daemon->digest_log, &status->peer.log_digest);
    gather_snapshot(daemon, status);
    gather_work(daemon, status);
    gather_traffic(daemon, status);
    gather_history(daemon, now_ns, status);
}

static json_t *status_json(const struct ob_daemon *daemon) {
    struct ob_status status;
    struct ob_error error = {0};
    char waiting_for[64];
    uint64_t now_ns = ob_now_ns();
    gather(daemon, now_ns, &status);
    if (status.peer.waits)
        status.waiting_for = ob_machine_name(daemon->session.config, daemon->session.peer,
                                             &status.peer.waits_for, waiting_for);
    if (daemon->disk.full)
        status.log_waits = daemon->disk.why;
    if (ob_store_counts(daemon->session.store, &status.log, &error))
        status.log_error = error.text;
    status.machines = calloc(status.peer.machines + 1, sizeof *status.machines);
    if (!status.machines)
        return NULL;
    for (; status.machine_count < status.peer.machines; status.machine_count++)
        gather_machine(daemon, &status, status.machine_count, now_ns, &status.machines[status.machine_count]);
    uint64_t wall_s = ob_wall_s();
    struct ob_problems problems;
    compare_machines(&status, wall_s);
    ob_problems_of(&status, wall_s, &problems);
    status.problems = &problems;
    json_t *json = ob_status_json(&status);
    free(status.machines);
    return json;
}

char *ob_daemon_status(const struct ob_daemon *daemon) {
    json_t *json = status_json(daemon);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}
