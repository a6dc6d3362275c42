#include "peer/log.h"

#include "peer/history.h"
#include "peer/machines.h"
#include "peer/state.h"
#include "record/hash.h"

#define LABEL "onebyte/log/two/"

void ob_log_extend(struct ob_peer *peer, struct machine *machine, const struct ob_record *record,
                   const struct ob_hash *hash) {
    ob_chain_extend(&machine->chain, record, hash, peer->options.digest_interval);
    machine->fetch.failures = 0;
    peer->log.version++;
    if (record->round.index < peer->named.below)
        peer->named.touched = true;
    ob_digest_touch(&peer->digests->log, &machine->id);
    if (machine != peer->own)
        return;
    ob_history_add(peer, machine->chain.head_first, machine->chain.next, hash);
    if (peer->rounds.next <= machine->chain.head_round)
        peer->rounds.next = machine->chain.head_round + 1;
}

void ob_log_shorten(struct ob_peer *peer, struct machine *machine, const struct ob_record *head) {
    struct ob_hash hash = {{0}};
    if (head != NULL)
        hash = ob_record_hash(&peer->options.run, head);
    ob_chain_shorten(&machine->chain, head, &hash);
    ob_digest_touch(&peer->digests->log, &machine->id);
    peer->named.touched = true;
    peer->log.version++;
}

/* BLAKE2b-256(for each machine with records, sorted by key: key ‖ le64(next) ‖ head) */
static struct ob_hash hash_leaf_below(const struct ob_peer *peer, uint8_t first_byte, uint32_t below) {
    struct ob_hasher hasher;
    bool any = false;
    ob_hasher_init(&hasher);
    for (size_t i = ob_machines_first(peer, first_byte); i < peer->machines.count; i++) {
        const struct machine *machine = peer->machines.order[i];
        if (machine->id.key[0] != first_byte)
            break;
        uint64_t next;
        struct ob_hash head;
        if (!ob_chain_end_below(&machine->chain, below, &next, &head) || next == 0)
            continue;
        any = true;
        ob_hasher_add(&hasher, machine->id.key, OB_KEY_BYTES);
        ob_hasher_add_u64(&hasher, next);
        ob_hasher_add(&hasher, head.bytes, OB_HASH_BYTES);
    }
    return any ? ob_hasher_end(&hasher) : (struct ob_hash){{0}};
}

static struct ob_hash hash_leaf(const void *peer, uint8_t first_byte) {
    return hash_leaf_below(peer, first_byte, OB_ROUNDS_ALL);
}

static struct ob_hash hash_named_leaf(const void *context, uint8_t first_byte) {
    const struct ob_peer *peer = context;
    return hash_leaf_below(peer, first_byte, peer->named.below);
}

struct ob_hash ob_log_digest(const struct ob_peer *peer) {
    return ob_digest_root(&peer->digests->log, LABEL, hash_leaf, peer);
}

struct ob_hash ob_log_digest_below(const struct ob_peer *peer) {
    ob_digest_touch_all(&peer->digests->named);
    return ob_digest_root(&peer->digests->named, LABEL, hash_named_leaf, peer);
}
