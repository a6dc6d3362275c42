#include "peer/spoken.h"

#include "peer/state.h"

bool ob_spoken_here(const struct ob_peer *peer, uint8_t version) {
    return version >= peer->options.protocol_lowest && version <= peer->options.protocol_highest;
}

uint8_t ob_spoken_common(const struct ob_peer *peer, const struct machine *machine) {
    const struct ob_peer_options *ours = &peer->options;
    const struct machine_versions *theirs = &machine->versions;
    if (theirs->highest == 0) {
        if (theirs->last == 0)
            return ours->protocol_lowest;
        return ob_spoken_here(peer, theirs->last) ? theirs->last : 0;
    }
    uint8_t low = theirs->lowest > ours->protocol_lowest ? theirs->lowest : ours->protocol_lowest;
    uint8_t high = theirs->highest < ours->protocol_highest ? theirs->highest : ours->protocol_highest;
    return low <= high ? high : 0;
}

uint8_t ob_spoken_to(const struct ob_peer *peer, const struct machine *machine) {
    uint8_t common = ob_spoken_common(peer, machine);
    uint8_t theirs = machine->versions.highest > 0 ? machine->versions.highest : machine->versions.last;
    if (common > 0)
        return common;
    return theirs > peer->options.protocol_highest ? peer->options.protocol_highest
                                                   : peer->options.protocol_lowest;
}

uint8_t ob_spoken_published(const struct ob_peer *peer, uint8_t above) {
    uint8_t lowest = 0;
    if (peer->options.protocol_lowest == peer->options.protocol_highest)
        return above < peer->options.protocol_lowest ? peer->options.protocol_lowest : 0;
    for (size_t i = 0; i < peer->machines.count; i++) {
        const struct machine *machine = peer->machines.order[i];
        bool there = machine->contact.linked && machine != peer->own;
        uint8_t common = there ? ob_spoken_common(peer, machine) : 0;
        uint8_t from = machine->versions.highest > 0 ? machine->versions.lowest : common;
        if (common > 0 && from > above && (lowest == 0 || common < lowest))
            lowest = common;
    }
    return lowest > 0 || above > 0 ? lowest : peer->options.protocol_lowest;
}
