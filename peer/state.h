/* state - what a peer remembers between steps; private to peer/.
 *
 * A member is named after the file that it belongs to: machine->fetch is fetch.c's, peer->pacing is pacing.c's.
 * Others read it; they change it by that file's functions, but for what a comment says. What a file keeps
 * without knowing a peer (chain, doubts, control table, digests) stands in its own header.
 *
 * Design notes. A machine's slot never moves, so that machines point at one another; machines.order sorts the
 * slots by key. A slot that exists only because somebody claimed records of that machine is given back when
 * nobody delivers them, and makes way when the table is full. Everything is allocated by ob_peer_new. */
#ifndef OB_PEER_STATE_H
#define OB_PEER_STATE_H

#include "peer/chain.h"
#include "peer/control_table.h"
#include "peer/counters.h"
#include "peer/digest.h"
#include "peer/doubt.h"
#include "peer/events.h"
#include "peer/life.h"
#include "peer/options.h"
#include "record/control.h"

#define MILLISECONDS 1000000ull
#define SECONDS      (1000 * MILLISECONDS)

/* Bounds and times that more than one file keeps to; a file's own stand at its head. */
#define HEARTBEAT_EVERY_NS (1 * SECONDS)
#define TELL_EVERY_NS      (10 * SECONDS) /* what could be told at each message */
#define ASK_TIMEOUT_NS     (2 * SECONDS)
#define ASKS_MAX           64 /* outstanding at once: at most 64 messages of records under way */
#define ASKS_PER_PEER_MAX  16
#define FRONTIER_RETRY_NS  (1 * SECONDS) /* while reconciling */
#define FORK_ASK_EVERY_NS  (5 * SECONDS)
#define EFFECTS_MAX        2048
#define SCRATCH_BYTES      (4 * OB_MESSAGE_MAX)
#define TEXTS_MAX          32
#define TEXT_BYTES         192
#define TWIN_MESSAGE_BYTES 304  /* a heartbeat's */
#define OWN_HISTORY        1024 /* own records whose hashes are remembered, to find a fork of our own key */
#define DURATIONS          15
#define WEIGHTS_HISTORY    16
#define AUTHORITIES_MAX    16 /* keys that the authority may have had */
#define FORKS_MAX          8  /* searches at a time */

/* ---- of each machine ---- */

/* What the control table makes of it. */
struct standing {
    bool stale; /* the table changed: to be read again before it is used */
    bool certified, revoked, forked, goodbye;
    uint64_t cut;        /* records that end above it do not count; UINT64_MAX: no cut */
    uint32_t last_round; /* nor do those of later rounds */
    uint64_t expiry_s;
    uint64_t goodbye_next;
    bool admitted, told_admitted; /* may connect; what the caller was told last */
    bool reach, reached;          /* its address is to be told; the caller has one */
};

/* Fetching what is missing of its chain, and what others fetch from it. */
struct machine_fetch {
    bool complete;                      /* the next record of its chain is there and does not count */
    uint64_t target;                    /* somebody says that it goes up to here */
    struct machine *claimant, *refuted; /* who says so; whose claim was dropped last */
    struct machine *asked, *asked_last; /* where an ask is open, or NULL; where the last one went */
    uint64_t asked_ns, rest_until_ns;
    unsigned failures;
    unsigned open; /* asks for records that are open at it */
};

struct machine_rejoin {
    uint64_t target;        /* its chain goes up to here, as was said while reconciling */
    bool was_live;          /* it trained with us when we stopped, says our log */
    bool answered;          /* its frontier was heard completely since START */
    bool own_claim_refused; /* claimed records of ours that it did not deliver */
};

/* Whether it is there. */
struct contact {
    bool expected, linked, joined;
    uint64_t spoke_ns; /* its last message of any kind; 0: none yet */
    uint64_t link_ns;  /* when it was linked, or no longer; 0: neither yet */
    uint64_t told_refused_ns, told_version_ns;
};

/* Protocol versions that it speaks: versions.c, spoken.c. */
struct machine_versions {
    uint8_t lowest, highest; /* as it said; 0: it has not */
    uint8_t last;            /* of its last message that is not about versions; 0: none */
};

struct machine_heartbeat {
    bool heard; /* a heartbeat since START; the fields below are from the last one */
    bool idle;  /* it said that it starts no rounds */
    uint64_t instance, sequence, next, heard_ns;
    struct ob_hash log, weights, weights_log;
    unsigned log_differs; /* consecutive heartbeats with another log digest than ours */
};

/* Messages that two daemons with one key were brought: so many may go at once, and what the last one was about. */
struct handed_on {
    uint64_t filled_ns, last_ns, about;
    unsigned left;
};

