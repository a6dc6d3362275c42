/* admission - what each machine is according to the control table: does it belong, from which sample on do
 * its records not count, where is it reached. A pure function of the table and, for expiry alone, of the wall
 * clock.
 *
 * A change marks a machine stale; it is read again before anything depends on it, at the latest when the step
 * ends and there is room for what follows (a cut, ADMIT, EXPEL, REACH): else in the next one. */
#include <assert.h>

#include "peer/state.h"

void ob_admission_stale(struct ob_peer *peer, struct machine *machine) {
    machine->stale = true;
    peer->admission_work = true;
}

void ob_admission_stale_all(struct ob_peer *peer) {
    for (size_t i = 0; i < peer->count; i++)
        peer->order[i]->stale = true;
    peer->admission_work = true;
}

/* The certificate of the latest authority key, of those the one with the highest sequence. */
static bool certificate_of(const struct ob_peer *peer, const struct ob_machine_id *id,
                           struct ob_control *ret_control) {
    struct ob_control control;
    int best = -1;
    for (size_t i = ob_control_table_first(peer, id); ob_control_table_get_of(peer, i, id, &control); i++) {
        if (control.kind != OB_CONTROL_CERTIFICATE)
            continue;
        int index = ob_authority_index(peer, &control.signer);
        if (index > best) { /* one entry for each signer */
            best = index;
            *ret_control = control;
        }
    }
    return best >= 0;
}

bool ob_admission_certificate(const struct ob_peer *peer, const struct ob_machine_id *id,
                              struct ob_certificate *ret_certificate) {
    struct ob_control control;
    if (!certificate_of(peer, id, &control))
        return false;
    *ret_certificate = ob_control_certificate(&control);
    return true;
}

static bool expired(const struct ob_peer *peer, const struct machine *machine) {
    return machine->expiry_s != 0 && peer->wall_s != 0 && peer->wall_s >= machine->expiry_s;
}

static void decide(struct ob_peer *peer, struct machine *machine) {
    bool admitted = machine->certified && !machine->revoked && !machine->forked && !expired(peer, machine);
    if (admitted == machine->admitted)
        return;
    machine->admitted = admitted;
    peer->admission_work = true;
}

static void read_table(const struct ob_peer *peer, struct machine *machine) {
    struct ob_control control;
    struct ob_certificate certificate;
    machine->revoked = machine->forked = machine->goodbye = false;
    machine->cut = UINT64_MAX;
    machine->certified = peer->options.open;
    machine->expiry_s = 0;
    machine->last_round = OB_CONTROL_NEVER;
    for (size_t i = ob_control_table_first(peer, &machine->id);
         ob_control_table_get_of(peer, i, &machine->id, &control); i++) {
        if (control.kind == OB_CONTROL_GOODBYE) {
            machine->goodbye = true;
            machine->goodbye_next = ob_control_goodbye_next(&control).index;
        }
        if (control.kind != OB_CONTROL_REVOCATION && control.kind != OB_CONTROL_EVIDENCE)
            continue;
        machine->revoked |= control.kind == OB_CONTROL_REVOCATION;
        machine->forked |= control.kind == OB_CONTROL_EVIDENCE;
        if (ob_control_cut(&control).index < machine->cut)
            machine->cut = ob_control_cut(&control).index;
    }
    if (peer->options.open || !ob_admission_certificate(peer, &machine->id, &certificate))
        return;
    machine->certified = true;
    machine->expiry_s = certificate.expiry_s;
    machine->last_round = certificate.last_round;
}

static void halt_if_out(struct ob_peer *peer) {
    if (peer->life == OB_PEER_HALTED)
        return;
    if (peer->own->forked)
        ob_effects_halt(peer,
                        "two records signed with our key hold different bytes for one sample: the key was "
                        "used twice (a copied or restored machine); this machine needs a new key");
    else if (peer->own->revoked)
        ob_effects_halt(peer,
                        "the run's authority revoked this machine; to take part again it needs a new key "
                        "and a new certificate");
}

void ob_admission_refresh(struct ob_peer *peer, struct machine *machine) {
    if (!machine->stale)
        return;
    machine->stale = false;
    read_table(peer, machine);
    machine->complete = false;
    if (machine == peer->own) {
        halt_if_out(peer);
        ob_control_own_address(peer);
    }
    ob_cut_enforce(peer, machine);
    decide(peer, machine);
}

bool ob_admission_certified(struct ob_peer *peer, struct machine *machine) {
    ob_admission_refresh(peer, machine);
    return machine->certified;
}

static const char *why_out(const struct ob_peer *peer, const struct machine *machine) {
    if (machine->revoked)
        return "it was revoked";
    if (machine->forked)
        return "it signed two chains with one key";
    if (expired(peer, machine))
        return "its certificate has expired";
    return "it has no certificate that counts";
}

static void tell_caller(struct ob_peer *peer, struct machine *machine) {
    machine->told_admitted = machine->admitted;
    struct ob_effect *effect = ob_effects_add(peer, machine->admitted ? OB_EFFECT_ADMIT : OB_EFFECT_EXPEL);
    effect->machine = machine->id;
    if (!machine->admitted) {
        effect->text = why_out(peer, machine);
        ob_effects_tell(peer, OB_NOTICE_EXPELLED, &machine->id, "%s", effect->text);
        machine->reach = true; /* to be told again should it come back */
        return;
    }
    struct ob_certificate certificate;
    if (peer->texts_used < TEXTS_MAX / 2 && ob_admission_certificate(peer, &machine->id, &certificate))
        ob_effects_tell(peer, OB_NOTICE_ADMITTED, &machine->id, "its certificate names it %s",
                        certificate.name);
}

static void reach(struct ob_peer *peer, struct machine *machine) {
    struct ob_control control;
    machine->reach = false;
    if (!ob_control_table_find(peer, OB_CONTROL_ADDRESS, &machine->id, &control))
        return;
    struct ob_effect *effect = ob_effects_add(peer, OB_EFFECT_REACH);
    effect->machine = machine->id;
    effect->data = control.payload;
    effect->bytes = control.payload_bytes;
    machine->reached = control.payload_bytes > 0;
}

void ob_admission_pump(struct ob_peer *peer) {
    if (!peer->admission_work || peer->life == OB_PEER_RECOVERING)
        return;
    for (size_t i = 0; i < peer->count; i++) {
        struct machine *machine = peer->order[i];
        if (!ob_effects_room(peer))
            return; /* the next step goes on */
        ob_admission_refresh(peer, machine);
        if (machine == peer->own)
            continue;
        if (machine->admitted != machine->told_admitted)
            tell_caller(peer, machine);
        if (machine->reach && machine->admitted)
            reach(peer, machine);
    }
    peer->admission_work = false;
}

void ob_admission_clock(struct ob_peer *peer) {
    if (peer->wall_s == peer->wall_seen_s)
        return;
    peer->wall_seen_s = peer->wall_s;
    for (size_t i = 0; i < peer->count; i++)
        decide(peer, peer->order[i]);
    if (expired(peer, peer->own) && !peer->expiry_told)
        ob_effects_tell(peer, OB_NOTICE_EXPELLED, &peer->own->id,
                        "our certificate has expired: others cut us off until we have a renewed one");
    peer->expiry_told = expired(peer, peer->own);
}
