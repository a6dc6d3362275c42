/* admission - what each machine is according to the control table: does it belong, from which sample on do
 * its records not count, where is it reached. A pure function of the table and, for expiry alone, of the wall
 * clock.
 *
 * A change marks a machine stale; it is read again before anything depends on it, at the latest when the step
 * ends and there is room for what follows (a cut, ADMIT, EXPEL, REACH): else in the next one. */
#ifndef OB_PEER_ADMISSION_H
#define OB_PEER_ADMISSION_H

#include <stdbool.h>

#include "record/control.h"

struct ob_peer;
struct machine;

void ob_admission_refresh(struct ob_peer *peer, struct machine *machine);   /* if it is stale */
bool ob_admission_certified(struct ob_peer *peer, struct machine *machine); /* refreshed */
bool ob_admission_certificate(const struct ob_peer *peer, const struct ob_machine_id *id,
                              struct ob_certificate *ret_certificate);
/* What an entry that is now in the table changes. */
void ob_admission_follow(struct ob_peer *peer, const struct ob_control *control);
void ob_admission_pump(struct ob_peer *peer);  /* at the end of a step */
void ob_admission_clock(struct ob_peer *peer); /* the wall clock may have passed an expiry */

#endif
