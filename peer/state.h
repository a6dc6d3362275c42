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

#define HEARTBEAT_EVERY_NS     (1 * SECONDS)
#define QUIET_AT_LEAST_NS      (5 * SECONDS)
#define ASK_TIMEOUT_NS         (2 * SECONDS)
#define ASK_TRIES              6             /* asks without progress before a claim is dropped … */
#define ASK_TRIES_DOUBTED      2             /* when its claimant sent badly signed records … */
#define CLAIM_REST_NS          (5 * SECONDS) /* … and not believed again for this long */
#define DOUBTS                 4             /* chains of which a source sent badly signed records */
#define DOUBT_FIRST_NS         (2 * SECONDS)
#define DOUBT_LONGEST_NS       (64 * SECONDS)
#define ASKS_MAX               64 /* outstanding at once: at most 64 messages of records under way */
#define ASKS_PER_PEER_MAX      16
#define FRONTIER_EVERY_NS      (500 * MILLISECONDS) /* between two frontier asks, to one peer and in all */
#define FRONTIER_RETRY_NS      (1 * SECONDS)        /* while reconciling */
#define FRONTIER_ASKS_A_TICK   8
#define CONTROL_ASK_EVERY_NS   (1 * SECONDS)
#define CONTROL_ASK_ANY_NS     (100 * MILLISECONDS) /* between two of them, whomever they go to */
#define CONTROL_MESSAGES       2                    /* that answer one CONTROL_ASK */
#define CONTROL_ENTRIES        8    /* of one machine, more or less: how many entries a table holds … */
#define CONTROL_BYTES          1024 /* … and how many bytes a machine … */
#define CONTROL_BYTES_AT_LEAST (64 * OB_CONTROL_BYTES_MAX) /* … and besides */
#define AUTHORITIES_MAX        16                          /* keys that the authority may have had */
#define FORKS_MAX              8                           /* searches at a time … */
#define FORK_TRIES             4                           /* … and lost answers of one */
#define HOLDS_EVERY_NS         (500 * MILLISECONDS)        /* between two questions to one machine */
#define HOLDS_ASKS_A_TICK      8
#define HELD_EVERY_NS          (1 * SECONDS) /* the same to one without a link; twice that after each silence … */
#define HELD_SILENCES_MAX      4             /* … so often */
#define HELD_ASKS_A_TICK       4
#define HELD_HOPS              32
#define HELD_WAY_NS            (500 * MILLISECONDS) /* a way back is not replaced so soon */
#define HELD_ON_EVERY_NS       (1 * SECONDS)
#define HELD_ON_BURST          256 /* handed on for one neighbour in HELD_ON_EVERY_NS */
#define TWIN_EVERY_NS          (2 * SECONDS)
#define SPREAD_FROM            4 /* asks open at a claimant from which on others are asked as well */
#define DIGEST_LEAVES          256
#define REACHABLE_NS           (5 * SECONDS) /* since its last message */
#define SAID_EVERY_NS          (5 * SECONDS)
#define SAID_BURST             4 /* goodbyes and addresses of one machine taken in SAID_EVERY_NS */
#define RELAY_EVERY_NS         (1 * SECONDS)
#define RELAY_BURST            16 /* records of one machine relayed in RELAY_EVERY_NS */
#define FORK_ASK_EVERY_NS      (5 * SECONDS)
#define TELL_EVERY_NS          (10 * SECONDS)
#define EFFECTS_MAX            2048
#define EFFECTS_SPARE          128 /* left for what follows the records of a message */
#define SCRATCH_BYTES          (4 * OB_MESSAGE_MAX)
#define TEXTS_MAX              32
#define TEXT_BYTES             192
#define OWN_HISTORY            1024 /* own records whose hashes are remembered, to find a fork of our own key */
#define DURATIONS              15
#define WEIGHTS_HISTORY        16
#define CROSSINGS              2             /* named frontiers that a chain's end is remembered at */
#define AT_REST_NS             (1 * SECONDS) /* no new record for this long: a good moment for a digest */
#define DIGEST_REST            16            /* times what a digest took, until the same one is made anew */
#define ALARM_REST             64            /* times what a rebuild took: see dispute.c */

