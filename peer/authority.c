/* authority - whose signature makes a member: the manifest's key and those that it, one after the other, was
 * rotated to. A pure function of the control table.
 *
 * Each key has at most one successor, the rotation that the table keeps (control_table.c). What a key signed
 * counts while its sequence is below the `until` of the key's rotation. When the keys change, entries that
 * count no more go out of the table, so that it is the same whatever came first. */
#include <assert.h>

#include "peer/state.h"

int ob_authority_index(const struct ob_peer *peer, const struct ob_machine_id *key) {
    for (size_t i = 0; i < peer->authority_count; i++)
        if (ob_machine_equal(&peer->authorities[i].key, key))
            return (int)i;
    return -1;
}

void ob_authority_update(struct ob_peer *peer) {
    struct ob_control rotation;
    peer->authority_count = 0;
    if (peer->options.open)
        return;
    peer->authorities[peer->authority_count++] = (struct authority){peer->options.authority, UINT64_MAX};
    for (;;) {
        struct authority *last = &peer->authorities[peer->authority_count - 1];
        if (peer->authority_count == AUTHORITIES_MAX ||
            !ob_control_table_find(peer, OB_CONTROL_ROTATION, &last->key, &rotation) ||
            ob_authority_index(peer, &rotation.subject) >= 0)
            break;
        last->until = ob_control_until(&rotation);
        peer->authorities[peer->authority_count++] = (struct authority){rotation.subject, UINT64_MAX};
    }
    assert(peer->authority_count >= 1);
}

static bool signed_in_time(const struct ob_peer *peer, const struct ob_control *control) {
    int index = ob_authority_index(peer, &control->signer);
    return index >= 0 && control->sequence < peer->authorities[index].until;
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
        return signed_in_time(peer, control);
    case OB_CONTROL_ROTATION:
        return rotates_onwards(peer, control);
    case OB_CONTROL_GOODBYE:
    case OB_CONTROL_EVIDENCE:
    case OB_CONTROL_ADDRESS:
        return peer->options.open ||
               ob_control_table_find(peer, OB_CONTROL_CERTIFICATE, &control->subject, &certificate);
    }
    return false;
}

/* Twice: what a machine says of itself counts with a certificate, which the first pass may have removed. */
void ob_authority_changed(struct ob_peer *peer) {
    ob_authority_update(peer);
    (void)ob_control_table_purge(peer, ob_authority_counts);
    (void)ob_control_table_purge(peer, ob_authority_counts);
    ob_admission_stale_all(peer);
}

struct ob_verifier ob_authority_verifier(const struct ob_peer *peer) {
    return (struct ob_verifier){peer->options.crypto.context, peer->options.crypto.verify};
}

enum ob_err ob_peer_check_certificate(const struct ob_peer *peer, const void *data, size_t bytes,
                                      uint64_t wall_s, struct ob_error *error) {
    struct ob_control control;
    enum ob_err err = ob_control_decode(data, bytes, &control, error);
    if (err != OB_OK)
        return err;
    int index = ob_authority_index(peer, &control.signer);
    const struct ob_machine_id *authority =
        index >= 0 ? &peer->authorities[index].key : &peer->options.authority;
    struct ob_verifier verifier = ob_authority_verifier(peer);
    err = ob_certificate_check(data, bytes, &peer->options.run, authority, NULL, wall_s, &verifier, error);
    if (err != OB_OK)
        return err;
    if (!signed_in_time(peer, &control))
        return ob_fail(error, OB_EREFUSED, "certificate: signed with an authority key that was replaced");
    const struct machine *machine = ob_machines_find(peer, &control.subject);
    if (machine != NULL && (machine->revoked || machine->forked))
        return ob_fail(error, OB_EREFUSED, "certificate: its machine %s; it needs a new key",
                       machine->revoked ? "was revoked" : "signed two chains with one key");
    return OB_OK;
}
