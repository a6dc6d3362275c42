#include "peer/control.h"

#include <string.h>

#include "base/cursor.h"
#include "peer/admission.h"
#include "peer/authority.h"
#include "peer/control_put.h"
#include "peer/effects.h"
#include "peer/machines.h"
#include "peer/state.h"
#include "record/invited.h"

bool ob_control_take(struct ob_peer *peer, const struct ob_control *control, const uint8_t *data,
                     size_t bytes, bool onwards) {
    if (!ob_control_put(peer, control, data, bytes, onwards))
        return false;
    ob_admission_follow(peer, control);
    return true;
}

bool ob_control_good_signature(const struct ob_peer *peer, const struct ob_control *control) {
    struct ob_verifier verifier = ob_authority_verifier(peer);
    return ob_control_verify_with(&verifier, &peer->options.run, control);
}

static void take_local(struct ob_peer *peer, const uint8_t *data, size_t bytes) {
    struct ob_control control;
    struct ob_error error;
    const char *why = NULL;
    if (ob_control_decode(data, bytes, &control, &error) != OB_OK)
        why = error.text;
    else if (ob_control_table_holds(&peer->control, data, bytes))
        return;
    else if (!ob_authority_counts(peer, &control))
        why = "not signed by the run's authority, or about a machine without a certificate";
    else if (!ob_authority_would_count(peer, &control))
        why = "the invitation has been used up";
    else if (!ob_control_good_signature(peer, &control))
        why = "bad signature, or for another run";
    if (why != NULL) {
        peer->counters.refused++;
        ob_effects_tell(peer, OB_NOTICE_REFUSED, &peer->own->id, "a control entry: %s", why);
    } else {
        (void)ob_control_take(peer, &control, data, bytes, true);
    }
}

void ob_control_local(struct ob_peer *peer, const uint8_t *data, size_t bytes) {
    do {
        size_t first = ob_control_first_bytes(data, bytes);
        first = first ? first : bytes;
        take_local(peer, data, first);
        data += first;
        bytes -= first;
    } while (bytes > 0 && ob_effects_room(peer));
}

void ob_control_goodbye(struct ob_peer *peer) {
    uint8_t payload[OB_CONTROL_GOODBYE_BYTES];
    ob_store_u64(payload, peer->own->chain.next);
    struct ob_control control;
    if (ob_control_put_own(peer, OB_CONTROL_GOODBYE, payload, sizeof payload, &control))
        ob_admission_follow(peer, &control);
}

void ob_control_set_address(struct ob_peer *peer, const uint8_t *text, size_t bytes) {
    if (bytes > sizeof peer->address.text) {
        ob_effects_refuse(peer, peer->own, "our own address is too long (%zu bytes)", bytes);
        return;
    }
    if (bytes > 0)
        memcpy(peer->address.text, text, bytes);
    peer->address.bytes = bytes;
    peer->address.known = true;
    ob_machines_stale(peer, peer->own);
}

void ob_control_own_evidence(struct ob_peer *peer, const struct ob_record *one,
                             const struct ob_record *other) {
    uint8_t data[OB_CONTROL_BYTES_MAX];
    struct ob_control control;
    size_t bytes = ob_evidence_encode(one, other, data);
    if (bytes == 0 || ob_control_decode(data, bytes, &control, NULL) != OB_OK ||
        !ob_authority_counts(peer, &control))
        return;
    (void)ob_control_take(peer, &control, data, bytes, true);
}
