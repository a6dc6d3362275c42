/* frontier - what each chain ends with, asked for and told in pages.
 *
 * A page is asked by the position of its first chain among the chains with records, sorted by key. Chains are
 * never removed, so that a chain which is new while pages are fetched moves others to later pages, never out
 * of them. What a page says is a claim: only records with good signatures change anything. */
#ifndef OB_PEER_FRONTIER_H
#define OB_PEER_FRONTIER_H

#include "base/cursor.h"
#include "peer/message.h"

#define OB_FRONTIER_ENTRY_BYTES  (OB_KEY_BYTES + 8 + 4 + OB_HASH_BYTES)
#define OB_FRONTIER_HEADER_BYTES (OB_MESSAGE_HEADER_BYTES + OB_HASH_BYTES + 4 + 4 + 4)
#define OB_FRONTIER_PAGE_MAX     ((OB_MESSAGE_MAX - OB_FRONTIER_HEADER_BYTES) / OB_FRONTIER_ENTRY_BYTES)

struct ob_frontier_entry {
    struct ob_machine_id machine;
    struct ob_sample next;
    struct ob_round head_round;
    struct ob_hash head;
};
struct ob_frontier_page {
    uint32_t total, first, count;
    struct ob_reader entries; /* count of them */
};
struct ob_writer ob_frontier_start(const struct ob_run_id *run, uint32_t total, uint32_t first,
                                   uint32_t count, void *buffer, size_t capacity);
void ob_frontier_add(struct ob_writer *writer, const struct ob_frontier_entry *entry);
bool ob_frontier_decode(struct ob_reader reader, struct ob_run_id *ret_run,
                        struct ob_frontier_page *ret_page);
bool ob_frontier_next(struct ob_reader *entries, struct ob_frontier_entry *ret_entry);

size_t ob_frontier_ask_encode(const struct ob_run_id *run, uint32_t first, uint8_t *ret_data);
bool ob_frontier_ask_decode(struct ob_reader reader, struct ob_run_id *ret_run, uint32_t *ret_first);

struct ob_peer;
struct machine;

void ob_frontier_ask(struct ob_peer *peer, struct machine *of);
/* What `sender` says about the end of one chain. */
void ob_frontier_claim(struct ob_peer *peer, struct machine *sender, const struct ob_frontier_entry *claim);
void ob_receive_frontier_ask(struct ob_peer *peer, struct machine *sender, struct ob_reader body);
void ob_receive_frontier(struct ob_peer *peer, struct machine *sender, struct ob_reader body);

#endif
