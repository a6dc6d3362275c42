/* peer - the protocol of one machine in one run, as a pure state machine: an event goes in, effects come out
 * in the order in which they must be carried out.
 *
 * No I/O, no clock, no randomness, no threads, and no allocation after ob_peer_new: time arrives in each
 * event; the signature functions and a look into the caller's store are handed in. The caller performs every
 * effect of a step, in order, before the next step: OB_EFFECT_PERSIST_OWN comes before the OB_EFFECT_PUBLISH
 * of the same record and must be durable first; OB_EFFECT_PERSIST may be committed in batches.
 *
 * Life:   RECOVERING --start--> RECONCILING --own frontier heard--> TRAINING <--> WAITING (pacing)
 *         TRAINING/WAITING --rounds used up--> FINISHED; any --leave--> LEAVING --> LEFT; any --fault-->
 * HALTED In every life but LEFT and HALTED the peer takes in records, repairs gaps and answers others.
 *
 * Owns:    all its tables, of fixed capacity from ob_peer_new. Effects point into the peer or into the
 *          event's data and are valid until the next step.
 * Threads: one at a time.
 * Source:  docs/design.md, "Rounds, staleness, membership", "Chains, evidence, cuts"; docs/wire.md. */
#ifndef OB_PEER_PEER_H
#define OB_PEER_PEER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/ids.h"
#include "base/limits.h"
#include "record/control.h"
#include "record/record.h"

struct ob_peer;

/* Signing and verifying, handed in (record_sign.h's by the daemon, cheap ones by large simulations). */
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
    uint32_t max_staleness;  /* k; 0 is lockstep */
    uint64_t rejoin_wait_ns; /* RECONCILING lasts at most this long once a peer has answered … */
    /* Samples of ours below this may have been signed although the store has them no more (they were cut).
     * They must come back from others or nothing is signed any more: no sample is signed twice. */
    struct ob_sample signed_below;
    bool may_start_alone; /* … or at all: the state directory is new, or provably the one we left */
    bool observer;        /* never trains: follows, stores, answers */
    bool relay;           /* publishes onwards what is new to it: for a sparse overlay */
    size_t machines_max;  /* capacity, at most OB_MACHINES_MAX */
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
};

OB_MUST_USE enum ob_err ob_peer_new(const struct ob_peer_options *options, struct ob_peer **ret_peer,
                                    struct ob_error *error);
void ob_peer_free(struct ob_peer *peer);

/* Before OB_EVENT_START: what the caller's store holds, each machine's records in chain order, control
 * entries in any. What does not count (any more) is found at the start and un-applied then. Verified by the
 * store's own checks, not by signature again.
 * Errors:  OB_EMISMATCH when it does not extend its chain. */
OB_MUST_USE enum ob_err ob_peer_restore_record(struct ob_peer *peer, const struct ob_record *record,
                                               struct ob_error *error);
OB_MUST_USE enum ob_err ob_peer_restore_control(struct ob_peer *peer, const void *data, size_t bytes,
                                                struct ob_error *error);

/* ---- events ---- */

enum ob_event_kind {
    OB_EVENT_START,   /* restoring is over; begins to talk */
    OB_EVENT_EXPECT,  /* `machine` is one we will try to reach (configured); counts for RECONCILING */
    OB_EVENT_LINK_UP, /* a way to `machine` */
    OB_EVENT_LINK_DOWN,
    OB_EVENT_MESSAGE,    /* `data` from `machine`, an admitted machine that the transport has authenticated */
    OB_EVENT_TICK,       /* time has passed; call at least every 100 ms */
    OB_EVENT_ROUND_DONE, /* the round of the last OB_EFFECT_START_ROUND: samples' bytes in `data` (0 … its n),
                            `exponent`; fewer than asked when leaving, none: the round did not happen */
    OB_EVENT_LEAVE,      /* publish a goodbye once the running round is done */
    OB_EVENT_PAUSE,      /* start no further round (local; others see us go quiet) … */
    OB_EVENT_RESUME,
    OB_EVENT_BUSY,    /* what was taken in waits to be replayed: ask for no further records … */
    OB_EVENT_FREE,    /* … and go on asking. What is published is taken in meanwhile as ever. */
    OB_EVENT_CONTROL, /* `data`: a control entry from the operator, a certificate file or the door; taken in
                         and published when it is new. Before START too: our own certificate. */
    OB_EVENT_ADDRESS, /* `data`: where others reach us, "tcp://host:port" (none: nowhere); signed, published
                       */
    OB_EVENT_DIGEST,  /* answers OB_EFFECT_DIGEST: `log` as it was there, `weights`: zeros when it cannot be
                       * had
                       */
    OB_EVENT_DISPUTE, /* our weights may be wrong (the memory check): an OB_EFFECT_REBUILD follows */
    OB_EVENT_REBUILT, /* answers OB_EFFECT_REBUILD: `healed`: our weights were wrong and are right now */
};

