/* fetch - asks for the records that are missing of each chain, one ask at a time for each.
 *
 * Whoever says that a chain goes further becomes its claimant and is asked first; an ask that brings nothing
 * in ASK_TIMEOUT_NS goes to another machine with a link. After ASK_TRIES without progress the claim is
 * dropped and rests, so that a false claim costs little and blocks nothing for good. Who answers with badly
 * signed records is in doubt (doubt.h): not asked, and not believed. */
#ifndef OB_PEER_FETCH_H
#define OB_PEER_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ids.h"
#include "peer/message.h"

/* The question for records; records.h has what answers it. */
struct ob_records_ask {
    struct ob_run_id run;
    struct ob_machine_id machine;
    struct ob_sample first; /* from the record that holds this sample on */
    uint16_t count;         /* at most so many records; 0: as many as fit */
};
size_t ob_records_ask_encode(const struct ob_records_ask *ask, uint8_t *ret_data);
bool ob_records_ask_decode(struct ob_reader reader, struct ob_records_ask *ret_ask);

struct ob_peer;
struct machine;

void ob_fetch_want(struct ob_peer *peer, struct machine *machine, uint64_t target, struct machine *claimant);
void ob_fetch_ask_fork(struct ob_peer *peer, struct machine *machine, uint64_t first, struct machine *of);
/* Just the record that holds this sample. */
void ob_fetch_ask_one(struct ob_peer *peer, const struct machine *machine, uint64_t sample,
                      const struct machine *of);
/* One answer was taken in: closes its ask and, when more is missing, asks on at once. */
void ob_fetch_answered(struct ob_peer *peer, struct machine *sender, struct machine *machine, bool progress);
/* A machine holds no more of a chain than up to `next`: an ask that is open there goes to another. */
void ob_fetch_none(struct ob_peer *peer, struct machine *machine, const struct machine *sender,
                   uint64_t next);
void ob_fetch_link(struct ob_peer *peer, struct machine *machine); /* it is back */
void ob_fetch_drop_link(struct ob_peer *peer, struct machine *machine);
void ob_fetch_tick(struct ob_peer *peer);

#endif
