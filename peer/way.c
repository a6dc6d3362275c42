#include "peer/way.h"

#include "peer/state.h"

#define WAY_NS           (500 * MILLISECONDS) /* a way back is not replaced so soon */
#define HAND_ON_EVERY_NS (1 * SECONDS)
#define HAND_ON_BURST    256 /* handed on for one neighbour in HAND_ON_EVERY_NS */

void ob_way_learn(struct machine *machine, struct machine *sender, bool first) {
    if (first && machine->way.first != sender) {
        machine->way.second = machine->way.first;
        machine->way.first = sender;
    } else if (!first && machine->way.first != sender) {
        machine->way.second = sender;
    }
}

static bool usable(const struct ob_peer *peer, const struct machine *neighbour,
                   const struct machine *not_back) {
    return neighbour != NULL && neighbour->contact.linked && neighbour != peer->own && neighbour != not_back;
}

static struct machine *any_neighbour(struct ob_peer *peer, const struct machine *from) {
    for (size_t step = 0; step < peer->machines.count; step++) {
        struct machine *neighbour = peer->machines.order[++peer->way.cursor % peer->machines.count];
        if (usable(peer, neighbour, from))
            return neighbour;
    }
    return NULL;
}

static struct machine *first_usable(struct ob_peer *peer, struct machine *const ways[static 3],
                                    const struct machine *from) {
    for (size_t i = 0; i < 3; i++)
        if (usable(peer, ways[i], from))
            return ways[i];
    return any_neighbour(peer, from);
}

struct machine *ob_way_to(struct ob_peer *peer, struct machine *machine, const struct machine *from,
                          uint8_t attempt) {
    if (usable(peer, machine, from))
        return machine;
    if (attempt % 4 == 3)
        return any_neighbour(peer, from);
    struct machine *one = machine->way.first, *other = machine->way.second;
    if (attempt % 4 == 1)
        return first_usable(peer, (struct machine *[]){other, one, machine->way.question}, from);
    return first_usable(peer, (struct machine *[]){one, other, machine->way.question}, from);
}

struct machine *ob_way_back(struct ob_peer *peer, struct machine *asker, const struct machine *from,
                            uint8_t attempt) {
    if (usable(peer, asker, from))
        return asker;
    if (attempt % 2 == 0)
        return first_usable(
            peer, (struct machine *[]){asker->way.question, asker->way.first, asker->way.second}, from);
    return first_usable(peer, (struct machine *[]){asker->way.first, asker->way.question, asker->way.second},
                        from);
}

/* Nothing that is signed says so: every other attempt does without it. */
void ob_way_learn_back(const struct ob_peer *peer, struct machine *asker, struct machine *sender) {
    if (asker == NULL || asker == peer->own ||
        (asker->way.question_ns != 0 && peer->now_ns - asker->way.question_ns < WAY_NS))
        return; /* the first copy of a question came by the shortest way, and not in a circle */
    asker->way.question = sender;
    asker->way.question_ns = peer->now_ns;
}

bool ob_way_hands_on(const struct ob_peer *peer, struct machine *sender) {
    if (peer->now_ns - sender->way.handed_on_ns >= HAND_ON_EVERY_NS) {
        sender->way.handed_on_ns = peer->now_ns;
        sender->way.handed_on = 0;
    }
    return sender->way.handed_on++ < HAND_ON_BURST;
}
