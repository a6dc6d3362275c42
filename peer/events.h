/* events - what goes into a step of a peer, and the effects that come out of it. */
#ifndef OB_PEER_EVENTS_H
#define OB_PEER_EVENTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/ids.h"
#include "record/record.h"
#include "record/score.h"

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
    OB_EVENT_REPORT, /* what we tell of ourselves from now on: `loss` (NaN: none yet), `rate` in samples a second */
    OB_EVENT_EVALUATED, /* our held-out rows at the frontier of the records of rounds below `below`, with log digest
                           `log`: `score` */
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
    double loss, rate;
    uint32_t below;
    const struct ob_score *score;
};

/* ---- effects ---- */

#define OB_ROUNDS_ALL UINT32_MAX /* "below" this round is every record */

enum ob_effect_kind {
    OB_EFFECT_PERSIST_OWN,     /* `record`, our own: durable before anything that follows */
    OB_EFFECT_PERSIST,         /* `record`, somebody else's */
    OB_EFFECT_PERSIST_CONTROL, /* `data`: an entry of the control table; (kind, signer, subject) replaces */
    OB_EFFECT_APPLY,           /* `record` counts: put it into the weights (after it was stored) */
    OB_EFFECT_PUBLISH,         /* `data` to everybody */
    OB_EFFECT_SEND,            /* `data` to `machine`; may be lost */
    OB_EFFECT_SERVE,           /* send `machine` stored records, as `serve` says */
    OB_EFFECT_START_ROUND,     /* evaluate the samples of `start` */
    OB_EFFECT_TELL,            /* for log and status: `notice`, about `machine`; `text` */
    OB_EFFECT_LEFT,            /* the goodbye is out: close down */
    OB_EFFECT_HALT,            /* `text`: we must not sign any more (fork of our own key, a used sample) */
    OB_EFFECT_ADMIT,           /* `machine` belongs: let it connect */
    OB_EFFECT_EXPEL,           /* `machine` does not, any more: cut it off, let it in no more; `text`: why */
    OB_EFFECT_REACH,           /* connect to `machine` at `data` (not terminated); another endpoint replaces,
                                  none (0 bytes) ends it */
    OB_EFFECT_UNAPPLY,         /* stored records of `machine` count no more, as `unapply` says */
    OB_EFFECT_DIGEST,          /* a weights digest is wanted, as `digest` says. Answered by OB_EVENT_DIGEST */
    OB_EFFECT_REBUILD          /* verify the weights against base and log as they are after the effects before
                                  this one, and put right what is wrong. Answered by OB_EVENT_REBUILT; no round
                                  starts before */
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
    OB_NOTICE_HEALED,        /* our weights were wrong */
    OB_NOTICE_SLOW           /* left the pacing set: we waited for it too much of the time */
};

/* The stored records of `of` from the one on that holds sample `first`, as one OB_MESSAGE_RECORDS of at most
 * `bytes_max` (ob_message_records_*, message.h); at most `count` of them, 0: as many as fit. */
struct ob_effect_serve {
    struct ob_machine_id of;
    struct ob_sample first;
    uint16_t count;
    size_t bytes_max;
};

/* Samples `first` … first + n - 1, as round `round`, with `live` machines counted as training. */
struct ob_effect_start {
    struct ob_sample first;
    struct ob_round round;
    uint16_t n, live;
};

/* Records from sample `first` on, a record's first: take each out of the weights, then delete them. */
struct ob_effect_unapply {
    struct ob_sample first;
};

/* Of the records below round `below` (OB_ROUNDS_ALL: all) that we hold after the effects before this one;
 * their log digest is `log`. */
struct ob_effect_digest {
    struct ob_round below;
    struct ob_hash log;
};

struct ob_effect {
    enum ob_effect_kind kind;
    struct ob_machine_id machine; /* whom or whose it is about; zeros for PUBLISH and PERSIST_CONTROL */
    union {                       /* by kind */
        struct ob_record record;
        struct {
            const uint8_t *data;
            size_t bytes;
        };
        struct {
            enum ob_notice notice;
            const char *text; /* one line */
        };
        struct ob_effect_serve serve;
        struct ob_effect_start start;
        struct ob_effect_unapply unapply;
        struct ob_effect_digest digest;
    };
};

struct ob_effects {
    const struct ob_effect *items;
    size_t count;
};

#endif
