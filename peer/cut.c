#include "peer/cut.h"

#include <assert.h>

#include "peer/asks.h"
#include "peer/effects.h"
#include "peer/history.h"
#include "peer/log.h"
#include "peer/state.h"

bool ob_cut_allows(const struct machine *machine, const struct ob_record *record) {
    return machine->standing.certified && record->first.index + record->n <= machine->standing.cut &&
           record->round.index <= machine->standing.last_round;
}

/* The record that ends at or before `bound`, as the chain's new head; false: none, the chain ends at 0. A
 * record that cannot be read ends it at 0 as well: what counts of it is fetched again. */
static bool head_below(const struct ob_peer *peer, const struct machine *machine, uint64_t bound,
                       uint8_t *data, struct ob_record *ret_head) {
    while (bound > 0) {
        size_t bytes = ob_history_find(peer, machine, bound - 1, data);
        struct ob_record record;
        if (bytes == 0 || ob_record_decode(data, bytes, &peer->options.bounds, &record, NULL) != OB_OK ||
            record.first.index >= bound)
            return false;
        if (record.first.index + record.n <= bound && record.round.index <= machine->standing.last_round) {
            *ret_head = record;
            return true;
        }
        bound = record.first.index;
    }
    return false;
}

/* What was wanted of it ends; what still counts is claimed again by those who hold it. */
static void stop_fetching(struct ob_peer *peer, struct machine *machine) {
    ob_asks_close(peer, machine);
    machine->fetch.target = machine->chain.next;
    if (machine->rejoin.target > machine->chain.next)
        machine->rejoin.target = machine->chain.next;
}

void ob_cut_enforce(struct ob_peer *peer, struct machine *machine) {
    uint8_t data[OB_RECORD_BYTES_MAX];
    struct ob_record head;
    uint64_t bound = machine->standing.certified ? machine->standing.cut : 0, before = machine->chain.next;
    if (machine->fetch.target > bound)
        stop_fetching(peer, machine);
    if (!machine->chain.has_records ||
        (machine->chain.next <= bound && machine->chain.head_round <= machine->standing.last_round))
        return;
    if (bound > machine->chain.next)
        bound = machine->chain.next;
    ob_log_shorten(peer, machine, head_below(peer, machine, bound, data, &head) ? &head : NULL);
    assert(machine->chain.next < before && machine->chain.next <= bound);
    stop_fetching(peer, machine);
    machine->pacing.paced = false; /* until it is heard with what counts of it */
    struct ob_effect *unapply = ob_effects_add(peer, OB_EFFECT_UNAPPLY);
    unapply->machine = machine->id;
    unapply->unapply.first.index = machine->chain.next;
    ob_effects_tell(
        peer, OB_NOTICE_CUT, &machine->id, "its samples from %llu on no longer count: removed %llu",
        (unsigned long long)machine->chain.next, (unsigned long long)(before - machine->chain.next));
    if (machine != peer->own)
        return;
    ob_history_cut(peer);
    if (peer->life != OB_PEER_HALTED) /* what was signed once must not be signed again */
        ob_effects_halt(peer, "some of our records no longer count (our certificate changed); create a new "
                              "key with `onebyte keygen`");
}

void ob_cut_complete(struct ob_peer *peer, struct machine *machine) {
    machine->fetch.complete = true;
    peer->counters.uncounted++;
    stop_fetching(peer, machine);
}
