/* peer - one step: which part of the protocol an event belongs to. */
#include "peer/peer.h"

#include <assert.h>
#include <stdlib.h>

#include "peer/admission.h"
#include "peer/authority.h"
#include "peer/control.h"
#include "peer/control_exchange.h"
#include "peer/dispute.h"
#include "peer/effects.h"
#include "peer/evaluation.h"
#include "peer/fetch.h"
#include "peer/fork.h"
#include "peer/frontier.h"
#include "peer/heartbeat.h"
#include "peer/holds.h"
#include "peer/isolation.h"
#include "peer/machines.h"
#include "peer/message.h"
#include "peer/named.h"
#include "peer/pacing.h"
#include "peer/reconcile.h"
#include "peer/records.h"
#include "peer/report.h"
#include "peer/rounds.h"
#include "peer/state.h"
#include "peer/versions.h"

static enum ob_err check_options(const struct ob_peer_options *options, struct ob_error *error) {
    const struct ob_record_bounds *bounds = &options->bounds;
    if (options->machines_max < 1 || options->machines_max > OB_MACHINES_MAX)
        return ob_fail(error, OB_ETOOBIG, "machines_max is %zu, must be 1 to %d", options->machines_max,
                       OB_MACHINES_MAX);
    if (bounds->samples_per_round < 1 || bounds->samples_per_round > OB_SAMPLES_PER_ROUND_MAX ||
        bounds->max_machines < 1 || bounds->max_rounds < 1 || bounds->max_rounds > OB_ROUNDS_MAX ||
        bounds->exponent_min > bounds->exponent_max || bounds->profiles < 1)
        return ob_fail(error, OB_ETOOBIG, "the run's bounds exceed what a peer can hold");
    if (options->isolation_rounds > OB_ISOLATION_ROUNDS_MAX)
        return ob_fail(error, OB_ETOOBIG, "isolation_rounds is %u, must be at most %d",
                       options->isolation_rounds, OB_ISOLATION_ROUNDS_MAX);
    if (options->protocol_lowest > options->protocol_highest ||
        (options->protocol_highest > 0 && options->protocol_lowest == 0))
        return ob_fail(error, OB_EUSAGE, "a peer speaks protocol versions from 1 on, the lowest first");
    if (options->crypto.sign == NULL || options->crypto.verify == NULL)
        return ob_fail(error, OB_EUSAGE, "a peer needs functions that sign and verify");
    return OB_OK;
}

static bool allocate(struct ob_peer *peer, size_t capacity) {
    struct machines *machines = &peer->machines;
    machines->slots = calloc(capacity, sizeof *machines->slots);
    machines->order = calloc(capacity, sizeof(struct machine *));
    machines->spare = calloc(capacity, sizeof(struct machine *));
    machines->capacity = capacity;
    peer->isolation.positions = calloc(capacity, sizeof *peer->isolation.positions);
    peer->pacing.heads = calloc(capacity, sizeof *peer->pacing.heads);
    peer->digests = calloc(1, sizeof *peer->digests);
    bool control = ob_control_table_init(&peer->control, capacity);
    return ob_effects_init(peer) && control && machines->slots && machines->order && machines->spare &&
           peer->pacing.heads && peer->isolation.positions && peer->digests;
}

enum ob_err ob_peer_new(const struct ob_peer_options *options, struct ob_peer **ret_peer,
                        struct ob_error *error) {
    enum ob_err err = check_options(options, error);
    if (err != OB_OK)
        return err;
    struct ob_peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL)
        return ob_fail(error, OB_ENOMEM, "a peer's tables");
    peer->options = *options;
    if (options->protocol_highest == 0) {
        peer->options.protocol_lowest = OB_PROTOCOL_LOWEST;
        peer->options.protocol_highest = OB_PROTOCOL_VERSION;
    }
    if (!allocate(peer, options->machines_max)) {
        ob_peer_free(peer);
        return ob_fail(error, OB_ENOMEM, "a peer's tables for %zu machines", options->machines_max);
    }
    ob_authority_update(peer);
    peer->own = ob_machines_take(peer, &options->machine);
    assert(peer->own != NULL && peer->life == OB_PEER_RECOVERING);
    *ret_peer = peer;
    return OB_OK;
}

