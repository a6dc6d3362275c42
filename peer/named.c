/* named - frontiers that peers can compare weights at while they train, and when a digest of them is wanted.
 *
 * The named frontier R, a multiple of the digest interval, is all records of rounds below R. It is named as
 * soon as every machine that is waited for (and we, when we train) has a record of round R or a later one:
 * from then on only a straggler, or a cut, still changes what is below it. Where each chain stands at R is
 * remembered as it passes (struct crossing); the log digest of those ends says exactly which records are
 * meant, so that two peers compare their weights only when they mean the same ones: equal log digests,
 * whatever R was. A record below R that comes late changes that digest; the digest of the weights is then
 * made anew.
 *
 * When the log is at rest, and we run no round, the whole of it serves as well: that is what shows after the
 * last round that all have the same weights.
 *
 * One digest is asked for at a time (OB_EFFECT_DIGEST), and the same one at intervals that are long against
 * what it took. */
#include <assert.h>

#include "peer/state.h"

/* ---- where chains passed ---- */

void ob_named_cross(const struct ob_peer *peer, struct machine *machine, uint32_t round) {
    uint32_t interval = peer->options.digest_interval,
             from = machine->has_records ? machine->head_round + 1 : 0;
    if (interval == 0 || round < interval || round / interval * interval < from)
        return;
    if (machine->crossing_count == CROSSINGS) {
        memmove(&machine->crossings[0], &machine->crossings[1],
                (CROSSINGS - 1) * sizeof machine->crossings[0]);
        machine->crossing_count--;
    }
    machine->crossings[machine->crossing_count++] =
        (struct crossing){.from = from, .upto = round, .next = machine->next, .head = machine->head};
}

void ob_named_cut(struct ob_peer *peer, struct machine *machine) {
    while (machine->crossing_count > 0 &&
           machine->crossings[machine->crossing_count - 1].next >= machine->next)
        machine->crossing_count--;
    peer->named.touched = true;
    peer->log_version++;
}

void ob_named_taken(struct ob_peer *peer, uint32_t round) {
    peer->log_version++;
    if (round < peer->named.below)
        peer->named.touched = true;
}

bool ob_named_end(const struct machine *machine, uint32_t below, uint64_t *ret_next,
                  struct ob_hash *ret_head) {
    *ret_next = machine->next;
    *ret_head = machine->head;
    if (!machine->has_records || machine->head_round < below)
        return true;
    for (size_t i = 0; i < machine->crossing_count; i++) {
        const struct crossing *crossing = &machine->crossings[i];
        if (crossing->from > below || crossing->upto < below)
            continue;
        *ret_next = crossing->next;
        *ret_head = crossing->head;
        return true;
    }
    return false;
}

/* ---- naming ---- */

/* The earliest head round of those that go on; false: nobody does. */
static bool least_round(const struct ob_peer *peer, uint32_t *ret_round) {
    bool any = peer->life == OB_PEER_TRAINING || peer->life == OB_PEER_WAITING;
    any = any && !peer->options.observer;
    if (any && !peer->own->has_records)
        return false;
    uint32_t least = any ? peer->own->head_round : UINT32_MAX;
    for (size_t i = 0; i < peer->count; i++) {
        const struct machine *machine = peer->order[i];
        if (!machine->paced)
            continue;
        if (!machine->has_records)
            return false;
        any = true;
        if (machine->head_round < least)
            least = machine->head_round;
    }
    *ret_round = least;
    return any;
}

static bool ends_are_known(const struct ob_peer *peer, uint32_t below) {
    uint64_t next;
    struct ob_hash head;
    for (size_t i = 0; i < peer->count; i++)
        if (!ob_named_end(peer->order[i], below, &next, &head))
            return false;
    return true;
}

static void name_frontier(struct ob_peer *peer) {
    struct named *named = &peer->named;
    uint32_t interval = peer->options.digest_interval, least;
    bool again = named->touched && peer->now_ns >= peer->digest.rest_until_ns;
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
        named->log = ob_machines_log_digest_below(peer);
}

/* ---- asking ---- */

const struct weights_digest *ob_named_find(const struct ob_peer *peer, const struct ob_hash *log) {
    size_t kept = peer->weights_count < WEIGHTS_HISTORY ? peer->weights_count : WEIGHTS_HISTORY;
    for (size_t i = 0; i < kept; i++)
        if (ob_hash_equal(&peer->weights[i].log, log))
            return &peer->weights[i];
    return NULL;
}

static void ask(struct ob_peer *peer, uint32_t below, const struct ob_hash *log) {
    peer->digest = (struct digest_ask){.open = true, .below = below, .log = *log, .since_ns = peer->now_ns};
    struct ob_effect *effect = ob_effects_add(peer, OB_EFFECT_DIGEST);
    effect->machine = peer->options.machine;
    effect->round.index = below;
    effect->log = *log;
}

static bool at_rest(struct ob_peer *peer) {
    uint64_t wait = 2 * ob_pacing_median_ns(peer);
    if (peer->log_version != peer->seen_version) {
        peer->seen_version = peer->log_version;
        peer->changed_ns = peer->now_ns;
    }
    return !peer->round.running && peer->now_ns - peer->changed_ns >= (wait > AT_REST_NS ? wait : AT_REST_NS);
}

void ob_named_tick(struct ob_peer *peer) {
    bool rests = at_rest(peer);
    name_frontier(peer);
    if (peer->digest.open || peer->dispute.open || !ob_effects_room(peer))
        return;
    if (peer->named.known && ob_named_find(peer, &peer->named.log) == NULL) {
        ask(peer, peer->named.below, &peer->named.log);
        return;
    }
    if (!rests || peer->whole_version == peer->log_version + 1)
        return;
    peer->whole_version = peer->log_version + 1; /* once for each state of the log */
    struct ob_hash log = ob_machines_log_digest(peer);
    if (ob_named_find(peer, &log) == NULL)
        ask(peer, OB_ROUNDS_ALL, &log);
}

void ob_named_answer(struct ob_peer *peer, const struct ob_event *event) {
    static const struct ob_hash NONE;
    struct digest_ask *digest = &peer->digest;
    if (!digest->open || !ob_hash_equal(&digest->log, &event->log))
        return;
    digest->open = false;
    digest->rest_until_ns = peer->now_ns + DIGEST_REST * (peer->now_ns - digest->since_ns);
    if (ob_hash_equal(&event->weights, &NONE)) { /* it cannot be had */
        if (digest->below != OB_ROUNDS_ALL)
            peer->named.known = false;
        return;
    }
    peer->weights[peer->weights_count++ % WEIGHTS_HISTORY] =
        (struct weights_digest){digest->below, event->log, event->weights};
    ob_dispute_compare_all(peer);
}
