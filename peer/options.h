/* options - what a peer is made of: its run, its key, its bounds, and what the caller lends it. */
#ifndef OB_PEER_OPTIONS_H
#define OB_PEER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/ids.h"
#include "base/limits.h"
#include "record/record.h"

/* Signing and verifying, handed in (sign.h's by the daemon, cheap ones by large simulations). */
struct ob_peer_crypto {
    void *context;
    void (*sign)(void *context, const void *message, size_t bytes, uint8_t ret_signature[64]);
    bool (*verify)(void *context, const struct ob_machine_id *machine, const void *message, size_t bytes,
                   const uint8_t signature[64]);
};

/* A look into the caller's store, needed where chains are compared or cut. The peer itself keeps no more of a
 * chain than its head. */
struct ob_peer_store {
    void *context;
    /* Copies the stored record of `machine` that holds `sample` to ret_data (OB_RECORD_BYTES_MAX) and returns
     * its length; 0: there is none, or it cannot be read. The effects of earlier steps have been carried
     * out, those of the running one have not. */
    size_t (*find)(void *context, const struct ob_machine_id *machine, struct ob_sample sample,
                   uint8_t *ret_data);
};

struct ob_peer_options {
    struct ob_run_id run;
    struct ob_machine_id machine; /* ourselves */
    uint64_t instance;            /* of this start: larger than at every earlier one (Unix nanoseconds) */
    struct ob_record_bounds bounds;
    uint32_t max_staleness; /* k; 0 is lockstep */
    /* RECONCILING lasts at most this long once a peer has answered, or, with may_start_alone, at all. */
    uint64_t rejoin_wait_ns;
    bool may_start_alone; /* the state directory is new, or provably the one we left */
    /* Samples of ours below this may have been signed although the store has them no more (they were cut).
     * They must come back from others or nothing is signed any more: no sample is signed twice. */
    struct ob_sample signed_below;
    bool observer;       /* never trains: follows, stores, answers */
    bool relay;          /* publishes onwards what is new to it: for a sparse overlay */
    size_t machines_max; /* capacity, at most OB_MACHINES_MAX */
    struct ob_peer_crypto crypto;
    struct ob_peer_store store;
    /* The manifest's authority: records and control entries count only of machines with its certificate. */
    struct ob_machine_id authority;
    bool open; /* no authority: whoever the transport lets in belongs (simulations of many machines) */
    /* Rounds of ours that fewer than half of the machines last live acknowledge until we pause; 0: never
     * (solo). At most OB_ISOLATION_ROUNDS_MAX. */
    uint32_t isolation_rounds;
    /* Weights digests at named frontiers, multiples of so many rounds; 0: only of the whole log at rest. */
    uint32_t digest_interval;
    /* Protocol versions that it speaks; 0: all that this program does (record/wire.h). */
    uint8_t protocol_lowest, protocol_highest;
    /* Aggregates of ours are told to others (report.h, evaluation.h), with the version of our program. */
    bool share_metrics;
    char version[32];
};

#endif
