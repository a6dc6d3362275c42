#include "peer/authority.h"

#include "peer/invitation.h"
#include "peer/machines.h"
#include "peer/state.h"

static bool rotates_onwards(const struct ob_peer *peer, const struct ob_control *control) {
    int from = ob_authority_index(peer, &control->signer), to = ob_authority_index(peer, &control->subject);
    return from >= 0 && from + 1 < AUTHORITIES_MAX && (to < 0 || to > from);
}

static bool is_member(const struct ob_peer *peer, const struct ob_machine_id *machine) {
    struct ob_control control;
    return peer->options.open ||
           ob_control_table_find(&peer->control, OB_CONTROL_CERTIFICATE, machine, &control) ||
           ob_control_table_find(&peer->control, OB_CONTROL_ADMISSION, machine, &control);
}

bool ob_authority_counts(const struct ob_peer *peer, const struct ob_control *control) {
    switch (control->kind) {
    case OB_CONTROL_CERTIFICATE:
    case OB_CONTROL_REVOCATION:
    case OB_CONTROL_INVITATION:
    case OB_CONTROL_WITHDRAWAL:
        return ob_authority_in_time(peer, control);
    case OB_CONTROL_ROTATION:
        return rotates_onwards(peer, control);
    case OB_CONTROL_ADMISSION:
        return ob_invitation_allows(peer, control);
    case OB_CONTROL_GOODBYE:
    case OB_CONTROL_EVIDENCE:
    case OB_CONTROL_ADDRESS:
        return is_member(peer, &control->subject);
    }
    return false;
}

bool ob_authority_would_count(const struct ob_peer *peer, const struct ob_control *control) {
    return ob_authority_counts(peer, control) &&
           (control->kind != OB_CONTROL_ADMISSION || ob_invitation_has_room(peer, control));
}

static bool counts(const void *peer, const struct ob_control *control) {
    return ob_authority_counts(peer, control);
}

/* An admission counts with its invitation, and what a machine says of itself with its admission: what a pass removes may be
 * what something else counted by. */
static bool purge(struct ob_peer *peer) {
    bool any = false;
    while (ob_control_table_purge(&peer->control, counts, peer) > 0)
        any = true;
    return any;
}

void ob_authority_changed(struct ob_peer *peer) {
    ob_authority_update(peer);
    do
        (void)purge(peer);
    while (ob_invitation_settle_all(peer));
    ob_machines_stale_all(peer);
}

void ob_authority_invited(struct ob_peer *peer, const struct ob_control *control) {
    bool admission = control->kind == OB_CONTROL_ADMISSION;
    const struct ob_machine_id key = admission ? control->signer : control->subject;
    bool removed = ob_invitation_settle(peer, &key);
    if (removed || !admission)
        removed |= purge(peer);
    if (removed || !admission) /* what it says of those who stay may be new */
        ob_machines_stale_all(peer);
}

struct ob_verifier ob_authority_verifier(const struct ob_peer *peer) {
    return (struct ob_verifier){peer->options.crypto.context, peer->options.crypto.verify};
}