void ob_peer_free(struct ob_peer *peer) {
    if (peer == NULL)
        return;
    free(peer->machines.slots);
    free(peer->machines.order);
    free(peer->machines.spare);
    free(peer->pacing.heads);
    free(peer->isolation.positions);
    free(peer->digests);
    ob_control_table_done(&peer->control);
    ob_effects_done(peer);
    free(peer);
}

typedef void (*receive_fn)(struct ob_peer *peer, struct machine *sender, struct ob_reader body);

#define ROW(number, kind, receiver) [OB_MESSAGE_##kind] = ob_receive_##receiver,
static const receive_fn RECEIVE[] = {OB_PEER_MESSAGES(ROW)};
#undef ROW

static void take_message(struct ob_peer *peer, const struct ob_event *event) {
    struct machine *sender = ob_machines_take(peer, &event->machine);
    if (sender == NULL)
        return;
    sender->contact.spoke_ns = peer->now_ns > 0 ? peer->now_ns : 1;
    struct ob_reader reader = ob_reader_init(event->data, event->bytes);
    uint8_t kind = ob_read_u8(&reader), version = ob_read_u8(&reader);
    if (reader.failed || event->bytes > OB_MESSAGE_MAX) {
        ob_effects_refuse(peer, sender, "a message of %zu bytes", event->bytes);
        return;
    }
    if (kind != OB_MESSAGE_VERSIONS && !ob_versions_admit(peer, sender, version))
        return;
    receive_fn receive = kind < sizeof RECEIVE / sizeof RECEIVE[0] ? RECEIVE[kind] : NULL;
    if (receive == NULL) {
        ob_effects_refuse(peer, sender, "a message of unknown kind %u", kind);
        return;
    }
    receive(peer, sender, reader);
}

/* Links that were there before the start. */
static void greet(struct ob_peer *peer) {
    for (size_t i = 0; i < peer->machines.count && ob_effects_room(peer); i++)
        if (peer->machines.order[i]->contact.linked)
            ob_versions_send(peer, peer->machines.order[i]);
}

static void start(struct ob_peer *peer) {
    if (peer->life != OB_PEER_RECOVERING)
        return;
    greet(peer);
    ob_reconcile_start(peer);
    ob_authority_changed(peer); /* what was restored, or handed in before, may not count */
    ob_admission_refresh(peer, peer->own);
    ob_heartbeat_publish(peer);
}

static void link_up(struct ob_peer *peer, const struct ob_machine_id *id) {
    struct machine *machine = ob_machines_take(peer, id);
    if (machine == NULL || machine == peer->own)
        return;
    machine->contact.linked = true;
    machine->contact.link_ns = peer->now_ns;
    machine->frontier.ask_at_once = true;
    machine->frontier.open = false;
    ob_fetch_link(peer, machine);
    if (peer->life == OB_PEER_RECOVERING)
        return;
    ob_versions_send(peer, machine);
    ob_heartbeat_send(peer, machine);
    if (peer->life == OB_PEER_RECONCILING && !machine->rejoin.answered)
        ob_frontier_ask(peer, machine);
}

static void link_down(struct ob_peer *peer, const struct ob_machine_id *id) {
    struct machine *machine = ob_machines_find(peer, id);
    if (machine == NULL)
        return;
    machine->contact.link_ns = machine->contact.linked ? peer->now_ns : machine->contact.link_ns;
    machine->contact.linked = false;
    ob_versions_forget(machine);
    machine->frontier.open = false;
    ob_fetch_drop_link(peer, machine);
}

static void expect(struct ob_peer *peer, const struct ob_machine_id *id) {
    struct machine *machine = ob_machines_take(peer, id);
    if (machine != NULL)
        machine->contact.expected = true;
}

/* A mean that forgets: about the last ten seconds. */
static void measure_rate(struct ob_peer *peer) {
    if (peer->now_ns - peer->rate.since_ns < SECONDS)
        return;
    double passed_s = (double)(peer->now_ns - peer->rate.since_ns) * 1e-9;
    double rate = (double)(peer->counters.samples_accepted - peer->rate.samples) / passed_s;
    bool first = peer->rate.since_ns == 0;
    peer->rate.per_s += first ? 0 : (rate - peer->rate.per_s) * (passed_s < 10 ? passed_s / 10 : 1);
    peer->rate.since_ns = peer->now_ns;
    peer->rate.samples = peer->counters.samples_accepted;
}

