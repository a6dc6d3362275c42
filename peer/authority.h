/* authority - whose signature makes a member: the manifest's key and those that it, one after the other, was
 * rotated to. A pure function of the control table.
 *
 * Each key has at most one successor, the rotation that the table keeps (control_table.h). What a key signed
 * counts while its sequence is below the `until` of the key's rotation. When the keys change, entries that
 * count no more go out of the table, so that it is the same whatever came first. */
#ifndef OB_PEER_AUTHORITY_H
#define OB_PEER_AUTHORITY_H

#include <stdbool.h>

#include "record/control.h"

struct ob_peer;

int ob_authority_index(const struct ob_peer *peer, const struct ob_machine_id *key); /* -1: it is none */
bool ob_authority_in_time(const struct ob_peer *peer, const struct ob_control *control);
bool ob_authority_counts(const struct ob_peer *peer, const struct ob_control *control);
struct ob_verifier ob_authority_verifier(const struct ob_peer *peer);
void ob_authority_update(struct ob_peer *peer);  /* the keys, from the table */
void ob_authority_changed(struct ob_peer *peer); /* the keys, what counts by them, everybody's standing */

#endif
