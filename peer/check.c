#include "peer/check.h"

#include "peer/machines.h"
#include "peer/state.h"

#define CHECK(condition, text)                                                                               \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            return (text);                                                                                   \
    } while (0)

static const char *check_machine(const struct ob_peer *peer, const struct machine *machine) {
    static const struct ob_hash ZERO;
    CHECK(machine->chain.has_records == (machine->chain.next > 0),
          "a chain has records exactly when it has samples");
    CHECK(machine->chain.has_records != ob_hash_equal(&machine->chain.head, &ZERO),
          "a head is the hash of a record");
    CHECK(machine->chain.next <= OB_SAMPLE_END, "a chain ends before 2^63");
    CHECK(!machine->chain.has_records || machine->chain.head_first < machine->chain.next,
          "a head record has samples");
    CHECK(machine->standing.stale || machine->chain.next <= machine->standing.cut,
          "no record at or above a cut counts");
    CHECK(!machine->chain.has_records || machine->chain.head_round < peer->options.bounds.max_rounds,
          "rounds are below max_rounds");
    CHECK(machine->fetch.asked == NULL || machine->fetch.asked->fetch.open > 0,
          "an open ask is counted where it is open");
    CHECK(machine->fetch.open <= ASKS_PER_PEER_MAX, "asks at one peer are bounded");
    CHECK(!machine->pacing.paced || machine != peer->own, "nobody waits for itself");
    CHECK(machine->chain.crossing_count == 0 ||
              (machine->chain.has_records &&
               machine->chain.crossings[machine->chain.crossing_count - 1].next < machine->chain.next),
          "a chain goes on after the place where it passed a named frontier");
    CHECK(!machine->dispute.accuses || peer->dispute.accused,
          "an accusation is being looked into, or will be");
    CHECK(!machine->pacing.paced || machine->chain.has_records || machine->heartbeat.heard,
          "only who was heard is waited for");
    return NULL;
}

static const char *check_round(const struct ob_peer *peer) {
    const struct round_state *round = &peer->rounds.current;
    if (!round->running) {
        CHECK(peer->life != OB_PEER_TRAINING, "training means that a round runs");
        return NULL;
    }
    CHECK(peer->life == OB_PEER_TRAINING || peer->life == OB_PEER_PAUSED || peer->life == OB_PEER_LEAVING ||
              peer->life == OB_PEER_HALTED,
          "a round runs only while training, paused, leaving or halted");
    CHECK(round->first <= peer->own->chain.next || peer->life == OB_PEER_HALTED,
          "a round's samples follow our chain");
    CHECK(round->round < peer->options.bounds.max_rounds, "a round is below max_rounds");
    CHECK(round->live >= 1 && round->live <= peer->options.bounds.max_machines, "live is within its bounds");
    return NULL;
}

const char *ob_peer_check(const struct ob_peer *peer) {
    size_t asks = 0, asks_at = 0;
    CHECK(peer->machines.count <= peer->machines.capacity && peer->machines.fresh <= peer->machines.capacity,
          "the table keeps to its capacity");
    CHECK(peer->machines.count + peer->machines.spare_count == peer->machines.fresh,
          "each slot is in use or spare");
    CHECK(ob_machines_find(peer, &peer->options.machine) == peer->own, "we are in our own table");
    CHECK(peer->control.count <= peer->control.capacity &&
              peer->control.arena_used <= peer->control.arena_bytes &&
              peer->control.arena_holes <= peer->control.arena_used,
          "the control table keeps to its capacity");
    CHECK(peer->options.open || peer->authority.count >= 1, "the run has an authority");
    CHECK(peer->effects.count <= EFFECTS_MAX, "effects keep to their capacity");
    for (size_t i = 0; i < peer->machines.count; i++) {
        const struct machine *machine = peer->machines.order[i];
        CHECK(i == 0 || ob_machine_compare(&peer->machines.order[i - 1]->id, &machine->id) < 0,
              "machines are sorted and no two are the same");
        const char *broken = check_machine(peer, machine);
        if (broken != NULL)
            return broken;
        asks += machine->fetch.asked != NULL;
        asks_at += machine->fetch.open;
    }
    CHECK(asks == peer->fetch.open && asks == asks_at && asks <= ASKS_MAX, "open asks are counted right");
    CHECK(peer->rounds.next > peer->own->chain.head_round || !peer->own->chain.has_records,
          "the next round is above the last one");
    return check_round(peer);
}
