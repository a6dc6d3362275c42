/* authority - which control entries count: what the run's authority (authority_keys.h) signed in its time, what
 * its invitations admit (invitation.h), and what members say of themselves. A pure function of the control table.
 *
 * When the keys or the invitations change, entries that count no more go out of the table, so that it is the
 * same whatever came first. */
#ifndef OB_PEER_AUTHORITY_H
#define OB_PEER_AUTHORITY_H

#include <stdbool.h>

#include "peer/authority_keys.h"
#include "record/control.h"

struct ob_peer;

bool ob_authority_counts(const struct ob_peer *peer, const struct ob_control *control);
/* It counts, and would after it is in the table. */
bool ob_authority_would_count(const struct ob_peer *peer, const struct ob_control *control);
struct ob_verifier ob_authority_verifier(const struct ob_peer *peer);
void ob_authority_changed(struct ob_peer *peer); /* the keys, what counts by them, everybody's standing */
/* An invitation, a withdrawal or an admission is in the table now: the admissions by this key that count no more
 * go, and with them what their machines said. */
void ob_authority_invited(struct ob_peer *peer, const struct ob_control *control);

#endif
