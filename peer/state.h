/* state - what a peer remembers between steps; private to peer/.
 *
 * Design notes. A machine's slot never moves, so that machines point at one another; `order` sorts the slots
 * by key. A slot that exists only because somebody claimed records of that machine is given back when nobody
 * delivers them, and makes way when the table is full. Everything is allocated by ob_peer_new. */
#ifndef OB_PEER_STATE_H
#define OB_PEER_STATE_H

#include "peer/codec.h"
#include "peer/peer.h"

#define MILLISECONDS 1000000ull
#define SECONDS      (1000 * MILLISECONDS)

#define HEARTBEAT_EVERY_NS   (1 * SECONDS)
#define QUIET_AT_LEAST_NS    (5 * SECONDS)
#define ASK_TIMEOUT_NS       (2 * SECONDS)
#define ASK_TRIES            6             /* asks without progress before a claim is dropped … */
#define CLAIM_REST_NS        (5 * SECONDS) /* … and not believed again for this long */
#define ASKS_MAX             64            /* outstanding at once: at most 64 messages of records under way */
#define ASKS_PER_PEER_MAX    16
#define FRONTIER_EVERY_NS    (500 * MILLISECONDS) /* between two frontier asks, to one peer and in all */
#define FRONTIER_RETRY_NS    (1 * SECONDS)        /* while reconciling */
#define FRONTIER_ASKS_A_TICK 8
#define CONTROL_ASK_EVERY_NS (1 * SECONDS)
#define CONTROL_CHUNKS       2             /* messages that answer one CONTROL_ASK */
#define REACHABLE_NS         (5 * SECONDS) /* since its last message */
#define RELAY_EVERY_NS       (1 * SECONDS)
#define RELAY_BURST          16 /* records of one machine relayed in RELAY_EVERY_NS */
#define FORK_ASK_EVERY_NS    (5 * SECONDS)
#define TELL_EVERY_NS        (10 * SECONDS)
#define EFFECTS_MAX          2048
#define EFFECTS_SPARE        128 /* left for what follows the records of a message */
#define SCRATCH_BYTES        (4 * OB_MESSAGE_MAX)
#define TEXTS_MAX            32
#define TEXT_BYTES           192
#define OWN_HISTORY          1024 /* own records whose hashes are remembered, to find a fork of our own key */
#define DURATIONS            15
#define WEIGHTS_HISTORY      16

struct machine {
    struct ob_machine_id id;

    /* its chain */
    bool has_records, forked;
    uint64_t next;       /* samples held: [0, next) */
    uint64_t head_first; /* first sample of the head */
    struct ob_hash head; /* zeros without records */
    uint32_t head_round;
    uint64_t cut; /* records at or above it do not count; UINT64_MAX: no cut */

    /* fetching what is missing of it */
    uint64_t target;                    /* somebody says that it goes up to here */
    uint64_t rejoin_target;             /* the same, as said while reconciling */
    struct machine *claimant, *refuted; /* who says so; whose claim was dropped last */
    struct machine *asked;              /* where an ask is open, or NULL */
    uint64_t asked_ns, rest_until_ns, fork_asked_ns;
    unsigned failures;

    /* it as a correspondent */
    bool expected, linked, joined;
    uint64_t spoke_ns; /* its last message of any kind; 0: none yet */
    bool heard;        /* a heartbeat since START; the fields below are from the last one */
    bool idle;         /* it said that it starts no rounds */
    uint64_t instance, sequence, reported_next, last_heard_ns;
    struct ob_hash reported_log, reported_weights, disagreed;
    unsigned log_differs;    /* consecutive heartbeats with another log digest */
    bool ask_at_once;        /* since LINK_UP, no frontier asked yet */
    bool frontier_open;      /* pages are being fetched … */
    uint32_t frontier_index; /* … and this one is next */
    uint64_t frontier_asked_ns, control_asked_ns;
    bool answered;          /* its frontier was heard completely since START */
    bool own_claim_refused; /* claimed records of ours that it did not deliver */
    unsigned asks_open;     /* asks for records that are open at it */
    uint64_t told_refused_ns, told_fork_ns, told_version_ns;

    /* relaying its records */
    uint64_t relay_ns;
    unsigned relayed; /* since then */

