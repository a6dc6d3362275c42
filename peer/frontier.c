#include "peer/frontier.h"

#include <assert.h>

#include "peer/effects.h"
#include "peer/fetch.h"
#include "peer/fork.h"
#include "peer/history.h"
#include "peer/isolation.h"
#include "peer/machines.h"
#include "peer/state.h"

static_assert(OB_FRONTIER_PAGE_MAX >= 512, "a frontier page is worth its message");

/* ---- on the wire ---- */

struct ob_writer ob_frontier_start(const struct ob_run_id *run, uint32_t total, uint32_t first,
                                   uint32_t count, void *buffer, size_t capacity) {
    assert(count <= OB_FRONTIER_PAGE_MAX);
    struct ob_writer writer = ob_message_start(OB_MESSAGE_FRONTIER, run, buffer, capacity);
    ob_write_u32(&writer, total);
    ob_write_u32(&writer, first);
    ob_write_u32(&writer, count);
    return writer;
}

void ob_frontier_add(struct ob_writer *writer, const struct ob_frontier_entry *entry) {
    ob_write_bytes(writer, entry->machine.key, OB_KEY_BYTES);
    ob_write_u64(writer, entry->next.index);
    ob_write_u32(writer, entry->head_round.index);
    ob_write_bytes(writer, entry->head.bytes, OB_HASH_BYTES);
}

bool ob_frontier_decode(struct ob_reader reader, struct ob_run_id *ret_run,
                        struct ob_frontier_page *ret_page) {
    struct ob_run_id run;
    struct ob_frontier_page page;
    ob_read_bytes(&reader, run.hash.bytes, OB_HASH_BYTES);
    page.total = ob_read_u32(&reader);
    page.first = ob_read_u32(&reader);
    page.count = ob_read_u32(&reader);
    if (reader.failed || page.total > OB_MACHINES_MAX || page.first > page.total ||
        page.count > page.total - page.first || reader.left != (size_t)page.count * OB_FRONTIER_ENTRY_BYTES)
        return false;
    page.entries = reader;
    *ret_run = run;
    *ret_page = page;
    return true;
}

bool ob_frontier_next(struct ob_reader *entries, struct ob_frontier_entry *ret_entry) {
    struct ob_frontier_entry entry;
    ob_read_bytes(entries, entry.machine.key, OB_KEY_BYTES);
    entry.next.index = ob_read_u64(entries);
    entry.head_round.index = ob_read_u32(entries);
    ob_read_bytes(entries, entry.head.bytes, OB_HASH_BYTES);
    if (entries->failed || entry.next.index == 0 || entry.next.index > OB_SAMPLE_END)
        return false;
    *ret_entry = entry;
    return true;
}

size_t ob_frontier_ask_encode(const struct ob_run_id *run, uint32_t first, uint8_t *ret_data) {
    struct ob_writer writer =
        ob_message_start(OB_MESSAGE_FRONTIER_ASK, run, ret_data, OB_SMALL_MESSAGE_BYTES_MAX);
    ob_write_u32(&writer, first);
    return writer.used;
}

bool ob_frontier_ask_decode(struct ob_reader reader, struct ob_run_id *ret_run, uint32_t *ret_first) {
    struct ob_run_id run;
    ob_read_bytes(&reader, run.hash.bytes, OB_HASH_BYTES);
    uint32_t first = ob_read_u32(&reader);
    if (!ob_message_read(&reader))
        return false;
    *ret_run = run;
    *ret_first = first;
    return true;
}

/* ---- asking, telling ---- */

void ob_frontier_ask(struct ob_peer *peer, struct machine *of) {
    uint8_t *data = ob_effects_scratch(peer, OB_SMALL_MESSAGE_BYTES_MAX);
    if (data == NULL || of == peer->own)
        return;
    if (!of->frontier.open) {
        of->frontier.open = true;
        of->frontier.index = 0;
    }
    of->frontier.asked_ns = peer->now_ns;
    of->frontier.ask_at_once = false;
    size_t bytes = ob_frontier_ask_encode(&peer->options.run, of->frontier.index, data);
    ob_effects_send(peer, of, data, bytes);
}

static uint32_t chains_with_records(const struct ob_peer *peer) {
    uint32_t total = 0;
    for (size_t i = 0; i < peer->machines.count; i++)
        total += peer->machines.order[i]->chain.has_records;
    return total;
}

