#include "peer/admission.h"

#include <string.h>

#include "peer/authority.h"
#include "peer/control_put.h"
#include "peer/cut.h"
#include "peer/effects.h"
#include "peer/invitation.h"
#include "peer/machines.h"
#include "peer/state.h"

bool ob_admission_certificate(const struct ob_peer *peer, const struct ob_machine_id *id,
                              struct ob_certificate *ret_certificate) {
    struct ob_control control, invitation;
    if (ob_authority_latest(peer, OB_CONTROL_CERTIFICATE, id, &control)) {
        *ret_certificate = ob_control_certificate(&control);
        return true;
    }
    if (!ob_invitation_admission(peer, id, &control, &invitation))
        return false;
    struct ob_invitation says = ob_control_invitation(&invitation);
    *ret_certificate =
        ob_invitation_certificate(&peer->options.run, &says, ob_control_admission_name(&control).text);
    return true;
}

static bool expired(const struct ob_peer *peer, const struct machine *machine) {
    const struct standing *standing = &machine->standing;
    return standing->expiry_s != 0 && peer->wall_s != 0 && peer->wall_s >= standing->expiry_s;
}

static void decide(struct ob_peer *peer, struct machine *machine) {
    struct standing *standing = &machine->standing;
    bool admitted = standing->certified && !standing->revoked && !standing->forked && !expired(peer, machine);
    if (admitted == standing->admitted)
        return;
    standing->admitted = admitted;
    peer->admission.work = true;
}

static void read_table(const struct ob_peer *peer, struct machine *machine) {
    struct standing *standing = &machine->standing;
    struct ob_control control;
    struct ob_certificate certificate;
    standing->revoked = standing->forked = standing->goodbye = false;
    standing->cut = UINT64_MAX;
    standing->certified = peer->options.open;
    standing->expiry_s = 0;
    standing->last_round = OB_CONTROL_NEVER;
    for (size_t i = ob_control_table_first(&peer->control, &machine->id);
         ob_control_table_get_of(&peer->control, i, &machine->id, &control); i++) {
        if (control.kind == OB_CONTROL_GOODBYE) {
            standing->goodbye = true;
            standing->goodbye_next = ob_control_goodbye_next(&control).index;
        }
        if (control.kind != OB_CONTROL_REVOCATION && control.kind != OB_CONTROL_EVIDENCE)
            continue;
        standing->revoked |= control.kind == OB_CONTROL_REVOCATION;
        standing->forked |= control.kind == OB_CONTROL_EVIDENCE;
        if (ob_control_cut(&control).index < standing->cut)
            standing->cut = ob_control_cut(&control).index;
    }
    if (peer->options.open || !ob_admission_certificate(peer, &machine->id, &certificate))
        return;
    standing->certified = true;
    standing->expiry_s = certificate.expiry_s;
    standing->last_round = certificate.last_round;
}

static void halt_if_out(struct ob_peer *peer) {
    if (peer->life == OB_PEER_HALTED)
        return;
    if (peer->own->standing.forked)
        ob_effects_halt(
            peer, "two records signed with our key carry different bytes for the same sample: the key was "
                  "used twice (the machine was copied or restored); create a new key with `onebyte keygen`");
    else if (peer->own->standing.revoked)
        ob_effects_halt(peer,
                        "the run's authority revoked this machine; to take part again, create a new key "
                        "and ask for a new certificate");
}

/* Signs our address again when the table has another; what follows from the entry, its reader sees. */
static void own_address(struct ob_peer *peer) {
    struct ob_control known, control;
    if (!peer->address.known || !peer->own->standing.certified)
        return;
    if (ob_control_table_find(&peer->control, OB_CONTROL_ADDRESS, &peer->own->id, &known) &&
        known.payload_bytes == peer->address.bytes &&
        memcmp(known.payload, peer->address.text, peer->address.bytes) == 0)
        return;
    if (ob_control_put_own(peer, OB_CONTROL_ADDRESS, peer->address.text, peer->address.bytes, &control))
        peer->own->standing.reach = peer->admission.work = true;
}

void ob_admission_refresh(struct ob_peer *peer, struct machine *machine) {
    if (!machine->standing.stale)
        return;
    machine->standing.stale = false;
    read_table(peer, machine);
    machine->fetch.complete = false;
    if (machine == peer->own) {
        halt_if_out(peer);
        own_address(peer);
    }
    ob_cut_enforce(peer, machine);
    decide(peer, machine);
}

bool ob_admission_certified(struct ob_peer *peer, struct machine *machine) {
    ob_admission_refresh(peer, machine);
    return machine->standing.certified;
}