    /* pacing */
    bool paced, quiet_told;
    uint64_t last_record_ns; /* or START, or when it was first heard */

    /* control */
    bool goodbye;
    uint64_t goodbye_next;
};

struct own_entry {
    uint64_t first, end;
    struct ob_hash hash;
};

struct control_entry {
    uint16_t bytes;
    uint8_t data[OB_CONTROL_BYTES_MAX];
};

struct round_state {
    bool running;
    uint64_t first, started_ns;
    uint32_t round;
    uint16_t n, live;
};

struct weights_digest {
    struct ob_hash log, weights;
};

/* Behind a pointer of its own, so that looking in (const) may fill it. */
struct digests {
    bool log_known, control_known;
    struct ob_hash log, control;
};

struct ob_peer {
    struct ob_peer_options options;
    enum ob_peer_life life;
    uint64_t now_ns, start_ns;
    bool pause, leaving, signs_goodbye;

    struct machine *slots; /* options.machines_max */
    struct machine **order;
    size_t count, capacity;
    struct machine **spare; /* slots given back */
    size_t spare_count, fresh;
    struct machine *own;

    struct own_entry own_history[OWN_HISTORY];
    size_t own_count; /* ever added */

    struct round_state round;
    uint32_t next_round; /* after the one that runs */
    uint64_t durations[DURATIONS];
    size_t durations_count; /* ever added */
    uint32_t *heads;        /* scratch of `capacity` for the median */

    struct machine *blocking; /* reconcile.c */
    size_t asks_open, repair_cursor, other_cursor;
    uint64_t frontier_ns, heartbeat_ns, heartbeat_sequence;
    bool gap_told;
    uint64_t gap_told_ns, told_full_ns;

    struct weights_digest weights[WEIGHTS_HISTORY];
    size_t weights_count; /* ever added */

    struct control_entry *control; /* `capacity` */
    struct control_entry **control_order;
    size_t control_count, control_cursor;

    struct digests *digests;
    struct ob_peer_counters counters;

    struct ob_effect *effects; /* EFFECTS_MAX */
    size_t effects_count;
    uint8_t *scratch; /* SCRATCH_BYTES, messages of this step */
    size_t scratch_used;
    char (*texts)[TEXT_BYTES];
    size_t texts_used;
};

/* ---- effects.c: the list of this step's effects ---- */

bool ob_effects_room(const struct ob_peer *peer); /* for another record */
struct ob_effect *ob_effects_add(struct ob_peer *peer, enum ob_effect_kind kind);
uint8_t *ob_effects_scratch(struct ob_peer *peer, size_t bytes); /* NULL: none left in this step */
void ob_effects_publish(struct ob_peer *peer, const uint8_t *data, size_t bytes);
void ob_effects_send(struct ob_peer *peer, const struct machine *to, const uint8_t *data, size_t bytes);
void ob_effects_tell(struct ob_peer *peer, enum ob_notice notice, const struct ob_machine_id *about,
                     const char *format, ...) OB_PRINTF(4, 5);
/* OB_NOTICE_REFUSED about a machine, not more than one in TELL_EVERY_NS. */
void ob_effects_refuse(struct ob_peer *peer, struct machine *sender, const char *format, ...) OB_PRINTF(3, 4);
void ob_effects_halt(struct ob_peer *peer, const char *format, ...) OB_PRINTF(2, 3);
/* Moves to another life; asserts that the move is allowed. */
void ob_life_move(struct ob_peer *peer, enum ob_peer_life life);
bool ob_life_may_move(enum ob_peer_life from, enum ob_peer_life to);

/* ---- machines.c: the table ---- */

struct machine *ob_machines_find(const struct ob_peer *peer, const struct ob_machine_id *id);
/* Finds or adds; a claimed slot makes way when the table is full. NULL: full (told). */
struct machine *ob_machines_take(struct ob_peer *peer, const struct ob_machine_id *id);
/* Adds on somebody's word only: NULL when the table is full. */
struct machine *ob_machines_take_claimed(struct ob_peer *peer, const struct ob_machine_id *id);
bool ob_machines_only_claimed(const struct ob_peer *peer, const struct machine *machine);
void ob_machines_give_back(struct ob_peer *peer, struct machine *machine);
bool ob_machines_left(const struct machine *machine);
struct ob_hash ob_machines_log_digest(const struct ob_peer *peer);

