#include "peer/authority.h"

#include <assert.h>

#include "peer/machines.h"
#include "peer/state.h"

int ob_authority_index(const struct ob_peer *peer, const struct ob_machine_id *key) {
    for (size_t i = 0; i < peer->authority.count; i++)
        if (ob_machine_equal(&peer->authority.keys[i].key, key))
            return (int)i;
    return -1;
}

void ob_authority_update(struct ob_peer *peer) {
    struct ob_control rotation;
    peer->authority.count = 0;
    if (peer->options.open)
        return;
    peer->authority.keys[peer->authority.count++] = (struct authority){peer->options.authority, UINT64_MAX};
    for (;;) {
        struct authority *last = &peer->authority.keys[peer->authority.count - 1];
        if (peer->authority.count == AUTHORITIES_MAX ||
            !ob_control_table_find(&peer->control, OB_CONTROL_ROTATION, &last->key, &rotation) ||
            ob_authority_index(peer, &rotation.subject) >= 0)
            break;
        last->until = ob_control_until(&rotation);
        peer->authority.keys[peer->authority.count++] = (struct authority){rotation.subject, UINT64_MAX};
    }
    assert(peer->authority.count >= 1);
}

bool ob_authority_in_time(const struct ob_peer *peer, const struct ob_control *control) {
    int index = ob_authority_index(peer, &control->signer);
    return index >= 0 && control->sequence < peer->authority.keys[index].until;
}

static bool rotates_onwards(const struct ob_peer *peer, const struct ob_control *control) {
    int from = ob_authority_index(peer, &control->signer), to = ob_authority_index(peer, &control->subject);
    return from >= 0 && from + 1 < AUTHORITIES_MAX && (to < 0 || to > from);
}

bool ob_authority_counts(const struct ob_peer *peer, const struct ob_control *control) {
    struct ob_control certificate;
    switch (control->kind) {
    case OB_CONTROL_CERTIFICATE:
    case OB_CONTROL_REVOCATION:
        return ob_authority_in_time(peer, control);
    case OB_CONTROL_ROTATION:
        return rotates_onwards(peer, control);
    case OB_CONTROL_GOODBYE:
    case OB_CONTROL_EVIDENCE:
    case OB_CONTROL_ADDRESS:
        return peer->options.open ||
               ob_control_table_find(&peer->control, OB_CONTROL_CERTIFICATE, &control->subject, &certificate);
    }
    return false;
}

static bool counts(const void *peer, const struct ob_control *control) {
    return ob_authority_counts(peer, control);
}

/* Twice: what a machine says of itself counts with a certificate, which the first pass may have removed. */
void ob_authority_changed(struct ob_peer *peer) {
    ob_authority_update(peer);
    (void)ob_control_table_purge(&peer->control, counts, peer);
    (void)ob_control_table_purge(&peer->control, counts, peer);
    ob_machines_stale_all(peer);
}

struct ob_verifier ob_authority_verifier(const struct ob_peer *peer) {
    return (struct ob_verifier){peer->options.crypto.context, peer->options.crypto.verify};
}
