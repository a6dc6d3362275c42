/* counters - what a peer has counted since it was made. */
#ifndef OB_PEER_COUNTERS_H
#define OB_PEER_COUNTERS_H

#include <stdint.h>

struct ob_peer_counters {
    uint64_t records_accepted, samples_accepted;
    uint64_t duplicates, refused, out_of_order, bad_signatures, fetches;
    uint64_t bad_answers; /* messages of fetched records that were malformed or badly signed */
    uint64_t uncounted, relayed;
    uint64_t postponed;                 /* goodbyes and addresses that came too fast, for the time being */
    uint64_t agreements, disagreements; /* of others' weights digests with ours, of the same records */
    uint64_t rebuilds, heals;           /* of our weights from base and log; that found them wrong */
};

#endif
