#include "peer/life.h"

#include <stddef.h>

#define MOVE(life) (1u << OB_PEER_##life)

/* What each life may become. */
static const unsigned MOVES[] = {
    [OB_PEER_RECOVERING] = MOVE(RECONCILING) | MOVE(LEFT),
    [OB_PEER_RECONCILING] = MOVE(WAITING) | MOVE(PAUSED) | MOVE(LEAVING) | MOVE(HALTED),
    [OB_PEER_TRAINING] = MOVE(WAITING) | MOVE(PAUSED) | MOVE(LEAVING) | MOVE(HALTED),
    [OB_PEER_WAITING] =
        MOVE(TRAINING) | MOVE(PAUSED) | MOVE(ISOLATED) | MOVE(FINISHED) | MOVE(LEAVING) | MOVE(HALTED),
    [OB_PEER_PAUSED] = MOVE(WAITING) | MOVE(LEAVING) | MOVE(HALTED),
    [OB_PEER_ISOLATED] = MOVE(WAITING) | MOVE(PAUSED) | MOVE(LEAVING) | MOVE(HALTED),
    [OB_PEER_FINISHED] = MOVE(WAITING) | MOVE(LEAVING) | MOVE(HALTED),
    [OB_PEER_LEAVING] = MOVE(LEFT) | MOVE(HALTED),
    [OB_PEER_LEFT] = 0,
    [OB_PEER_HALTED] = 0,
};

bool ob_life_may_move(enum ob_peer_life from, enum ob_peer_life to) {
    return (MOVES[from] >> to & 1) != 0;
}

const char *ob_peer_life_name(enum ob_peer_life life) {
    static const char *const NAMES[] = {
        [OB_PEER_RECOVERING] = "recovering",
        [OB_PEER_RECONCILING] = "reconciling",
        [OB_PEER_TRAINING] = "training",
        [OB_PEER_WAITING] = "waiting",
        [OB_PEER_PAUSED] = "paused",
        [OB_PEER_FINISHED] = "finished",
        [OB_PEER_ISOLATED] = "isolated",
        [OB_PEER_LEAVING] = "leaving",
        [OB_PEER_LEFT] = "left",
        [OB_PEER_HALTED] = "halted",
    };
    return (size_t)life < sizeof NAMES / sizeof NAMES[0] ? NAMES[life] : "unknown";
}
