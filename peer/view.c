#include "peer/view.h"

#include <assert.h>
#include <string.h>

#include "peer/admission.h"
#include "peer/authority.h"
#include "peer/evaluation.h"
#include "peer/invitation.h"
#include "peer/log.h"
#include "peer/machines.h"
#include "peer/named.h"
#include "peer/pacing.h"
#include "peer/patience.h"
#include "peer/spoken.h"
#include "peer/state.h"
#include "record/invited.h"

const char *ob_notice_name(enum ob_notice notice) {
    static const char *const NAMES[] = {
        [OB_NOTICE_JOINED] = "joined",     [OB_NOTICE_LEFT] = "left",
        [OB_NOTICE_QUIET] = "quiet",       [OB_NOTICE_BACK] = "back",
        [OB_NOTICE_GAP] = "gap",           [OB_NOTICE_CAUGHT_UP] = "caught up",
        [OB_NOTICE_REFUSED] = "refused",   [OB_NOTICE_FORK] = "fork",
        [OB_NOTICE_DISAGREE] = "disagree", [OB_NOTICE_RECOVERED_OWN] = "recovered own",
        [OB_NOTICE_FINISHED] = "finished", [OB_NOTICE_VERSION] = "version",
        [OB_NOTICE_CUT] = "cut",           [OB_NOTICE_ADMITTED] = "admitted",
        [OB_NOTICE_EXPELLED] = "expelled", [OB_NOTICE_ROTATED] = "rotated",
        [OB_NOTICE_ISOLATED] = "isolated", [OB_NOTICE_TWIN] = "twin",
        [OB_NOTICE_PROVEN] = "proven",     [OB_NOTICE_HEALED] = "healed",
        [OB_NOTICE_SLOW] = "slow",
    };
    return (size_t)notice < sizeof NAMES / sizeof NAMES[0] ? NAMES[notice] : "unknown";
}

static size_t certificates(const struct ob_peer *peer) {
    size_t count = 0;
    for (size_t i = 0; i < peer->machines.count; i++)
        count += peer->machines.order[i]->standing.admitted;
    return count;
}

struct ob_peer_view ob_peer_view(const struct ob_peer *peer) {
    const struct machine *waits_for = ob_pacing_waits_for(peer);
    struct ob_peer_view view = {
        .life = peer->life,
        .round = {peer->rounds.current.running ? peer->rounds.current.round : peer->rounds.next},
        .next = {peer->own->chain.next},
        .live = ob_pacing_live(peer),
        .machines = peer->machines.count,
        .log_digest = ob_log_digest(peer),
        .control_digest = ob_control_table_digest(&peer->control),
        .counters = peer->counters,
        .median_round_ns = ob_pacing_median_ns(peer),
        .certified = peer->own->standing.certified,
        .certificates = certificates(peer),
        .acknowledge = peer->isolation.acknowledge,
        .last_live = peer->isolation.last_live,
        .unacknowledged = peer->isolation.unacknowledged,
        .samples_per_s = peer->rate.per_s,
        .disputed = peer->dispute.open,
        .protocol_lowest = peer->options.protocol_lowest,
        .protocol_highest = peer->options.protocol_highest,
        .protocol_published = ob_spoken_published(peer, 0),
        .waits = waits_for != NULL,
        .waits_for = waits_for != NULL ? waits_for->id : (struct ob_machine_id){{0}},
        .named = peer->named.known ? peer->named.below : 0,
    };
    const struct weights_digest *named = view.named > 0 ? ob_named_find(peer, &peer->named.log) : NULL;
    if (view.named > 0)
        view.named_log = peer->named.log;
    if (named != NULL)
        view.named_weights = named->weights;
    for (size_t i = 0; i < peer->machines.count; i++) {
        const struct machine *machine = peer->machines.order[i];
        view.samples_held += machine->chain.next;
        view.samples_known +=
            machine->fetch.target > machine->chain.next ? machine->fetch.target : machine->chain.next;
    }
    double missing = (double)(view.samples_known - view.samples_held);
    view.catch_up_s = missing == 0 ? 0 : peer->rate.per_s > 0 ? missing / peer->rate.per_s : -1;
    return view;
}

enum ob_peer_life ob_peer_life(const struct ob_peer *peer) {
    return peer->life;
}

size_t ob_peer_count(const struct ob_peer *peer) {
    return peer->machines.count;
}

struct ob_hash ob_peer_log_digest(const struct ob_peer *peer) {
    return ob_log_digest(peer);
}

