/* history - looking back into chains: our own last records by memory, all others in the caller's store.
 *
 * Our own are remembered because they are looked at often: to find a fork of our own key, and to count the
 * rounds that others do not hold yet (isolation.c). */
#ifndef OB_PEER_HISTORY_H
#define OB_PEER_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ids.h"

struct ob_peer;
struct machine;
struct own_entry; /* state.h */

void ob_history_add(struct ob_peer *peer, uint64_t first, uint64_t end, const struct ob_hash *hash);
void ob_history_cut(struct ob_peer *peer); /* our chain was cut back */
size_t ob_history_kept(const struct ob_peer *peer);
/* The own record before the last `back` - 1 ones; 1 <= back <= kept. */
const struct own_entry *ob_history_back(const struct ob_peer *peer, size_t back);

/* The record of a chain that holds a sample, from this step's effects or the store, to ret_data
 * (OB_RECORD_BYTES_MAX). Returns its length; 0: there is none. */
size_t ob_history_find(const struct ob_peer *peer, const struct machine *machine, uint64_t sample,
                       uint8_t *ret_data);
/* What that record is; false: we hold no such record, or it cannot be read. */
bool ob_history_at(const struct ob_peer *peer, const struct machine *machine, uint64_t sample,
                   struct own_entry *ret_entry);
/* The same of our own chain, by memory when it is not too old. */
bool ob_history_own_at(const struct ob_peer *peer, uint64_t sample, struct own_entry *ret_entry);

#endif
