/* shares - who trained a run: for each machine in a log its records, samples, last round, head and name.
 *
 * Errors:  those of reading a log; OB_ENOMEM.
 * Owns:    its items; ob_shares_done accepts zeros. */
#ifndef OB_CLI_SHARES_H
#define OB_CLI_SHARES_H

#include "run/manifest.h"
#include "store/store.h"

struct ob_share_of {
    struct ob_machine_id machine;
    uint64_t records, samples;
    uint32_t last_round;
    struct ob_hash head;
    char name[OB_CONTROL_NAME_MAX + 1]; /* of its certificate or its admission; "" without one. Any bytes */
};

struct ob_shares {
    struct ob_share_of *items; /* by machine */
    size_t count, capacity;
    uint64_t records, samples;
    uint32_t rounds; /* the first that has no record */
    const struct ob_manifest *manifest;
};

OB_MUST_USE enum ob_err ob_shares_of(const struct ob_manifest *manifest, struct ob_store *store,
                                     struct ob_shares *ret_shares, struct ob_error *error);
void ob_shares_done(struct ob_shares *shares);

#endif
