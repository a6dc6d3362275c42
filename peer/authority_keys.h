/* authority_keys - the keys whose signature makes a member: the manifest's and those that it, one after the
 * other, was rotated to. A pure function of the control table.
 *
 * Each key has at most one successor, the rotation that the table keeps (control_table.h). What a key signed
 * counts while its sequence is below the `until` of the key's rotation. */
#ifndef OB_PEER_AUTHORITY_KEYS_H
#define OB_PEER_AUTHORITY_KEYS_H

#include <stdbool.h>

#include "record/control.h"

struct ob_peer;

int ob_authority_index(const struct ob_peer *peer, const struct ob_machine_id *key); /* -1: it is none */
bool ob_authority_in_time(const struct ob_peer *peer, const struct ob_control *control);
void ob_authority_update(struct ob_peer *peer); /* the keys, from the table */

/* What stands in the control table about `subject`, of this kind (signed by an authority): that of the latest key, of one key the entry
 * that the table keeps. */
bool ob_authority_latest(const struct ob_peer *peer, enum ob_control_kind kind,
                         const struct ob_machine_id *subject, struct ob_control *ret_control);

#endif
