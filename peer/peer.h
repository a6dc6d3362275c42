/* peer - the protocol of one machine in one run, as a pure state machine: an event goes in, effects come out
 * in the order in which they must be carried out.
 *
 * No I/O, no clock, no randomness, no threads, and no allocation after ob_peer_new: time arrives in each
 * event; the signature functions and a look into the caller's store are handed in. The caller performs every
 * effect of a step, in order, before the next step: OB_EFFECT_PERSIST_OWN comes before the OB_EFFECT_PUBLISH
 * of the same record and must be durable first; OB_EFFECT_PERSIST may be committed in batches.
 *
 * Parts:   options.h   what a peer is made of
 *          events.h    what goes into a step and comes out of it
 *          life.h      the states of a peer
 *          restore.h   filling its tables before the start
 *          view.h      looking in
 *          check.h     what is true between any two steps
 * Owns:    all its tables, of fixed capacity from ob_peer_new. Effects point into the peer or into the
 *          event's data and are valid until the next step.
 * Threads: one at a time.
 * Source:  docs/design.md, "Rounds, staleness, membership", "Chains, evidence, cuts"; docs/wire.md. */
#ifndef OB_PEER_PEER_H
#define OB_PEER_PEER_H

#include "base/err.h"
#include "peer/check.h"
#include "peer/events.h"
#include "peer/life.h"
#include "peer/options.h"
#include "peer/restore.h"
#include "peer/view.h"

struct ob_peer;

/* Errors:  OB_ETOOBIG (a bound of the options), OB_EUSAGE (no crypto), OB_ENOMEM. */
OB_MUST_USE enum ob_err ob_peer_new(const struct ob_peer_options *options, struct ob_peer **ret_peer,
                                    struct ob_error *error);
void ob_peer_free(struct ob_peer *peer);

/* Never fails: what is wrong with an event becomes a TELL (and a counter). */
struct ob_effects ob_peer_step(struct ob_peer *peer, const struct ob_event *event);

#endif