struct machine_twin {
    uint64_t newest, sequence, heard_ns; /* its newest instance and that one's last heartbeat … */
    size_t bytes;                        /* … as it was signed */
    uint8_t message[TWIN_MESSAGE_BYTES];
    bool knows;                     /* that one names another, so it has stopped */
    uint64_t last, before, told_ns; /* instances that were heard, in turn */
    uint64_t doubled_ns;            /* an older one was heard, or one that names another */
    struct handed_on newest_handed_on, naming_handed_on; /* the newest; what names another */
};

struct machine_dispute {
    bool compared; /* its weights digest with ours, of the same records: */
    bool agrees;
    struct ob_hash ours, theirs;
    bool accuses;           /* the rebuild that runs, or comes, is for its reason … */
    unsigned false_alarms;  /* … as were so many that found nothing */
    uint64_t deaf_until_ns; /* until then we do not listen */
    uint64_t told_ns;
    uint64_t answered_ns; /* it was sent our digest of the records that it spoke of: heartbeat.c */
};

struct machine_frontier {
    bool ask_at_once; /* since LINK_UP, no frontier asked yet */
    bool open;        /* pages are being fetched … */
    uint32_t index;   /* … and this one is next */
    uint64_t asked_ns;
};

struct machine_exchange {
    uint64_t asked_ns;
    uint64_t said_ns; /* what it says of itself: goodbyes and addresses … */
    unsigned said;    /* … taken in since */
};

struct machine_relay {
    uint64_t since_ns;
    unsigned count; /* of its records, since then */
};

/* The way to it: who told us of its newest record first, and who did as well. */
struct way {
    struct machine *first, *second, *question; /* the last: whence a question of it came … */
    uint64_t question_ns;                      /* … at this time */
    uint64_t handed_on_ns;
    unsigned handed_on; /* for it, since handed_on_ns */
};

struct machine_holds {
    uint8_t attempt;
    uint64_t asked_ns, far_asked_ns;
};

struct machine_isolation {
    bool last_live;        /* counts … */
    uint64_t lost_at;      /* … and fell silent when our chain ended here; UINT64_MAX: it did not */
    uint64_t acknowledged; /* it holds our samples below this */
    unsigned silences;     /* questions since it last acknowledged more */
};

/* What it tells of itself: report.c. */
struct machine_report {
    bool heard;
    uint64_t instance, sequence, heard_ns;
    double loss, rate;
    char version[32];
};

#define EVALUATIONS 4 /* of each machine */

struct evaluated {
    uint32_t below;
    struct ob_hash log;
    struct ob_score score;
    uint64_t heard_ns;
};
struct machine_evaluation {
    struct evaluated last[EVALUATIONS];
    size_t count; /* ever added */
    uint32_t highest;
};

struct machine_pacing {
    bool paced, quiet_told;
    uint64_t last_record_ns; /* or START, or when it was first heard */
    double waited_ns;        /* for it, of late; this and the following: patience.c */
    uint64_t rest_until_ns, rest_ns;
    unsigned strikes;
};

struct machine {
    struct ob_machine_id id;
    struct chain chain;
    struct standing standing; /* admission.c */
    struct machine_fetch fetch;
    struct machine_rejoin rejoin; /* reconcile.c */
    struct doubts doubts;
    struct contact contact; /* peer.c */
    struct machine_versions versions;
    struct machine_heartbeat heartbeat;
    struct machine_twin twin;
    struct machine_dispute dispute;
    struct machine_frontier frontier;
    struct machine_exchange exchange; /* control_exchange.c */
    struct machine_relay relay;
    struct way way;
    struct machine_holds holds;
    struct machine_isolation isolation;
    struct machine_pacing pacing;
    struct machine_report report;
    struct machine_evaluation evaluation;
    struct {
        uint64_t asked_ns;
    } fork;
};

/* ---- of the peer ---- */

struct machines {
    struct machine *slots; /* options.machines_max */
    struct machine **order;
    size_t count, capacity;
    struct machine **spare; /* slots given back */
    size_t spare_count, fresh;
};

/* A record: its samples are [first, end). */
struct own_entry {
    uint64_t first, end;
    struct ob_hash hash;
};

struct history {
    struct own_entry entries[OWN_HISTORY];
    size_t count; /* ever added */
};

struct log {
    uint64_t version; /* rises with each record that is taken in, and with each cut */
};

struct authority {
    struct ob_machine_id key;
    uint64_t until; /* what it signed with a lower sequence counts */
};

struct authorities {
    struct authority keys[AUTHORITIES_MAX];
    size_t count;
};

struct admission {
    bool work; /* a machine is stale, or the caller is to be told */
    uint64_t wall_seen_s;
    bool expiry_told;
};

/* Where others reach us. */
struct own_address {
    bool known;
    uint8_t text[OB_CONTROL_ADDRESS_MAX];
    size_t bytes;
};

