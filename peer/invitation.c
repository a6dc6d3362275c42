#include "peer/invitation.h"

#include <string.h>

#include "peer/authority_keys.h"
#include "peer/state.h"
#include "record/invitation.h"

bool ob_invitation_of(const struct ob_peer *peer, const struct ob_machine_id *key,
                      struct ob_control *ret_control) {
    return ob_authority_latest(peer, OB_CONTROL_INVITATION, key, ret_control);
}

bool ob_invitation_allows(const struct ob_peer *peer, const struct ob_control *admission) {
    struct ob_control invitation, withdrawal;
    if (!ob_invitation_of(peer, &admission->signer, &invitation))
        return false;
    struct ob_invitation says = ob_control_invitation(&invitation);
    struct ob_admission_name name = ob_control_admission_name(admission);
    return ob_invitation_fits(&says, name.text) &&
           (!ob_authority_latest(peer, OB_CONTROL_WITHDRAWAL, &admission->signer, &withdrawal) ||
            ob_control_keeps(&withdrawal, &admission->subject));
}

/* ---- the first by rank ---- */

struct first {
    const struct ob_machine_id *key;
    const struct ob_machine_id *without; /* a machine that is not looked at, or NULL */
    size_t most, count;
    struct ob_hash ranks[OB_INVITATION_USES_MAX]; /* rising */
};

static int compare(const struct ob_hash *one, const struct ob_hash *other) {
    return memcmp(one->bytes, other->bytes, sizeof one->bytes);
}

static void see(void *context, const struct ob_machine_id *machine) {
    struct first *first = context;
    if (first->without != NULL && ob_machine_equal(first->without, machine))
        return;
    struct ob_hash rank = ob_invitation_rank(first->key, machine);
    size_t at = first->count;
    while (at > 0 && compare(&first->ranks[at - 1], &rank) > 0)
        at--;
    if (at == first->most)
        return;
    size_t last = first->count < first->most ? first->count++ : first->most - 1;
    memmove(&first->ranks[at + 1], &first->ranks[at], (last - at) * sizeof *first->ranks);
    first->ranks[at] = rank;
}

/* False: the number does not matter, or there is no such invitation. */
static bool find_first(const struct ob_peer *peer, const struct ob_machine_id *key,
                       const struct ob_machine_id *without, struct first *ret_first) {
    struct ob_control invitation, withdrawal;
    if (!ob_invitation_of(peer, key, &invitation) ||
        ob_authority_latest(peer, OB_CONTROL_WITHDRAWAL, key, &withdrawal))
        return false;
    ret_first->key = key;
    ret_first->without = without;
    ret_first->count = 0;
    ret_first->most = ob_control_invitation(&invitation).uses;
    ob_control_table_each_admission(&peer->control, key, see, ret_first);
    return true;
}

static bool is_first(const struct first *first, const struct ob_machine_id *machine) {
    struct ob_hash rank = ob_invitation_rank(first->key, machine);
    return first->count < first->most || compare(&rank, &first->ranks[first->most - 1]) <= 0;
}

bool ob_invitation_has_room(const struct ob_peer *peer, const struct ob_control *admission) {
    struct first first;
    return !find_first(peer, &admission->signer, &admission->subject, &first) ||
           is_first(&first, &admission->subject);
}

static void count(void *context, const struct ob_machine_id *machine) {
    (void)machine;
    ++*(size_t *)context;
}

size_t ob_invitation_used(const struct ob_peer *peer, const struct ob_machine_id *key) {
    size_t used = 0;
    ob_control_table_each_admission(&peer->control, key, count, &used);
    return used;
}

static bool stays(const void *context, const struct ob_control *control) {
    const struct first *first = context;
    return control->kind != OB_CONTROL_ADMISSION || !ob_machine_equal(&control->signer, first->key) ||
           is_first(first, &control->subject);
}

bool ob_invitation_settle(struct ob_peer *peer, const struct ob_machine_id *key) {
    struct first first;
    return find_first(peer, key, NULL, &first) && first.count == first.most &&
           ob_control_table_purge(&peer->control, stays, &first) > 0;
}

bool ob_invitation_settle_all(struct ob_peer *peer) {
    struct ob_control control;
    bool any = false;
    for (size_t i = 0; ob_control_table_get(&peer->control, i, &control); i++)
        if (control.kind == OB_CONTROL_INVITATION)
            any |= ob_invitation_settle(peer, &control.subject);
    return any;
}

/* ---- of one machine ---- */

static bool is_later(const struct ob_peer *peer, const struct ob_control *one,
                     const struct ob_control *other) {
    int index = ob_authority_index(peer, &one->signer),
        other_index = ob_authority_index(peer, &other->signer);
    if (index != other_index)
        return index > other_index;
    if (one->sequence != other->sequence)
        return one->sequence > other->sequence;
    return ob_machine_compare(&one->subject, &other->subject) > 0;
}

bool ob_invitation_admission(const struct ob_peer *peer, const struct ob_machine_id *machine,
                             struct ob_control *ret_admission, struct ob_control *ret_invitation) {
    struct ob_control control, invitation;
    bool any = false;
    for (size_t i = ob_control_table_first(&peer->control, machine);
         ob_control_table_get_of(&peer->control, i, machine, &control); i++) {
        if (control.kind != OB_CONTROL_ADMISSION || !ob_invitation_of(peer, &control.signer, &invitation) ||
            (any && !is_later(peer, &invitation, ret_invitation)))
            continue;
        any = true;
        *ret_admission = control;
        *ret_invitation = invitation;
    }
    return any;
}
