#include "peer/asks.h"

#include <assert.h>

#include "peer/state.h"

bool ob_asks_room(const struct ob_peer *peer, const struct machine *of) {
    return peer->fetch.open < ASKS_MAX && of->fetch.open < ASKS_PER_PEER_MAX;
}

void ob_asks_open(struct ob_peer *peer, struct machine *machine, struct machine *of) {
    assert(machine->fetch.asked == NULL && of != peer->own);
    machine->fetch.asked = machine->fetch.asked_last = of;
    machine->fetch.asked_ns = peer->now_ns;
    of->fetch.open++;
    peer->fetch.open++;
}

void ob_asks_close(struct ob_peer *peer, struct machine *machine) {
    if (machine->fetch.asked == NULL)
        return;
    assert(machine->fetch.asked->fetch.open > 0 && peer->fetch.open > 0);
    machine->fetch.asked->fetch.open--;
    peer->fetch.open--;
    machine->fetch.asked = NULL;
}
