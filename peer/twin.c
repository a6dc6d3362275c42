#include "peer/twin.h"

#include <assert.h>
#include <string.h>

#include "peer/effects.h"
#include "peer/state.h"

/* What was handed on already, and anything in the long run: the latter more often, so that there is room for news. */
#define AGAIN_NS (2 * SECONDS)
#define MORE_NS  (1 * SECONDS)
#define BURST    4
#define ALIVE_NS (5 * HEARTBEAT_EVERY_NS) /* since the last heartbeat of an instance */

/* `about`: what it is news of. */
static bool may_hand_on(const struct ob_peer *peer, struct handed_on *handed_on, uint64_t about) {
    uint64_t now = peer->now_ns;
    uint64_t more = (now - handed_on->filled_ns) / MORE_NS;
    if (more > 0 || handed_on->filled_ns == 0) {
        bool full = handed_on->filled_ns == 0 || more >= BURST - handed_on->left;
        handed_on->left = full ? BURST : handed_on->left + (unsigned)more;
        handed_on->filled_ns = full ? now : handed_on->filled_ns + more * MORE_NS;
    }
    bool said = handed_on->about == about && now - handed_on->last_ns < AGAIN_NS;
    return handed_on->left > 0 && !said;
}

static void hand_on(struct ob_peer *peer, struct handed_on *handed_on, uint64_t about, const void *message,
                    size_t bytes) {
    if (!may_hand_on(peer, handed_on, about))
        return;
    uint8_t *data = ob_effects_scratch(peer, bytes);
    if (data == NULL)
        return;
    handed_on->left--;
    handed_on->about = about;
    handed_on->last_ns = peer->now_ns;
    memcpy(data, message, bytes);
    ob_effects_publish(peer, data, bytes);
}

static void keep_newest(struct ob_peer *peer, struct machine_twin *twin, const struct ob_twin_said *said) {
    assert(said->bytes <= sizeof twin->message);
    twin->newest = said->instance;
    twin->sequence = said->sequence;
    twin->heard_ns = peer->now_ns;
    twin->knows = said->twin != 0;
    twin->bytes = said->bytes;
    memcpy(twin->message, said->data, said->bytes);
}

/* A start goes only forwards: an instance that comes back after another one is no earlier life. */
static void tell(struct ob_peer *peer, struct machine *machine, uint64_t instance) {
    struct machine_twin *twin = &machine->twin;
    if (instance == twin->last)
        return;
    bool due = twin->told_ns == 0 || peer->now_ns - twin->told_ns >= TELL_EVERY_NS;
    if (instance == twin->before && due) {
        twin->told_ns = peer->now_ns;
        ob_effects_tell(peer, OB_NOTICE_TWIN, &machine->id, "two daemons use its key");
    }
    twin->before = twin->last;
    twin->last = instance;
}

void ob_twin_heard(struct ob_peer *peer, struct machine *machine, const struct ob_twin_said *said) {
    struct machine_twin *twin = &machine->twin;
    bool older = said->instance < twin->newest;
    bool rose = said->instance > twin->newest;
    bool alive = peer->now_ns - twin->heard_ns < ALIVE_NS;
    bool doubled = twin->doubled_ns > 0 && peer->now_ns - twin->doubled_ns < ALIVE_NS;
    tell(peer, machine, said->instance);
    if (rose || (!older && said->sequence > twin->sequence))
        keep_newest(peer, twin, said);
    if (older || said->twin != 0)
        twin->doubled_ns = peer->now_ns > 0 ? peer->now_ns : 1;
    if (older ? alive && said->twin != twin->newest : rose && doubled)
        hand_on(peer, &twin->newest_handed_on, twin->newest, twin->message, twin->bytes);
    else if (said->twin != 0 && !(said->twin == twin->newest && alive && twin->knows))
        hand_on(peer, &twin->naming_handed_on, said->twin, said->data, said->bytes);
}

/* A higher instance than ours is of a later start, and one that names ours as its twin has heard us. An older one proves
 * nothing: it may be an echo of our own past. A host that stopped may be the only one that holds what it signed: one that
 * starts later with our key has to stop as well, as often as it does. */
bool ob_twin_hear_own(struct ob_peer *peer, const struct ob_twin_said *said) {
    uint64_t ours = peer->options.instance;
    bool halted = peer->life == OB_PEER_HALTED;
    if (said->instance == ours || (said->instance < ours && said->twin != ours) ||
        (halted && said->instance <= peer->twin.other))
        return false;
    peer->twin.other = said->instance;
    if (!halted) {
        ob_effects_tell(peer, OB_NOTICE_TWIN, &peer->own->id, "another daemon uses our key");
        ob_effects_halt(peer, "another daemon uses our key: stop it, or give one of them a new key");
    }
    return true;
}