struct exchange {
    uint8_t cursor; /* leaf, and its entry, with which the next answer begins */
    size_t cursor_entry;
    uint64_t asked_ns;
};

struct fetch {
    bool busy; /* asks for no records */
    size_t open, cursor, other_cursor;
    bool gap_told;
    uint64_t gap_told_ns;
};

/* Looking for the place where two chains of one machine part. */
struct fork_search {
    struct machine *machine, *with; /* NULL: none */
    uint64_t low, high, asked, asked_ns, begun_ns;
    unsigned lost;
};

/* A record of our own key that cannot be of our chain: nothing is signed until the place is found, or not. */
struct own_fork {
    bool suspected;
    uint64_t sample, since_ns;
};

struct isolation {
    size_t last_live, acknowledge;
    uint64_t position; /* of our chain, that half of the last live hold */
    uint32_t unacknowledged;
    uint64_t from;       /* our next sample at the start */
    uint64_t *positions; /* scratch of machines.capacity */
};

struct pacing {
    uint64_t durations[DURATIONS]; /* of our last rounds */
    size_t durations_count;        /* ever added */
    uint64_t median_ns;            /* of them; 0: none yet */
    uint32_t *heads;               /* scratch of machines.capacity: rounds that others have reached */
    struct machine *blocker;       /* a machine that was waited for: looked at first */
    double worked_ns;              /* on rounds, of late; this and the next one: patience.c */
    uint64_t accounted_ns;
};

struct round_state {
    bool running;
    uint64_t first, started_ns;
    uint32_t round;
    uint16_t n, live;
};

struct rounds {
    bool pause, leaving, signs_goodbye;
    struct round_state current;
    uint32_t next; /* after the one that runs */
};

struct reconcile {
    uint64_t start_ns;
    struct machine *blocking;
};

struct weights_digest {
    uint32_t below; /* OB_ROUNDS_ALL: of the whole log */
    struct ob_hash log, weights;
};

struct digest_ask {
    bool open;
    uint32_t below;
    struct ob_hash log;
    uint64_t since_ns, rest_until_ns;
};

/* The last named frontier: the records of rounds below it (0: none yet). */
struct named {
    uint32_t below, tried;
    bool known;   /* its log digest is: */
    bool touched; /* something below it came or went since then (log.c says so) */
    struct ob_hash log;
    struct weights_digest weights[WEIGHTS_HISTORY];
    size_t weights_count; /* ever added, or since they were forgotten */
    struct digest_ask ask;
    uint64_t seen_version, changed_ns; /* of the log */
    uint64_t whole_version; /* one more than the version that a digest was asked for while it rested */
};

struct dispute {
    bool open;    /* our weights are being verified against base and log: no round starts */
    bool accused; /* by somebody whose reason was not looked into to its end */
    uint64_t since_ns, resolved_ns, rest_until_ns;
    unsigned in_vain; /* of late, for somebody who was wrong */
};

/* What we tell of ourselves. */
struct report {
    bool known;
    double loss, rate;
    uint64_t sequence, told_ns, evaluation_told_ns;
};

struct heartbeat {
    uint64_t sent_ns, sequence;
};

/* A mean that forgets, of the samples that come in. */
struct rate {
    uint64_t since_ns, samples;
    double per_s;
};

/* The list of this step's effects, and what they point at. */
struct effects {
    struct ob_effect *items; /* EFFECTS_MAX */
    size_t count;
    uint8_t *scratch; /* SCRATCH_BYTES: messages of this step */
    size_t scratch_used;
    char (*texts)[TEXT_BYTES];
    size_t texts_used;
    uint64_t told_full_ns;
};

/* Behind a pointer of its own, so that looking in (const) may fill it. */
struct digests {
    struct digest_tree log, named;
};

struct ob_peer {
    struct ob_peer_options options;
    enum ob_peer_life life;
    uint64_t now_ns, wall_s;
    struct machine *own;
    struct ob_peer_counters counters;

    struct effects effects;
    struct machines machines;
    struct history history;
    struct log log;
    struct digests *digests; /* log.c */
    struct control_table control;
    struct authorities authority;
    struct admission admission;
    struct own_address address; /* admission.c */
    struct exchange exchange;   /* control_exchange.c */
    struct fetch fetch;
    struct fork_search forks[FORKS_MAX];
    struct own_fork own_fork; /* fork.c */
    struct isolation isolation;
    struct pacing pacing;
    struct rounds rounds;
    struct reconcile reconcile;
    struct {
        uint64_t asked_ns;
    } frontier;
    struct {
        size_t cursor, far_cursor;
    } holds;
    struct {
        size_t cursor;
    } way;
    struct heartbeat heartbeat;
    struct {
        uint64_t other; /* another instance that was heard with our key */
    } twin;
    struct report report;
    struct named named;
    struct dispute dispute;
    struct rate rate; /* peer.c */
};

#endif
