/* cut - records of a machine that do not count: those above its cut, of rounds after its certificate's last
 * one, and all of them without a certificate. They are neither applied nor stored nor fetched; those that are
 * in the log when a cut arrives are taken out again, exactly. */
#ifndef OB_PEER_CUT_H
#define OB_PEER_CUT_H

#include <stdbool.h>

#include "record/record.h"

struct ob_peer;
struct machine;

bool ob_cut_allows(const struct machine *machine, const struct ob_record *record);
void ob_cut_enforce(struct ob_peer *peer, struct machine *machine);  /* takes out what counts no more */
void ob_cut_complete(struct ob_peer *peer, struct machine *machine); /* its next record does not count */

#endif