/* At any R from `from` to `upto` a chain ended so: the records of rounds below R. */
struct crossing {
    uint32_t from, upto;
    uint64_t next;
    struct ob_hash head;
};

struct doubt {
    struct ob_machine_id of; /* whose chain */
    uint64_t until_ns;
    unsigned strikes; /* 0: a free place */
};

struct machine {
    struct ob_machine_id id;

    /* its chain */
    bool has_records;
    uint64_t next;       /* samples held: [0, next) */
    uint64_t head_first; /* first sample of the head */
    struct ob_hash head; /* zeros without records */
    uint32_t head_round;

    struct crossing crossings[CROSSINGS]; /* the last ones */
    size_t crossing_count;

    /* its standing, from the control table (admission.c) */
    bool stale; /* the table changed: to be read again before it is used */
    bool certified, revoked, forked, goodbye;
    bool complete;       /* the next record of its chain is there and does not count */
    uint64_t cut;        /* records that end above it do not count; UINT64_MAX: no cut */
    uint32_t last_round; /* nor do those of later rounds */
    uint64_t expiry_s;
    uint64_t goodbye_next;
    bool admitted, told_admitted; /* may connect; what the caller was told last */
    bool reach, reached;          /* its address is to be told; the caller has one */

    /* fetching what is missing of it */
    uint64_t target;                    /* somebody says that it goes up to here */
    uint64_t rejoin_target;             /* the same, as said while reconciling */
    struct machine *claimant, *refuted; /* who says so; whose claim was dropped last */
    struct machine *asked, *asked_last; /* where an ask is open, or NULL; where the last one went */
    uint64_t asked_ns, rest_until_ns, fork_asked_ns;
    unsigned failures;

    /* it as a correspondent */
    bool expected, linked, joined;
    uint64_t spoke_ns; /* its last message of any kind; 0: none yet */
    bool heard;        /* a heartbeat since START; the fields below are from the last one */
    bool idle;         /* it said that it starts no rounds */
    uint64_t instance, sequence, reported_next, last_heard_ns;
    struct ob_hash reported_log, reported_weights, reported_weights_log;
    bool compared; /* its weights digest with ours, of the same records: */
    bool agrees;
    struct ob_hash compared_ours, compared_theirs;
    bool accuses;            /* the rebuild that runs was its reason … */
    unsigned false_alarms;   /* … as were so many that found nothing */
    uint64_t deaf_until_ns;  /* until then we do not listen */
    unsigned log_differs;    /* consecutive heartbeats with another log digest */
    bool ask_at_once;        /* since LINK_UP, no frontier asked yet */
    bool frontier_open;      /* pages are being fetched … */
    uint32_t frontier_index; /* … and this one is next */
    uint64_t frontier_asked_ns, control_asked_ns;
    uint64_t instance_before, twin_ns, twin_told_ns;
    bool was_live;          /* it trained with us when we stopped, says our log */
    bool answered;          /* its frontier was heard completely since START */
    bool own_claim_refused; /* claimed records of ours that it did not deliver */
    unsigned asks_open;     /* asks for records that are open at it */
    struct doubt doubts[DOUBTS];
    uint64_t told_refused_ns, told_fork_ns, told_version_ns;

    /* what it says of itself: goodbyes and addresses, taken in since */
    uint64_t said_ns;
    unsigned said;

    /* relaying its records */
    uint64_t relay_ns;
    unsigned relayed; /* since then */

    /* the way to it: who told us of its newest record first, and who did as well */
    struct machine *via, *via_other, *via_question; /* the last: whence a question of it came … */
    uint64_t via_question_ns;                       /* … at this time */
    uint8_t held_attempt;
    uint64_t held_asked_ns, handed_on_ns;
    unsigned held_silences, handed_on; /* since its last answer; since handed_on_ns */

    /* pacing */
    bool last_live;        /* counts for isolation … */
    uint64_t lost_at;      /* … and fell silent when our chain ended here; UINT64_MAX: it did not */
    uint64_t acknowledged; /* it holds our samples below this */
    uint64_t holds_asked_ns;
    bool paced, quiet_told;
    uint64_t last_record_ns; /* or START, or when it was first heard */
};

