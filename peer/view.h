/* view - looking into a peer from outside, between two steps. */
#ifndef OB_PEER_VIEW_H
#define OB_PEER_VIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/ids.h"
#include "peer/counters.h"
#include "peer/events.h"
#include "peer/life.h"
#include "record/control.h"
#include "record/score.h"

struct ob_peer;

const char *ob_notice_name(enum ob_notice notice);

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
    bool disputed;                               /* our weights are being verified against base and log */
    bool waits;                                  /* the next round waits for records … */
    struct ob_machine_id waits_for;              /* … of this machine */
    uint8_t protocol_lowest, protocol_highest;   /* versions that we speak … */
    uint8_t protocol_published;                  /* … and the lowest in which we publish now */
    uint32_t named;                              /* the last named frontier: rounds below this; 0: none … */
    struct ob_hash named_log, named_weights;     /* … its digests; zeros while they are not known */
};
struct ob_peer_view ob_peer_view(const struct ob_peer *peer);
/* Of the view, what is wanted often and costs nothing alone (the digest: what it is to compute). */
enum ob_peer_life ob_peer_life(const struct ob_peer *peer);
size_t ob_peer_count(const struct ob_peer *peer); /* view.machines */
struct ob_hash ob_peer_log_digest(const struct ob_peer *peer);

struct ob_peer_machine {
    struct ob_machine_id machine;
    struct ob_sample next;
    struct ob_hash head;
    struct ob_round head_round;
    bool has_records, paced, linked, left;
    bool slow; /* not waited for, because it made us wait too much of the time */
    uint64_t last_record_ns, last_heard_ns;
    uint64_t link_ns;                /* since when it is linked, or no longer; 0: it never was */
    struct ob_sample reported_next;  /* how many samples its heartbeats claim */
    struct ob_hash reported_log;     /* its last log digest … */
    struct ob_hash reported_weights; /* … and weights digest, zeros when unknown */
    bool compared, agrees;           /* its last weights digest with ours of the same records */
    unsigned false_alarms; /* its digests that were wrong although it insisted: so many checks of ours */
    bool admitted, revoked, forked;
    char name[OB_CONTROL_NAME_MAX + 1];  /* of its certificate; "" without one */
    uint64_t expiry_s;                   /* of its certificate; 0: never, or without one */
    uint64_t report_ns;                  /* when it last told of itself; 0: never: */
    double reported_loss, reported_rate; /* its training loss (NaN: none) and samples a second */
    char version[32];
    uint8_t protocol;      /* version of the protocol that we speak with it; 0: none in common */
    uint8_t protocol_last; /* of its last message; 0: none yet */
    uint8_t protocol_lowest, protocol_highest; /* that it speaks, as it said; 0: it has not */
    struct ob_score score;       /* of its last evaluation of held-out rows; items 0: none … */
    struct ob_round score_below; /* … at this frontier */
    struct ob_sample cut;        /* records from here on do not count; UINT64_MAX: no cut */
};
/* i < view.machines, sorted by machine key. */
struct ob_peer_machine ob_peer_machine(const struct ob_peer *peer, size_t i);
/* By its key; false: nothing is known of it. */
bool ob_peer_find(const struct ob_peer *peer, const struct ob_machine_id *machine,
                  struct ob_peer_machine *ret_machine);

/* For callers that make messages of their own: the protocol version for this machine; may this one be read? (spoken.h) */
uint8_t ob_peer_speaks(const struct ob_peer *peer, const struct ob_machine_id *machine);
bool ob_peer_understands(const struct ob_peer *peer, uint8_t version);

/* Held-out rows at the frontier with this log digest: the sums of all machines that evaluated there. Returns how many. */
size_t ob_peer_score(const struct ob_peer *peer, const struct ob_hash *log, struct ob_score *ret_score);
/* The ends of all chains at the named frontier of rounds below `below`: calls `see` for each with records there. False: not
 * known for all any more, and `see` was not called. */
bool ob_peer_ends_below(const struct ob_peer *peer, uint32_t below,
                        void (*see)(void *context, const struct ob_machine_id *machine, uint64_t next),
                        void *context);

/* May this certificate be let in at the door? `data` is a control entry of kind certificate, wall_s the time.
 * Errors:  those of ob_certificate_check, with all authority keys of the run so far; OB_EREFUSED revoked
 *          or forked. */
OB_MUST_USE enum ob_err ob_peer_check_certificate(const struct ob_peer *peer, const void *data, size_t bytes,
                                                  uint64_t wall_s, struct ob_error *error);
/* Why a machine is out: the evidence of its fork, or else its revocation, as it stands in the control table (until the
 * next step). NULL: it was not cut. A machine that everybody has cut off can only learn of it at a door: its own
 * links are gone. */
const uint8_t *ob_peer_why_out(const struct ob_peer *peer, const struct ob_machine_id *machine,
                               size_t *ret_bytes);
/* The same for what an invitation admits: its entry ‖ that of the admission (record/invited.h).
 * Errors:  those of ob_invited_decode; OB_ETIMEOUT the invitation has expired and the machine is none of those
 *          that came before, or its membership has; OB_ESTATE withdrawn without this machine; OB_EBUSY used up
 *          by others; OB_EREFUSED not the authority's, a signature, revoked or forked. */
OB_MUST_USE enum ob_err ob_peer_check_invited(const struct ob_peer *peer, const void *data, size_t bytes,
                                              uint64_t wall_s, struct ob_error *error);
/* The key that admits and revokes now: the manifest's, or what it was rotated to. */
struct ob_machine_id ob_peer_authority(const struct ob_peer *peer);
/* The run's authority has, or had, this key, as far as we know: a rotation may not have reached us yet. */
bool ob_peer_knows_authority(const struct ob_peer *peer, const struct ob_machine_id *key);
/* The control table holds exactly this entry: what an operator handed in was taken. */
bool ob_peer_holds_control(const struct ob_peer *peer, const void *data, size_t bytes);
/* Calls `see` with each entry of the control table. */
void ob_peer_each_control(const struct ob_peer *peer,
                          void (*see)(void *context, const void *data, size_t bytes), void *context);

#endif