struct ob_event {
    enum ob_event_kind kind;
    uint64_t now_ns; /* monotonic */
    uint64_t wall_s; /* Unix seconds, for the expiry of certificates only; 0: not known */
    struct ob_machine_id machine;
    const uint8_t *data;
    size_t bytes;
    int8_t exponent;
    struct ob_hash log, weights;
    bool healed;
};

/* ---- effects ---- */

#define OB_ROUNDS_ALL UINT32_MAX /* "below" this round is every record */

enum ob_effect_kind {
    OB_EFFECT_PERSIST_OWN,     /* `record`, our own: durable before anything that follows */
    OB_EFFECT_PERSIST,         /* `record`, somebody else's */
    OB_EFFECT_PERSIST_CONTROL, /* `data`: an entry of the control table; (kind, signer, subject) replaces */
    OB_EFFECT_APPLY,       /* `record` counts: put it into the weights (after it was handed to the store) */
    OB_EFFECT_PUBLISH,     /* `data` to everybody */
    OB_EFFECT_SEND,        /* `data` to `machine`; may be lost */
    OB_EFFECT_SERVE,       /* send `machine` the stored records of `subject` from sample `first` on, as one
                              OB_MESSAGE_RECORDS of at most `bytes` (ob_message_records_*, message.h) */
    OB_EFFECT_START_ROUND, /* evaluate samples `first` … first+n-1 as round `round`, live `live` */
    OB_EFFECT_TELL,        /* for log and status: `notice`, about `machine`; `text` */
    OB_EFFECT_LEFT,        /* the goodbye is out: close down */
    OB_EFFECT_HALT,        /* `text`: we must not sign any more (fork of our own key, a used sample) */
    OB_EFFECT_ADMIT,       /* `machine` belongs: let it connect */
    OB_EFFECT_EXPEL,   /* `machine` does not, any more (revoked, expired, forked): cut it off, let it in no
                          more; `text`: why */
    OB_EFFECT_REACH,   /* connect to `machine` at `data` (`bytes`, not terminated); another endpoint
                          replaces, none (0 bytes) ends it */
    OB_EFFECT_UNAPPLY, /* the stored records of `machine` from sample `first` (a record's first) on count no
                         more: take each out of the weights, then delete them from the store */
    OB_EFFECT_DIGEST,  /* the weights digest of the records below `round` (OB_ROUNDS_ALL: all) that we hold
                         after  the effects before this one; their log digest is `log`. Answered by
                         OB_EVENT_DIGEST */
    OB_EFFECT_REBUILD  /* hold the weights against base and log as they are after the effects before this one,
                         and put right what is wrong. Answered by OB_EVENT_REBUILT; no round starts before */
};

enum ob_notice {
    OB_NOTICE_JOINED,        /* first record or hello of a machine */
    OB_NOTICE_LEFT,          /* its goodbye */
    OB_NOTICE_QUIET,         /* left the pacing set */
    OB_NOTICE_BACK,          /* in the pacing set again */
    OB_NOTICE_GAP,           /* fetching missing records */
    OB_NOTICE_CAUGHT_UP,     /* our log is as complete as our peers' */
    OB_NOTICE_REFUSED,       /* a message that was not taken: why is in text */
    OB_NOTICE_FORK,          /* two heads at one sample */
    OB_NOTICE_DISAGREE,      /* equal logs, different weights digests */
    OB_NOTICE_RECOVERED_OWN, /* others held records of ours that we had lost */
    OB_NOTICE_FINISHED,      /* all rounds of the run are done */
    OB_NOTICE_VERSION,       /* a peer speaks another protocol version */
    OB_NOTICE_CUT,           /* records of a machine do not count any more */
    OB_NOTICE_ADMITTED,      /* a certificate */
    OB_NOTICE_EXPELLED,      /* revoked, expired or forked */
    OB_NOTICE_ROTATED,       /* another authority key */
    OB_NOTICE_ISOLATED,      /* too few acknowledge our records: paused */
    OB_NOTICE_TWIN,          /* two daemons run with one machine's key */
    OB_NOTICE_PROVEN,        /* a machine that disagreed is wrong, we are not */
    OB_NOTICE_HEALED         /* our weights were wrong */
};

