/* check - what is true of a peer between any two steps. */
#include <string.h>

#include "peer/state.h"

#define CHECK(condition, text)                                                                               \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            return (text);                                                                                   \
    } while (0)

static const char *check_machine(const struct ob_peer *peer, const struct machine *machine) {
    static const struct ob_hash ZERO;
    CHECK(machine->has_records == (machine->next > 0), "a chain has records exactly when it has samples");
    CHECK(machine->has_records != ob_hash_equal(&machine->head, &ZERO), "a head is the hash of a record");
    CHECK(machine->next <= OB_SAMPLE_END, "a chain ends before 2^63");
    CHECK(!machine->has_records || machine->head_first < machine->next, "a head record has samples");
    CHECK(machine->stale || machine->next <= machine->cut, "no record at or above a cut counts");
    CHECK(!machine->has_records || machine->head_round < peer->options.bounds.max_rounds,
          "rounds are below max_rounds");
    CHECK(machine->asked == NULL || machine->asked->asks_open > 0, "an open ask is counted where it is open");
    CHECK(machine->asks_open <= ASKS_PER_PEER_MAX, "asks at one peer are bounded");
    CHECK(!machine->paced || machine != peer->own, "nobody waits for itself");
    CHECK(machine->crossing_count == 0 ||
              (machine->has_records && machine->crossings[machine->crossing_count - 1].next < machine->next),
          "a chain goes on after the place where it passed a named frontier");
    CHECK(!machine->accuses || peer->dispute.open, "an accusation is being looked into");
    CHECK(!machine->paced || machine->has_records || machine->heard, "only who was heard is waited for");
    return NULL;
}

static const char *check_round(const struct ob_peer *peer) {
    const struct round_state *round = &peer->round;
    if (!round->running) {
        CHECK(peer->life != OB_PEER_TRAINING, "training means that a round runs");
        return NULL;
    }
    CHECK(peer->life == OB_PEER_TRAINING || peer->life == OB_PEER_PAUSED || peer->life == OB_PEER_LEAVING ||
              peer->life == OB_PEER_HALTED,
          "a round runs only while training, paused, leaving or halted");
    CHECK(round->first <= peer->own->next || peer->life == OB_PEER_HALTED,
          "a round's samples follow our chain");
    CHECK(round->round < peer->options.bounds.max_rounds, "a round is below max_rounds");
    CHECK(round->live >= 1 && round->live <= peer->options.bounds.max_machines, "live is within its bounds");
    return NULL;
}

const char *ob_peer_check(const struct ob_peer *peer) {
    size_t asks = 0, asks_at = 0;
    CHECK(peer->count <= peer->capacity && peer->fresh <= peer->capacity, "the table keeps to its capacity");
    CHECK(peer->count + peer->spare_count == peer->fresh, "each slot is in use or spare");
    CHECK(ob_machines_find(peer, &peer->options.machine) == peer->own, "we are in our own table");
    CHECK(peer->control_count <= peer->control_capacity &&
              peer->control_arena_used <= peer->control_arena_bytes &&
              peer->control_arena_holes <= peer->control_arena_used,
          "the control table keeps to its capacity");
    CHECK(peer->options.open || peer->authority_count >= 1, "the run has an authority");
    CHECK(peer->effects_count <= EFFECTS_MAX, "effects keep to their capacity");
    for (size_t i = 0; i < peer->count; i++) {
        const struct machine *machine = peer->order[i];
        CHECK(i == 0 || ob_machine_compare(&peer->order[i - 1]->id, &machine->id) < 0,
              "machines are sorted and no two are the same");
        const char *broken = check_machine(peer, machine);
        if (broken != NULL)
            return broken;
        asks += machine->asked != NULL;
        asks_at += machine->asks_open;
    }
    CHECK(asks == peer->asks_open && asks == asks_at && asks <= ASKS_MAX, "open asks are counted right");
    CHECK(peer->next_round > peer->own->head_round || !peer->own->has_records,
          "the next round is above the last one");
    return check_round(peer);
}
