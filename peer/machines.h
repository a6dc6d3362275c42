/* machines - the table of machines: found by key, taken in, given back. */
#ifndef OB_PEER_MACHINES_H
#define OB_PEER_MACHINES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/ids.h"

struct ob_peer;
struct machine;

struct machine *ob_machines_find(const struct ob_peer *peer, const struct ob_machine_id *id);
/* Finds or adds; a claimed slot makes way when the table is full. NULL: full (told). */
struct machine *ob_machines_take(struct ob_peer *peer, const struct ob_machine_id *id);
/* Adds on somebody's word only: NULL when the table is full. */
struct machine *ob_machines_take_claimed(struct ob_peer *peer, const struct ob_machine_id *id);
bool ob_machines_only_claimed(const struct ob_peer *peer, const struct machine *machine);
void ob_machines_give_back(struct ob_peer *peer, struct machine *machine);
/* Place in the order of the first machine whose key begins with this byte, or with a later one. */
size_t ob_machines_first(const struct ob_peer *peer, uint8_t first_byte);

/* The control table changed: its standing (theirs) is read again before it is used. */
void ob_machines_stale(struct ob_peer *peer, struct machine *machine);
void ob_machines_stale_all(struct ob_peer *peer);

bool ob_machines_left(const struct machine *machine); /* it said goodbye and published nothing since */
void ob_machines_joined(struct ob_peer *peer, struct machine *machine); /* tells JOINED, once */

#endif
