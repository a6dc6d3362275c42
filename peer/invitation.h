/* invitation - which admissions count: a pure function of the control table, the same whatever came first.
 *
 * An admission counts when the invitation that signed it is in the table, the name fits its pattern, and, if the
 * invitation was withdrawn, the withdrawal lists the machine. Of those that count without a withdrawal, the
 * `uses` first by ob_invitation_rank stay, and the others go. Taking the first of a union is the same in any
 * order. So whoever holds an invitation's key can never have more members at a time than its uses; among those
 * it can put one machine in another's place (docs/decisions/0023-invitations.md says what that costs whom).
 *
 * Cost:    looking for an invitation's admissions walks over the table: when one arrives, and when an invitation
 *          changes. */
#ifndef OB_PEER_INVITATION_H
#define OB_PEER_INVITATION_H

#include <stdbool.h>

#include "record/control.h"

struct ob_peer;

/* The invitation in force of this key: that of the latest authority key. */
bool ob_invitation_of(const struct ob_peer *peer, const struct ob_machine_id *key,
                      struct ob_control *ret_control);
/* All but the number of uses. */
bool ob_invitation_allows(const struct ob_peer *peer, const struct ob_control *admission);
/* Of one that is allowed: would it be among the first? */
bool ob_invitation_has_room(const struct ob_peer *peer, const struct ob_control *admission);
/* How many machines it has admitted, as far as the table knows: a door admits no more than its uses, so that
 * nobody who is there is put out of place by one more who came too late. */
size_t ob_invitation_used(const struct ob_peer *peer, const struct ob_machine_id *key);
/* Removes those that are not among the first. True: there were some. */
bool ob_invitation_settle(struct ob_peer *peer, const struct ob_machine_id *key);
bool ob_invitation_settle_all(struct ob_peer *peer);

/* The admission of a machine that decides about it: of the latest authority key, then the invitation with the
 * highest sequence, then with the largest key. False: no invitation admits it. */
bool ob_invitation_admission(const struct ob_peer *peer, const struct ob_machine_id *machine,
                             struct ob_control *ret_admission, struct ob_control *ret_invitation);

#endif