static void tick(struct ob_peer *peer) {
    if (peer->life == OB_PEER_RECOVERING)
        return;
    ob_admission_clock(peer);
    ob_fetch_tick(peer);
    ob_reconcile_tick(peer);
    ob_pacing_update(peer);
    ob_fork_tick(peer);
    ob_isolation_update(peer);
    ob_holds_tick(peer);
    measure_rate(peer);
    ob_named_tick(peer);
    ob_dispute_tick(peer);
    if (peer->now_ns - peer->heartbeat.sent_ns >= HEARTBEAT_EVERY_NS)
        ob_heartbeat_publish(peer);
    ob_report_tick(peer);
    ob_evaluation_tick(peer);
}

static void dispatch(struct ob_peer *peer, const struct ob_event *event) {
    switch (event->kind) {
    case OB_EVENT_START:
        start(peer);
        break;
    case OB_EVENT_EXPECT:
        expect(peer, &event->machine);
        break;
    case OB_EVENT_LINK_UP:
        link_up(peer, &event->machine);
        break;
    case OB_EVENT_LINK_DOWN:
        link_down(peer, &event->machine);
        break;
    case OB_EVENT_MESSAGE:
        if (peer->life != OB_PEER_RECOVERING)
            take_message(peer, event);
        break;
    case OB_EVENT_TICK:
        tick(peer);
        break;
    case OB_EVENT_ROUND_DONE:
        ob_rounds_done(peer, event);
        break;
    case OB_EVENT_LEAVE:
        if (!peer->rounds.leaving)
            ob_rounds_leave(peer);
        break;
    case OB_EVENT_PAUSE:
    case OB_EVENT_RESUME:
        ob_rounds_pause(peer, event->kind == OB_EVENT_PAUSE);
        break;
    case OB_EVENT_BUSY:
    case OB_EVENT_FREE:
        peer->fetch.busy = event->kind == OB_EVENT_BUSY;
        break;
    case OB_EVENT_CONTROL:
        ob_control_local(peer, event->data, event->bytes);
        break;
    case OB_EVENT_ADDRESS:
        ob_control_set_address(peer, event->data, event->bytes);
        break;
    case OB_EVENT_DIGEST:
        if (ob_named_answer(peer, event))
            ob_dispute_compare_all(peer);
        break;
    case OB_EVENT_DISPUTE:
        ob_dispute_raise(peer);
        break;
    case OB_EVENT_REPORT:
        ob_report_set(peer, event);
        break;
    case OB_EVENT_EVALUATED:
        ob_evaluation_set(peer, event);
        break;
    case OB_EVENT_REBUILT:
        ob_dispute_resolved(peer, event);
        break;
    }
}

/* Halted, but others have to learn why: of the daemon that runs with our key, whichever it is by now, or of the evidence
 * against it. */
static void tell_why_halted(struct ob_peer *peer, const struct ob_event *event) {
    bool forked = peer->own->standing.forked;
    if (event->kind == OB_EVENT_TICK && (forked || peer->twin.other != 0) &&
        peer->now_ns - peer->heartbeat.sent_ns >= HEARTBEAT_EVERY_NS)
        ob_heartbeat_publish(peer);
    if (event->kind != OB_EVENT_MESSAGE || event->bytes == 0)
        return;
    if (event->data[0] == OB_MESSAGE_HEARTBEAT || (forked && event->data[0] == OB_MESSAGE_CONTROL_ASK))
        take_message(peer, event);
}

struct ob_effects ob_peer_step(struct ob_peer *peer, const struct ob_event *event) {
    ob_effects_begin(peer);
    if (event->now_ns > peer->now_ns)
        peer->now_ns = event->now_ns;
    if (peer->life == OB_PEER_HALTED)
        tell_why_halted(peer, event);
    bool over = peer->life == OB_PEER_LEFT || peer->life == OB_PEER_HALTED;
    if (over && event->kind == OB_EVENT_LEAVE)
        ob_effects_add(peer, OB_EFFECT_LEFT)->machine = peer->options.machine;
    if (event->wall_s != 0)
        peer->wall_s = event->wall_s;
    if (!over) {
        ob_control_table_tidy(&peer->control);
        dispatch(peer, event);
        ob_admission_pump(peer);
        ob_reconcile_check(peer);
        if (event->kind != OB_EVENT_ROUND_DONE)
            ob_rounds_try_start(peer);
    }
    assert(peer->effects.count <= EFFECTS_MAX && peer->effects.scratch_used <= SCRATCH_BYTES);
    return (struct ob_effects){.items = peer->effects.items, .count = peer->effects.count};
}