struct ob_effect {
    enum ob_effect_kind kind;
    enum ob_notice notice;
    struct ob_machine_id machine, subject;
    struct ob_record record;
    struct ob_sample first;
    struct ob_round round;
    uint16_t n, live;
    const uint8_t *data;
    size_t bytes;
    const char *text;   /* TELL, HALT: one line */
    struct ob_hash log; /* DIGEST */
};

struct ob_effects {
    const struct ob_effect *items;
    size_t count;
};

/* Never fails: what is wrong with an event becomes a TELL (and a counter). */
struct ob_effects ob_peer_step(struct ob_peer *peer, const struct ob_event *event);

/* ---- looking in ---- */

enum ob_peer_life {
    OB_PEER_RECOVERING,
    OB_PEER_RECONCILING,
    OB_PEER_TRAINING,
    OB_PEER_WAITING,
    OB_PEER_PAUSED,
    OB_PEER_ISOLATED,
    OB_PEER_FINISHED,
    OB_PEER_LEAVING,
    OB_PEER_LEFT,
    OB_PEER_HALTED
};
const char *ob_peer_life_name(enum ob_peer_life life);
const char *ob_notice_name(enum ob_notice notice);

struct ob_peer_counters {
    uint64_t records_accepted, samples_accepted, duplicates, refused, out_of_order, bad_signatures, fetches,
        bad_answers,                    /* messages of fetched records that were malformed or badly signed */
        uncounted, relayed, postponed;  /* goodbyes and addresses that came too fast, for the time being */
    uint64_t agreements, disagreements; /* of others' weights digests with ours, of the same records */
    uint64_t rebuilds, heals;           /* of our weights from base and log; that found them wrong */
};

struct ob_peer_view {
    enum ob_peer_life life;
    struct ob_round round;     /* the round that runs or comes next */
    struct ob_sample next;     /* our next sample */
    uint16_t live;             /* machines in the pacing set, ourselves included */
    size_t machines;           /* machines in the frontier */
    struct ob_hash log_digest; /* BLAKE2b-256 of the sorted frontier */
    struct ob_hash control_digest;
    struct ob_peer_counters counters;
    uint64_t median_round_ns;             /* 0: not known yet */
    uint64_t samples_held, samples_known; /* in our log; in all logs that we were told of */
    double samples_per_s;                 /* taken in lately, others' and fetched ones */
    double catch_up_s; /* until nothing is missing at that rate; 0: nothing is, -1: unknown */
    bool certified;    /* our own records count: we have a certificate */
    size_t certificates, acknowledge, last_live; /* machines that are admitted; that hold our latest records;
                                                    of how many last live */
    uint32_t unacknowledged;                     /* rounds of ours after what half of them hold */
    bool disputed;                               /* our weights are being held against base and log */
    uint32_t named;                              /* the last named frontier: rounds below this; 0: none … */
    struct ob_hash named_log, named_weights;     /* … its digests; zeros while they are not known */
};
struct ob_peer_view ob_peer_view(const struct ob_peer *peer);

struct ob_peer_machine {
    struct ob_machine_id machine;
    struct ob_sample next;
    struct ob_hash head;
    struct ob_round head_round;
    bool has_records, paced, linked, left;
    uint64_t last_record_ns, last_heard_ns;
    struct ob_sample reported_next;  /* how many samples its heartbeats claim */
    struct ob_hash reported_log;     /* its last log digest … */
    struct ob_hash reported_weights; /* … and weights digest, zeros when unknown */
    bool compared, agrees;           /* its last weights digest with ours of the same records */
    bool admitted, revoked, forked;
    char name[OB_CONTROL_NAME_MAX + 1]; /* of its certificate; "" without one */
    uint64_t expiry_s;                  /* of its certificate; 0: never, or without one */
    struct ob_sample cut;               /* records from here on do not count; UINT64_MAX: no cut */
};
/* i < view.machines, sorted by machine key. */
struct ob_peer_machine ob_peer_machine(const struct ob_peer *peer, size_t i);

/* May this certificate be let in at the door? `data` is a control entry of kind certificate, wall_s the time.
 * Errors:  those of ob_certificate_check, with all authority keys of the run so far; OB_EREFUSED revoked
 *          or forked. */
OB_MUST_USE enum ob_err ob_peer_check_certificate(const struct ob_peer *peer, const void *data, size_t bytes,
                                                  uint64_t wall_s, struct ob_error *error);
/* Calls `see` with each entry of the control table. */
void ob_peer_each_control(const struct ob_peer *peer,
                          void (*see)(void *context, const void *data, size_t bytes), void *context);

/* What is true between any two steps: NULL, or the sentence that is broken. For tests and simulations. */
const char *ob_peer_check(const struct ob_peer *peer);

#endif
