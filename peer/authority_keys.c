#include "peer/authority_keys.h"

#include <assert.h>

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

bool ob_authority_latest(const struct ob_peer *peer, enum ob_control_kind kind,
                         const struct ob_machine_id *subject, struct ob_control *ret_control) {
    struct ob_control control;
    int best = -1;
    for (size_t i = ob_control_table_first(&peer->control, subject);
         ob_control_table_get_of(&peer->control, i, subject, &control); i++) {
        if (control.kind != kind)
            continue;
        int index = ob_authority_index(peer, &control.signer);
        if (index > best) { /* one entry for each signer */
            best = index;
            *ret_control = control;
        }
    }
    return best >= 0;
}
