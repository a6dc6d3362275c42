#include "peer/named.h"

#include "peer/effects.h"
#include "peer/log.h"
#include "peer/pacing.h"
#include "peer/state.h"

#define AT_REST_NS  (1 * SECONDS) /* no new record for this long: a good moment for a digest */
#define DIGEST_REST 16            /* times what a digest took, until the same one is made anew */

/* ---- naming ---- */

/* The earliest head round of those that go on; false: nobody does. */
static bool least_round(const struct ob_peer *peer, uint32_t *ret_round) {
    bool any = peer->life == OB_PEER_TRAINING || peer->life == OB_PEER_WAITING;
    any = any && !peer->options.observer;
    if (any && !peer->own->chain.has_records)
        return false;
    uint32_t least = any ? peer->own->chain.head_round : UINT32_MAX;
    for (size_t i = 0; i < peer->machines.count; i++) {
        const struct machine *machine = peer->machines.order[i];
        if (!machine->pacing.paced)
            continue;
        if (!machine->chain.has_records)
            return false;
        any = true;
        if (machine->chain.head_round < least)
            least = machine->chain.head_round;
    }
    *ret_round = least;
    return any;
}

static bool ends_are_known(const struct ob_peer *peer, uint32_t below) {
    uint64_t next;
    struct ob_hash head;
    for (size_t i = 0; i < peer->machines.count; i++)
        if (!ob_chain_end_below(&peer->machines.order[i]->chain, below, &next, &head))
            return false;
    return true;
}

static void name_frontier(struct ob_peer *peer) {
    struct named *named = &peer->named;
    uint32_t interval = peer->options.digest_interval, least;
    bool again = named->touched && peer->now_ns >= peer->named.ask.rest_until_ns;
    if (interval == 0)
        return;
    if (least_round(peer, &least) && least / interval * interval > named->tried) {
        named->tried = least / interval * interval;
        if (!ends_are_known(peer, named->tried))
            return; /* the next one, perhaps */
        named->below = named->tried;
    } else if (!again) {
        return;
    }
    named->touched = false;
    named->known = named->below > 0 && ends_are_known(peer, named->below);
    if (named->known)
        named->log = ob_log_digest_below(peer);
}

/* ---- asking ---- */

const struct weights_digest *ob_named_find(const struct ob_peer *peer, const struct ob_hash *log) {
    size_t kept = peer->named.weights_count < WEIGHTS_HISTORY ? peer->named.weights_count : WEIGHTS_HISTORY;
    for (size_t i = 0; i < kept; i++)
        if (ob_hash_equal(&peer->named.weights[i].log, log))
            return &peer->named.weights[i];
    return NULL;
}

const struct weights_digest *ob_named_last(const struct ob_peer *peer) {
    size_t count = peer->named.weights_count;
    return count == 0 ? NULL : &peer->named.weights[(count - 1) % WEIGHTS_HISTORY];
}

void ob_named_forget(struct ob_peer *peer) {
    peer->named.weights_count = 0;
    peer->named.whole_version = 0;
    peer->named.touched = peer->named.below > 0;
    peer->named.ask.rest_until_ns = 0;
}

static void ask(struct ob_peer *peer, uint32_t below, const struct ob_hash *log) {
    peer->named.ask =
        (struct digest_ask){.open = true, .below = below, .log = *log, .since_ns = peer->now_ns};
    struct ob_effect *effect = ob_effects_add(peer, OB_EFFECT_DIGEST);
    effect->machine = peer->options.machine;
    effect->digest = (struct ob_effect_digest){.below = {below}, .log = *log};
}

static bool at_rest(struct ob_peer *peer) {
    uint64_t wait = 2 * ob_pacing_median_ns(peer);
    if (peer->log.version != peer->named.seen_version) {
        peer->named.seen_version = peer->log.version;
        peer->named.changed_ns = peer->now_ns;
    }
    return !peer->rounds.current.running &&
           peer->now_ns - peer->named.changed_ns >= (wait > AT_REST_NS ? wait : AT_REST_NS);
}

void ob_named_tick(struct ob_peer *peer) {
    bool rests = at_rest(peer);
    name_frontier(peer);
    if (peer->named.ask.open || peer->dispute.open || !ob_effects_room(peer))
        return;
    bool fits = peer->named.known && !peer->named.touched; /* the log digest is of what we hold now */
    if (fits && ob_named_find(peer, &peer->named.log) == NULL) {
        ask(peer, peer->named.below, &peer->named.log);
        return;
    }
    if (!rests || peer->named.whole_version == peer->log.version + 1)
        return;
    peer->named.whole_version = peer->log.version + 1; /* once for each state of the log */
    struct ob_hash log = ob_log_digest(peer);
    if (ob_named_find(peer, &log) == NULL)
        ask(peer, OB_ROUNDS_ALL, &log);
}

bool ob_named_answer(struct ob_peer *peer, const struct ob_event *event) {
    static const struct ob_hash NONE;
    struct digest_ask *digest = &peer->named.ask;
    if (!digest->open || !ob_hash_equal(&digest->log, &event->log))
        return false;
    digest->open = false;
    digest->rest_until_ns = peer->now_ns + DIGEST_REST * (peer->now_ns - digest->since_ns);
    if (ob_hash_equal(&event->weights, &NONE)) { /* it cannot be had */
        if (digest->below != OB_ROUNDS_ALL)
            peer->named.known = false;
        return false;
    }
    peer->named.weights[peer->named.weights_count++ % WEIGHTS_HISTORY] =
        (struct weights_digest){digest->below, event->log, event->weights};
    return true;
}