bool ob_peer_find(const struct ob_peer *peer, const struct ob_machine_id *machine,
                  struct ob_peer_machine *ret_machine) {
    for (size_t low = 0, high = peer->machines.count; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = ob_machine_compare(&peer->machines.order[middle]->id, machine);
        if (order == 0) {
            *ret_machine = ob_peer_machine(peer, middle);
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

uint8_t ob_peer_speaks(const struct ob_peer *peer, const struct ob_machine_id *machine) {
    const struct machine *found = ob_machines_find(peer, machine);
    return found ? ob_spoken_to(peer, found) : peer->options.protocol_lowest;
}

bool ob_peer_understands(const struct ob_peer *peer, uint8_t version) {
    return ob_spoken_here(peer, version);
}

struct ob_peer_machine ob_peer_machine(const struct ob_peer *peer, size_t i) {
    assert(i < peer->machines.count);
    const struct machine *machine = peer->machines.order[i];
    struct ob_certificate certificate = {0};
    (void)ob_admission_certificate(peer, &machine->id, &certificate);
    struct ob_peer_machine view = {
        .machine = machine->id,
        .next = {machine->chain.next},
        .head = machine->chain.head,
        .head_round = {machine->chain.head_round},
        .has_records = machine->chain.has_records,
        .paced = machine->pacing.paced,
        .slow = ob_patience_rests(peer, machine),
        .linked = machine->contact.linked,
        .link_ns = machine->contact.link_ns,
        .left = ob_machines_left(machine),
        .last_record_ns = machine->pacing.last_record_ns,
        .last_heard_ns = machine->heartbeat.heard_ns,
        .reported_next = {machine->heartbeat.next},
        .reported_log = machine->heartbeat.log,
        .reported_weights = machine->heartbeat.weights,
        .compared = machine->dispute.compared,
        .agrees = machine->dispute.compared && machine->dispute.agrees,
        .false_alarms = machine->dispute.false_alarms,
        .admitted = machine->standing.admitted,
        .revoked = machine->standing.revoked,
        .forked = machine->standing.forked,
        .report_ns = machine->report.heard ? machine->report.heard_ns : 0,
        .reported_loss = machine->report.loss,
        .reported_rate = machine->report.rate,
        .protocol = machine == peer->own ? peer->options.protocol_highest : ob_spoken_common(peer, machine),
        .protocol_last = machine->versions.last,
        .protocol_lowest = machine == peer->own ? peer->options.protocol_lowest : machine->versions.lowest,
        .protocol_highest = machine == peer->own ? peer->options.protocol_highest : machine->versions.highest,
        .expiry_s = certificate.expiry_s,
        .cut = {machine->standing.cut},
    };
    memcpy(view.name, certificate.name, sizeof view.name);
    memcpy(view.version, machine->report.version, sizeof view.version);
    if (machine->evaluation.count > 0) {
        const struct evaluated *last =
            &machine->evaluation.last[(machine->evaluation.count - 1) % EVALUATIONS];
        view.score = last->score;
        view.score_below.index = last->below;
    }
    return view;
}

static enum ob_err check_not_out(const struct ob_peer *peer, const struct ob_machine_id *id,
                                 struct ob_error *error) {
    const struct machine *machine = ob_machines_find(peer, id);
    if (machine != NULL && (machine->standing.revoked || machine->standing.forked))
        return ob_fail(error, OB_EREFUSED, "certificate: its machine %s; it needs a new key",
                       machine->standing.revoked ? "was revoked" : "signed two chains with one key");
    return OB_OK;
}

enum ob_err ob_peer_check_certificate(const struct ob_peer *peer, const void *data, size_t bytes,
                                      uint64_t wall_s, struct ob_error *error) {
    struct ob_control control;
    enum ob_err err = ob_control_decode(data, bytes, &control, error);
    if (err != OB_OK)
        return err;
    int index = ob_authority_index(peer, &control.signer);
    const struct ob_machine_id *authority =
        index >= 0 ? &peer->authority.keys[index].key : &peer->options.authority;
    struct ob_verifier verifier = ob_authority_verifier(peer);
    err = ob_certificate_check(data, bytes, &peer->options.run, authority, NULL, wall_s, &verifier, error);
    if (err != OB_OK)
        return err;
    if (!ob_authority_in_time(peer, &control))
        return ob_fail(error, OB_EREFUSED, "certificate: signed with an authority key that was rotated out");
    return check_not_out(peer, &control.subject, error);
}

static bool passed(uint64_t expiry_s, uint64_t wall_s) {
    return wall_s != 0 && expiry_s != 0 && wall_s >= expiry_s;
}

/* A machine that is in the table came before the invitation expired. */
static enum ob_err check_uses(const struct ob_peer *peer, const struct ob_control *invitation,
                              const struct ob_control *admission, uint64_t wall_s, struct ob_error *error) {
    struct ob_control withdrawal, known;
    const struct ob_machine_id *key = &invitation->subject;
    struct ob_invitation says =
        ob_control_invitation(ob_invitation_of(peer, key, &known) ? &known : invitation);
    struct ob_certificate member;
    if (ob_authority_latest(peer, OB_CONTROL_WITHDRAWAL, key, &withdrawal) &&
        !ob_control_keeps(&withdrawal, &admission->subject))
        return ob_fail(error, OB_ESTATE, "invitation: it was withdrawn");
    if (passed(says.member_expiry_s, wall_s))
        return ob_fail(error, OB_ETIMEOUT, "invitation: those that it admits have expired");
    if (ob_admission_certificate(peer, &admission->subject, &member))
        return OB_OK;
    if (passed(says.expiry_s, wall_s))
        return ob_fail(error, OB_ETIMEOUT, "invitation: it has expired; ask for a new one");
    if (ob_invitation_used(peer, key) >= says.uses)
        return ob_fail(error, OB_EBUSY, "invitation: used up: %u of %u machines have joined by it", says.uses,
                       says.uses);
    return OB_OK;
}

size_t ob_peer_score(const struct ob_peer *peer, const struct ob_hash *log, struct ob_score *ret_score) {
    return ob_evaluation_sum(peer, log, ret_score);
}

bool ob_peer_ends_below(const struct ob_peer *peer, uint32_t below,
                        void (*see)(void *context, const struct ob_machine_id *machine, uint64_t next),
                        void *context) {
    uint64_t next;
    struct ob_hash head;
    for (size_t i = 0; i < peer->machines.count; i++)
        if (!ob_chain_end_below(&peer->machines.order[i]->chain, below, &next, &head))
            return false;
    for (size_t i = 0; i < peer->machines.count; i++)
        if (ob_chain_end_below(&peer->machines.order[i]->chain, below, &next, &head) && next > 0)
            see(context, &peer->machines.order[i]->id, next);
    return true;
}

const uint8_t *ob_peer_why_out(const struct ob_peer *peer, const struct ob_machine_id *machine,
                               size_t *ret_bytes) {
    const uint8_t *why = NULL, *data;
    struct ob_control control;
    size_t bytes;
    for (size_t i = 0; (data = ob_control_table_data(&peer->control, machine->key[0], i, &bytes)) != NULL;
         i++) {
        if (ob_control_decode(data, bytes, &control, NULL) != OB_OK ||
            !ob_machine_equal(&control.subject, machine))
            continue;
        bool proof = control.kind == OB_CONTROL_EVIDENCE;
        if (!proof && (control.kind != OB_CONTROL_REVOCATION || why != NULL))
            continue;
        why = data;
        *ret_bytes = bytes;
        if (proof)
            break;
    }
    return why;
}

enum ob_err ob_peer_check_invited(const struct ob_peer *peer, const void *data, size_t bytes, uint64_t wall_s,
                                  struct ob_error *error) {
    struct ob_control invitation, admission;
    struct ob_verifier verifier = ob_authority_verifier(peer);
    enum ob_err err = ob_invited_decode(data, bytes, &invitation, &admission, error);
    if (err != OB_OK)
        return err;
    if (!ob_authority_in_time(peer, &invitation) ||
        !ob_control_verify_with(&verifier, &peer->options.run, &invitation))
        return ob_fail(error, OB_EREFUSED, "invitation: not signed by the run's authority");
    if (!ob_control_verify_with(&verifier, &peer->options.run, &admission))
        return ob_fail(error, OB_EREFUSED, "invitation: its key did not sign this machine");
    err = check_uses(peer, &invitation, &admission, wall_s, error);
    return err != OB_OK ? err : check_not_out(peer, &admission.subject, error);
}

struct ob_machine_id ob_peer_authority(const struct ob_peer *peer) {
    return peer->authority.count > 0 ? peer->authority.keys[peer->authority.count - 1].key
                                     : peer->options.authority;
}

bool ob_peer_knows_authority(const struct ob_peer *peer, const struct ob_machine_id *key) {
    return ob_authority_index(peer, key) >= 0;
}

bool ob_peer_holds_control(const struct ob_peer *peer, const void *data, size_t bytes) {
    return ob_control_table_holds(&peer->control, data, bytes);
}

void ob_peer_each_control(const struct ob_peer *peer,
                          void (*see)(void *context, const void *data, size_t bytes), void *context) {
    ob_control_table_each(&peer->control, see, context);
}