struct own_entry {
    uint64_t first, end;
    struct ob_hash hash;
};

struct control_entry {
    uint32_t offset; /* in the arena */
    uint16_t bytes;
};

struct authority {
    struct ob_machine_id key;
    uint64_t until; /* what it signed with a lower sequence counts */
};

/* Looking for the place where two chains of one machine part (fork.c). */
struct fork_search {
    struct machine *machine, *with; /* NULL: none */
    uint64_t low, high, asked, asked_ns, begun_ns;
    unsigned lost;
};

struct isolation {
    size_t last_live, acknowledge;
    uint64_t position; /* of our chain, that half of the last live hold */
    uint32_t unacknowledged;
};

struct round_state {
    bool running;
    uint64_t first, started_ns;
    uint32_t round;
    uint16_t n, live;
};

struct weights_digest {
    uint32_t below; /* OB_ROUNDS_ALL: of the whole log */
    struct ob_hash log, weights;
};

/* The last named frontier: the records of rounds below it (0: none yet). */
struct named {
    uint32_t below, tried;
    bool known;   /* its log digest is: */
    bool touched; /* something below it came or went since then */
    struct ob_hash log;
};

struct digest_ask {
    bool open;
    uint32_t below;
    struct ob_hash log;
    uint64_t since_ns, rest_until_ns;
};

struct dispute {
    bool open; /* our weights are being held against base and log: no round starts */
    uint64_t since_ns;
};

struct digest_tree {
    struct ob_hash leaves[DIGEST_LEAVES], middles[16], root;
    bool leaf_known[DIGEST_LEAVES], middle_known[16], root_known;
};

/* Behind a pointer of its own, so that looking in (const) may fill it. */
struct digests {
    struct digest_tree log, control, named;
};

struct ob_peer {
    struct ob_peer_options options;
    enum ob_peer_life life;
    uint64_t now_ns, start_ns, wall_s;
    bool pause, leaving, signs_goodbye;
    bool busy; /* asks for no records */

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
    size_t weights_count; /* ever added, or since they were forgotten */
    uint64_t log_version; /* rises with each record that is taken in, and with each cut */
    uint64_t seen_version, changed_ns;
    uint64_t whole_version; /* one more than the version that a digest was asked for while it rested */
    struct named named;
    struct digest_ask digest;
    struct dispute dispute;