static void send_page(struct ob_peer *peer, const struct machine *to, uint32_t first) {
    uint32_t total = chains_with_records(peer), at = 0;
    if (first > total)
        first = total;
    uint32_t count = total - first;
    if (count > OB_FRONTIER_PAGE_MAX)
        count = OB_FRONTIER_PAGE_MAX;
    size_t capacity = OB_FRONTIER_HEADER_BYTES + (size_t)count * OB_FRONTIER_ENTRY_BYTES;
    uint8_t *data = ob_effects_scratch(peer, capacity);
    if (data == NULL)
        return;
    struct ob_writer writer = ob_frontier_start(&peer->options.run, total, first, count, data, capacity);
    for (size_t i = 0; i < peer->machines.count && at < first + count; i++) {
        const struct machine *machine = peer->machines.order[i];
        if (!machine->chain.has_records)
            continue;
        if (at++ >= first)
            ob_frontier_add(&writer, &(struct ob_frontier_entry){
                                         .machine = machine->id,
                                         .next = {machine->chain.next},
                                         .head_round = {machine->chain.head_round},
                                         .head = machine->chain.head,
                                     });
    }
    assert(!writer.failed && writer.used == capacity);
    ob_effects_send(peer, to, data, capacity);
}

void ob_receive_frontier_ask(struct ob_peer *peer, struct machine *sender, struct ob_reader body) {
    struct ob_run_id run;
    uint32_t first;
    if (!ob_frontier_ask_decode(body, &run, &first))
        ob_effects_refuse(peer, sender, "a malformed question for the frontier");
    else if (!ob_hash_equal(&run.hash, &peer->options.run.hash))
        ob_effects_refuse(peer, sender, "a question for the frontier of another run");
    else
        send_page(peer, sender, first);
}

/* A claim about our own chain that differs below its end: the record itself is asked for, and decides. */
static void check_own(struct ob_peer *peer, struct machine *sender, const struct ob_frontier_entry *claim) {
    struct own_entry entry;
    if (!ob_history_own_at(peer, claim->next.index - 1, &entry) ||
        (entry.end == claim->next.index && ob_hash_equal(&entry.hash, &claim->head)))
        return;
    ob_fetch_ask_fork(peer, peer->own, entry.first, sender);
}

/* Who holds less than we and another chain meets ours when it asks for more; only the signer itself does not.
 */
static bool claims_other_chain(const struct ob_peer *peer, const struct machine *sender,
                               const struct machine *machine, const struct ob_frontier_entry *claim) {
    struct own_entry entry;
    if (claim->next.index == machine->chain.next)
        return !ob_hash_equal(&claim->head, &machine->chain.head);
    return sender == machine && claim->next.index > 0 &&
           ob_history_at(peer, machine, claim->next.index - 1, &entry) &&
           (entry.end != claim->next.index || !ob_hash_equal(&entry.hash, &claim->head));
}

void ob_frontier_claim(struct ob_peer *peer, struct machine *sender, const struct ob_frontier_entry *claim) {
    struct machine *machine = peer->options.open ? ob_machines_take_claimed(peer, &claim->machine)
                                                 : ob_machines_find(peer, &claim->machine);
    if (machine == NULL)
        return; /* full, or without a certificate: the next pages come when that has changed */
    if (machine == peer->own)
        ob_isolation_acknowledge(peer, sender, claim->next.index);
    if (claim->next.index > machine->chain.next) {
        if (machine == peer->own && sender->rejoin.own_claim_refused)
            return;
        ob_fetch_want(peer, machine, claim->next.index, sender);
        bool counts =
            peer->life == OB_PEER_RECONCILING && !sender->rejoin.answered; /* what it says later is news */
        if (counts && claim->next.index > machine->rejoin.target &&
            claim->next.index <= machine->fetch.target)
            machine->rejoin.target = claim->next.index;
    } else if (machine == peer->own) {
        check_own(peer, sender, claim);
    } else if (claims_other_chain(peer, sender, machine, claim)) {
        ob_fork_search(peer, machine, sender);
    }
}

void ob_receive_frontier(struct ob_peer *peer, struct machine *sender, struct ob_reader body) {
    struct ob_run_id run;
    struct ob_frontier_page page;
    if (!ob_frontier_decode(body, &run, &page)) {
        ob_effects_refuse(peer, sender, "a malformed frontier page");
        return;
    }
    if (!ob_hash_equal(&run.hash, &peer->options.run.hash)) {
        ob_effects_refuse(peer, sender, "the frontier of another run");
        return;
    }
    if (!sender->frontier.open || page.first != sender->frontier.index)
        return; /* not asked for, or a second copy */
    for (uint32_t i = 0; i < page.count; i++) {
        struct ob_frontier_entry entry;
        if (!ob_frontier_next(&page.entries, &entry)) {
            ob_effects_refuse(peer, sender, "a frontier with an impossible sample number");
            return;
        }
        ob_frontier_claim(peer, sender, &entry);
    }
    if (page.count > 0 && page.first + page.count < page.total) {
        sender->frontier.index = page.first + page.count;
        ob_frontier_ask(peer, sender);
    } else {
        sender->frontier.open = false;
        sender->rejoin.answered = true;
    }
}