static void tell_left(struct ob_peer *peer, const struct machine *machine, bool had_left) {
    if (!had_left && ob_machines_left(machine) && machine != peer->own)
        ob_effects_tell(peer, OB_NOTICE_LEFT, &machine->id, "left after %llu samples",
                        (unsigned long long)machine->standing.goodbye_next);
}

/* What an entry that is now in the table changes. */
void ob_admission_follow(struct ob_peer *peer, const struct ob_control *control) {
    if (control->kind == OB_CONTROL_ROTATION) {
        ob_authority_changed(peer);
        ob_effects_tell(
            peer, OB_NOTICE_ROTATED, &control->subject,
            "the authority key was rotated: entries of the old key remain valid below sequence %llu",
            (unsigned long long)ob_control_until(control));
        return;
    }
    bool delegates = control->kind == OB_CONTROL_INVITATION || control->kind == OB_CONTROL_WITHDRAWAL;
    if (delegates || control->kind == OB_CONTROL_ADMISSION)
        ob_authority_invited(peer, control);
    if (delegates)
        return; /* its subject is no machine */
    struct machine *machine = ob_machines_take(peer, &control->subject);
    if (machine == NULL)
        return; /* the table of machines is full: told */
    bool had_left = ob_machines_left(machine);
    machine->standing.reach |= control->kind == OB_CONTROL_ADDRESS;
    ob_machines_stale(peer, machine);
    if (peer->life == OB_PEER_RECOVERING)
        return;
    ob_admission_refresh(peer, machine);
    tell_left(peer, machine, had_left);
}

static const char *why_out(const struct ob_peer *peer, const struct machine *machine) {
    if (machine->standing.revoked)
        return "revoked";
    if (machine->standing.forked)
        return "its key signed two chains";
    if (expired(peer, machine))
        return "its certificate has expired";
    return "no valid certificate, or its invitation was withdrawn or used up by others";
}

static void tell_caller(struct ob_peer *peer, struct machine *machine) {
    struct standing *standing = &machine->standing;
    standing->told_admitted = standing->admitted;
    struct ob_effect *effect = ob_effects_add(peer, standing->admitted ? OB_EFFECT_ADMIT : OB_EFFECT_EXPEL);
    effect->machine = machine->id;
    if (!standing->admitted) {
        effect->text = why_out(peer, machine);
        ob_effects_tell(peer, OB_NOTICE_EXPELLED, &machine->id, "%s", effect->text);
        standing->reach = true; /* to be told again should it come back */
        return;
    }
    struct ob_certificate certificate;
    if (ob_effects_texts_left(peer) && ob_admission_certificate(peer, &machine->id, &certificate))
        ob_effects_tell(peer, OB_NOTICE_ADMITTED, &machine->id, "admitted as %s", certificate.name);
}

static void reach(struct ob_peer *peer, struct machine *machine) {
    struct ob_control control;
    machine->standing.reach = false;
    if (!ob_control_table_find(&peer->control, OB_CONTROL_ADDRESS, &machine->id, &control))
        return;
    struct ob_effect *effect = ob_effects_add(peer, OB_EFFECT_REACH);
    effect->machine = machine->id;
    effect->data = control.payload;
    effect->bytes = control.payload_bytes;
    machine->standing.reached = control.payload_bytes > 0;
}

void ob_admission_pump(struct ob_peer *peer) {
    if (!peer->admission.work || peer->life == OB_PEER_RECOVERING)
        return;
    for (size_t i = 0; i < peer->machines.count; i++) {
        struct machine *machine = peer->machines.order[i];
        const struct standing *standing = &machine->standing;
        if (!ob_effects_room(peer))
            return; /* the next step goes on */
        ob_admission_refresh(peer, machine);
        if (machine == peer->own)
            continue;
        if (standing->admitted != standing->told_admitted)
            tell_caller(peer, machine);
        if (standing->reach && standing->admitted)
            reach(peer, machine);
    }
    peer->admission.work = false;
}

void ob_admission_clock(struct ob_peer *peer) {
    if (peer->wall_s == peer->admission.wall_seen_s)
        return;
    peer->admission.wall_seen_s = peer->wall_s;
    for (size_t i = 0; i < peer->machines.count; i++)
        decide(peer, peer->machines.order[i]);
    if (expired(peer, peer->own) && !peer->admission.expiry_told)
        ob_effects_tell(
            peer, OB_NOTICE_EXPELLED, &peer->own->id,
            "our certificate has expired: others refuse us until it is renewed (`onebyte renew`)");
    peer->admission.expiry_told = expired(peer, peer->own);
}