    struct control_entry *control; /* sorted by place */
    struct control_entry **control_scratch;
    size_t control_count, control_capacity;
    uint8_t *control_arena;
    size_t control_arena_used, control_arena_holes, control_arena_bytes;
    uint8_t control_cursor; /* leaf, and its entry, with which the next answer begins */
    size_t control_cursor_entry;
    uint64_t control_ask_ns;
    struct authority authorities[AUTHORITIES_MAX];
    size_t authority_count;
    bool admission_work; /* a machine is stale, or the caller is to be told */
    uint64_t wall_seen_s;
    bool expiry_told;
    struct fork_search forks[FORKS_MAX];
    struct isolation isolation;
    const struct machine *blocker; /* a machine that was waited for: looked at first */
    uint64_t isolation_from;       /* our next sample at the start */
    uint64_t *positions;           /* scratch of `capacity` */
    size_t holds_cursor, held_cursor, walk_cursor;
    uint64_t twin; /* another instance that was heard with our key */
    uint64_t rate_ns, rate_samples;
    double samples_per_s;
    bool address_known; /* where others reach us: */
    uint8_t address[OB_CONTROL_ADDRESS_MAX];
    size_t address_bytes;

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
/* A table is full: counted, and told now and then. */
void ob_effects_full(struct ob_peer *peer, const struct ob_machine_id *about, const char *what);
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
struct ob_hash ob_machines_log_digest_below(const struct ob_peer *peer); /* of the last named frontier */

/* ---- chain.c: what a record does to its chain ---- */

/* BAD: malformed or badly signed, which is its sender's doing; REFUSED: does not count, does not fit. */
enum chain_verdict { CHAIN_TAKEN, CHAIN_DUPLICATE, CHAIN_GAP, CHAIN_REFUSED, CHAIN_BAD };
enum chain_verdict ob_chain_receive(struct ob_peer *peer, struct machine *sender, const void *data,
                                    size_t bytes);
/* Takes a record that extends its chain into the table; no effects. */
void ob_chain_extend(struct ob_peer *peer, struct machine *machine, const struct ob_record *record,
                     const struct ob_hash *hash);
bool ob_chain_extends(const struct machine *machine, const struct ob_record *record);
/* The own record that holds a sample, or NULL when it is too old. */
const struct own_entry *ob_chain_own_entry(const struct ob_peer *peer, uint64_t sample);
/* The same, however old, from the store; false: we hold no such record, or it cannot be read. */
bool ob_chain_at(const struct ob_peer *peer, const struct machine *machine, uint64_t sample,
                 struct own_entry *ret_entry);
bool ob_chain_own_at(const struct ob_peer *peer, uint64_t sample, struct own_entry *ret_entry);

/* ---- repair.c: asking for missing records ---- */

void ob_repair_want(struct ob_peer *peer, struct machine *machine, uint64_t target, struct machine *claimant);
void ob_repair_ask_fork(struct ob_peer *peer, struct machine *machine, uint64_t first, struct machine *of);
/* Just the record that holds this sample. */
void ob_repair_ask_one(struct ob_peer *peer, const struct machine *machine, uint64_t sample,
                       const struct machine *of);
/* A machine holds no more of a chain than up to `next`: an ask that is open there goes to another. */
void ob_repair_none(struct ob_peer *peer, struct machine *machine, const struct machine *sender,
                    uint64_t next);
void ob_repair_records(struct ob_peer *peer, struct machine *sender, struct ob_reader body);
void ob_repair_serve(struct ob_peer *peer, struct machine *sender, struct ob_reader body);
void ob_repair_close(struct ob_peer *peer, struct machine *machine); /* the ask that is open, if any */
void ob_repair_link(struct ob_peer *peer, struct machine *machine);
void ob_repair_drop_link(struct ob_peer *peer, struct machine *machine);
void ob_repair_tick(struct ob_peer *peer);

/* ---- doubt.c: sources of badly signed records ---- */

void ob_doubt_bad(struct ob_peer *peer, struct machine *source, const struct ob_machine_id *of);
void ob_doubt_good(struct machine *source, const struct ob_machine_id *of);
bool ob_doubted(const struct ob_peer *peer, const struct machine *source, const struct ob_machine_id *of);

/* ---- relay.c ---- */

/* A record, encoded, that was just taken into its chain: perhaps it is published onwards. */
void ob_relay_taken(struct ob_peer *peer, const void *record, size_t bytes);

/* ---- frontier.c ---- */

void ob_frontier_ask(struct ob_peer *peer, struct machine *of);
void ob_frontier_serve(struct ob_peer *peer, struct machine *sender, struct ob_reader body);
void ob_frontier_receive(struct ob_peer *peer, struct machine *sender, struct ob_reader body);

void ob_frontier_claim(struct ob_peer *peer, struct machine *sender, const struct ob_frontier_entry *claim);

/* ---- fork.c ---- */

/* `with` holds another chain of `machine` than we: where do they part? */
void ob_fork_search(struct ob_peer *peer, struct machine *machine, struct machine *with);
/* True: the record was an answer to a search. */
bool ob_fork_answer(struct ob_peer *peer, struct machine *sender, const void *data, size_t bytes);
/* A signed record against ours of the same place: evidence when they have the same prev; else false. */
bool ob_fork_at(struct ob_peer *peer, struct machine *machine, const struct ob_record *theirs);
void ob_fork_found(struct ob_peer *peer, struct machine *machine, const struct ob_record *ours,
                   const struct ob_record *theirs);
void ob_fork_tick(struct ob_peer *peer);

/* ---- isolation.c ---- */

void ob_isolation_start(struct ob_peer *peer); /* reconciling is over */
void ob_isolation_tick(struct ob_peer *peer);
void ob_isolation_update(struct ob_peer *peer);
bool ob_isolation_holds(const struct ob_peer *peer); /* too few hear us: no further round */
void ob_isolation_acknowledge(struct ob_peer *peer, struct machine *machine, uint64_t next);

/* ---- holds.c: who holds how much of a chain ---- */

void ob_holds_ask(struct ob_peer *peer, struct machine *of);
void ob_holds_serve(struct ob_peer *peer, struct machine *sender, struct ob_reader body);
void ob_holds_receive(struct ob_peer *peer, struct machine *sender, struct ob_reader body);
void ob_holds_send(struct ob_peer *peer, const struct machine *to, const struct ob_machine_id *id);
/* A record of a machine came from `sender`; `first`: it was new. */
void ob_held_learn_way(struct machine *machine, struct machine *sender, bool first);
void ob_held_ask(struct ob_peer *peer, struct machine *of);
void ob_held_ask_receive(struct ob_peer *peer, struct machine *sender, struct ob_reader body);
void ob_held_receive(struct ob_peer *peer, struct machine *sender, struct ob_reader body);

/* ---- heartbeat.c ---- */

void ob_heartbeat_publish(struct ob_peer *peer);
void ob_heartbeat_send(struct ob_peer *peer, const struct machine *to);
void ob_heartbeat_receive(struct ob_peer *peer, struct machine *sender, struct ob_reader body);
void ob_heartbeat_joined(struct ob_peer *peer, struct machine *machine); /* JOINED, once */

/* ---- digest.c ---- */

typedef struct ob_hash (*ob_digest_leaf_fn)(const struct ob_peer *peer, uint8_t first_byte);
void ob_digest_touch(struct digest_tree *tree, const struct ob_machine_id *id); /* its leaf changed */
void ob_digest_touch_all(struct digest_tree *tree);
struct ob_hash ob_digest_root(struct digest_tree *tree, const char label[static 16], ob_digest_leaf_fn leaf,
                              const struct ob_peer *peer);
const struct ob_hash *ob_digest_leaves(struct digest_tree *tree, ob_digest_leaf_fn leaf,
                                       const struct ob_peer *peer); /* DIGEST_LEAVES */

/* ---- named.c ---- */

/* Before a record of this round is taken into the chain. */
void ob_named_cross(const struct ob_peer *peer, struct machine *machine, uint32_t round);
void ob_named_taken(struct ob_peer *peer, uint32_t round);        /* after it was */
void ob_named_cut(struct ob_peer *peer, struct machine *machine); /* its chain is shorter now */
/* Where its chain stands at R = below; false: that is not known any more. */
bool ob_named_end(const struct machine *machine, uint32_t below, uint64_t *ret_next,
                  struct ob_hash *ret_head);
void ob_named_tick(struct ob_peer *peer);
void ob_named_answer(struct ob_peer *peer, const struct ob_event *event);
/* Our weights digest of these records, or NULL. */
const struct weights_digest *ob_named_find(const struct ob_peer *peer, const struct ob_hash *log);

/* ---- dispute.c ---- */

void ob_dispute_compare(struct ob_peer *peer, struct machine *machine); /* what it reported last */
void ob_dispute_compare_all(struct ob_peer *peer);
void ob_dispute_raise(struct ob_peer *peer);
void ob_dispute_resolved(struct ob_peer *peer, const struct ob_event *event);

/* ---- control_table.c ---- */

struct ob_hash ob_control_table_digest(const struct ob_peer *peer);
const struct ob_hash *ob_control_table_leaves(const struct ob_peer *peer);
/* Positions of one owner's entries are neighbours, sorted by kind: from _first on while _get_of is true. */
size_t ob_control_table_first(const struct ob_peer *peer, const struct ob_machine_id *owner);
bool ob_control_table_get(const struct ob_peer *peer, size_t position, struct ob_control *ret_control);
bool ob_control_table_get_of(const struct ob_peer *peer, size_t position, const struct ob_machine_id *owner,
                             struct ob_control *ret_control);
/* The first of this kind. Of a rotation the owner is its signer. */
bool ob_control_table_find(const struct ob_peer *peer, enum ob_control_kind kind,
                           const struct ob_machine_id *owner, struct ob_control *ret_control);
bool ob_control_table_holds(const struct ob_peer *peer, const uint8_t *data, size_t bytes);
/* The i-th entry whose owner's key begins with the byte `leaf`, or NULL. */
const uint8_t *ob_control_table_data(const struct ob_peer *peer, uint8_t leaf, size_t i, size_t *ret_bytes);
/* Takes an entry in unless the one at its place stays; ret_data (may be NULL): where it lies now, until the
 * next step. Verified by the caller. False: it is not new, or there is no room (told). */
bool ob_control_table_put(struct ob_peer *peer, const struct ob_control *control, const uint8_t *data,
                          size_t bytes, const uint8_t **ret_data);
/* Removes what does not count. Returns how many. */
size_t ob_control_table_purge(struct ob_peer *peer,
                              bool (*counts)(const struct ob_peer *peer, const struct ob_control *control));
void ob_control_table_tidy(struct ob_peer *peer); /* when a step begins */

/* ---- authority.c ---- */

int ob_authority_index(const struct ob_peer *peer, const struct ob_machine_id *key); /* -1: it is none */
bool ob_authority_counts(const struct ob_peer *peer, const struct ob_control *control);
struct ob_verifier ob_authority_verifier(const struct ob_peer *peer);
void ob_authority_update(struct ob_peer *peer);  /* the keys, from the table */
void ob_authority_changed(struct ob_peer *peer); /* the keys, what counts by them, everybody's standing */

/* ---- control_exchange.c ---- */

void ob_control_ask(struct ob_peer *peer, struct machine *of);
void ob_control_serve(struct ob_peer *peer, struct machine *sender, struct ob_reader body);
void ob_control_receive(struct ob_peer *peer, struct machine *sender, struct ob_reader body);
void ob_control_local(struct ob_peer *peer, const uint8_t *data, size_t bytes); /* from operator or door */
void ob_control_goodbye(struct ob_peer *peer);
void ob_control_set_address(struct ob_peer *peer, const uint8_t *text, size_t bytes);
void ob_control_own_address(struct ob_peer *peer); /* signs it again when the table has another */
/* Makes evidence of two records, when they are such, and takes it in. */
void ob_control_own_evidence(struct ob_peer *peer, const struct ob_record *one,
                             const struct ob_record *other);

/* ---- admission.c ---- */

void ob_admission_stale(struct ob_peer *peer, struct machine *machine);
void ob_admission_stale_all(struct ob_peer *peer);
void ob_admission_refresh(struct ob_peer *peer, struct machine *machine);   /* if it is stale */
bool ob_admission_certified(struct ob_peer *peer, struct machine *machine); /* refreshed */
bool ob_admission_certificate(const struct ob_peer *peer, const struct ob_machine_id *id,
                              struct ob_certificate *ret_certificate);
void ob_admission_pump(struct ob_peer *peer);  /* at the end of a step */
void ob_admission_clock(struct ob_peer *peer); /* the wall clock may have passed an expiry */

/* ---- cut.c ---- */

/* The record of a chain that holds a sample, from this step's effects or the store, to ret_data
 * (OB_RECORD_BYTES_MAX). Returns its length; 0: there is none. */
size_t ob_cut_find(const struct ob_peer *peer, const struct machine *machine, uint64_t sample,
                   uint8_t *ret_data);
bool ob_cut_allows(const struct machine *machine, const struct ob_record *record);
void ob_cut_enforce(struct ob_peer *peer, struct machine *machine);  /* takes out what counts no more */
void ob_cut_complete(struct ob_peer *peer, struct machine *machine); /* its next record does not count */

/* ---- pacing.c ---- */

void ob_pacing_update(struct ob_peer *peer);                          /* who is paced, which round is next */
void ob_pacing_record(struct ob_peer *peer, struct machine *machine); /* a new record of it was taken */
void ob_pacing_heard(struct ob_peer *peer, struct machine *machine);  /* a heartbeat of it, or a record */
bool ob_pacing_may_start(struct ob_peer *peer);
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