/* ---- chain.c: what a record does to its chain ---- */

enum chain_verdict { CHAIN_TAKEN, CHAIN_DUPLICATE, CHAIN_GAP, CHAIN_REFUSED };
enum chain_verdict ob_chain_receive(struct ob_peer *peer, struct machine *sender, const void *data,
                                    size_t bytes);
/* Takes a record that extends its chain into the table; no effects. */
void ob_chain_extend(struct ob_peer *peer, struct machine *machine, const struct ob_record *record,
                     const struct ob_hash *hash);
bool ob_chain_extends(const struct machine *machine, const struct ob_record *record);
/* The own record that holds a sample, or NULL when it is too old. */
const struct own_entry *ob_chain_own_entry(const struct ob_peer *peer, uint64_t sample);

/* ---- repair.c: asking for missing records ---- */

void ob_repair_want(struct ob_peer *peer, struct machine *machine, uint64_t target, struct machine *claimant);
void ob_repair_ask_fork(struct ob_peer *peer, struct machine *machine, uint64_t first, struct machine *of);
void ob_repair_records(struct ob_peer *peer, struct machine *sender, struct ob_reader body);
void ob_repair_serve(struct ob_peer *peer, struct machine *sender, struct ob_reader body);
void ob_repair_close(struct ob_peer *peer, struct machine *machine); /* the ask that is open, if any */
void ob_repair_link(struct ob_peer *peer, struct machine *machine);
void ob_repair_drop_link(struct ob_peer *peer, struct machine *machine);
void ob_repair_tick(struct ob_peer *peer);

/* ---- relay.c ---- */

/* A record, encoded, that was just taken into its chain: perhaps it is published onwards. */
void ob_relay_taken(struct ob_peer *peer, const void *record, size_t bytes);

/* ---- frontier.c ---- */

void ob_frontier_ask(struct ob_peer *peer, struct machine *of);
void ob_frontier_serve(struct ob_peer *peer, struct machine *sender, struct ob_reader body);
void ob_frontier_receive(struct ob_peer *peer, struct machine *sender, struct ob_reader body);

/* ---- heartbeat.c ---- */

void ob_heartbeat_publish(struct ob_peer *peer);
void ob_heartbeat_send(struct ob_peer *peer, const struct machine *to);
void ob_heartbeat_receive(struct ob_peer *peer, struct machine *sender, struct ob_reader body);
void ob_heartbeat_joined(struct ob_peer *peer, struct machine *machine); /* JOINED, once */

/* ---- control_table.c ---- */

struct ob_hash ob_control_table_digest(const struct ob_peer *peer);
/* True when the entry is new or replaces one; it is then in the table at *ret_entry. Verified by the caller.
 */
bool ob_control_table_merge(struct ob_peer *peer, const struct ob_control *control,
                            const struct control_entry **ret_entry);
void ob_control_table_ask(struct ob_peer *peer, struct machine *of);
void ob_control_table_serve(struct ob_peer *peer, struct machine *sender, struct ob_reader body);
void ob_control_table_receive(struct ob_peer *peer, struct machine *sender, struct ob_reader body);
void ob_control_table_goodbye(struct ob_peer *peer);

/* ---- pacing.c ---- */

void ob_pacing_update(struct ob_peer *peer);                          /* who is paced, which round is next */
void ob_pacing_record(struct ob_peer *peer, struct machine *machine); /* a new record of it was taken */
void ob_pacing_heard(struct ob_peer *peer, struct machine *machine);  /* a heartbeat of it, or a record */
bool ob_pacing_may_start(const struct ob_peer *peer);
uint16_t ob_pacing_live(const struct ob_peer *peer);
uint64_t ob_pacing_median_ns(const struct ob_peer *peer);

/* ---- rounds.c ---- */

void ob_rounds_done(struct ob_peer *peer, const struct ob_event *event);
void ob_rounds_leave(struct ob_peer *peer);
void ob_rounds_try_start(struct ob_peer *peer);

/* ---- reconcile.c ---- */

void ob_reconcile_start(struct ob_peer *peer);
void ob_reconcile_tick(struct ob_peer *peer);
void ob_reconcile_check(struct ob_peer *peer); /* ends it when it may end */

#endif
