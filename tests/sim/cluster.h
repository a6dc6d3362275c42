/* cluster - machines, a bad network, bad disks and time, all in one process and all from one plan.
 *
 * Every node is a host: an ob_peer with a disk (disk.h), weights (replica.h), a wall clock and a clock of the
 * cluster's; usually node i has the key of machine i. An effect is carried out at once and in order, as a
 * daemon does; between two of them the host may crash. After each step the peer's invariants are checked;
 * whatever breaks a rule is kept in `broken`. */
#ifndef OB_SIM_CLUSTER_H
#define OB_SIM_CLUSTER_H

#include "peer/peer.h"
#include "record/wire.h"
#include "tests/sim/authority.h"
#include "tests/sim/disk.h"
#include "tests/sim/events.h"
#include "tests/sim/ledger.h"
#include "tests/sim/machines.h"
#include "tests/sim/plan.h"
#include "tests/sim/replica.h"

#define SIM_NOBODY     SIZE_MAX
#define SIM_MAX_ROUNDS 100000
/* Every other node speaks one more version of the protocol, as during an upgrade; not in clusters of thousands. */
#define SIM_PROTOCOL_HIGHEST (OB_PROTOCOL_VERSION + 1)
#define SIM_PROTOCOL_NODES   64

struct sim_attacker;
struct sim_cluster;

#define SIM_ENDPOINT "tcp://node.%zu.%u:7300" /* of a node, its address */

struct sim_links {
    uint32_t *to; /* sorted numbers of nodes */
    uint32_t *at; /* the address that is known of each */
    size_t count, capacity;
};

/* What is wrong with a node at present, derived from the entries of the plan that are on (faults.c). */
struct sim_trouble {
    uint64_t sides; /* of each split: nodes with the same bits hear one another */
    double lag_s, garble, straggle;
    double clock_s;
    bool paused, one_way;
};

/* The context of a peer's look into its store. */
struct sim_looker {
    struct sim_cluster *cluster;
    size_t node;
};

struct sim_node {
    size_t machine; /* whose key it has */
    struct ob_peer *peer;
    struct sim_attacker *attacker; /* what runs here instead of a peer */
    struct sim_disk disk, backup;
    bool has_backup;
    struct sim_replica replica;
    struct sim_looker looker;
    struct sim_links links;
    uint8_t *permitted; /* bit for each machine that its transport lets in; NULL: nobody */
    uint32_t address;   /* where it is */
    size_t contact;     /* the one address that a newcomer was given; SIM_NOBODY: others know it */
    uint64_t incarnation;
    bool joined, gone, leaving;
    bool lost;     /* an attacker had it: no peer runs there again */
    bool restored; /* from a copy: its state directory is not the one that it left */
    bool put_back; /* the same when it was started last: it may not begin alone */
    bool round_running;
    uint16_t round_samples;
    size_t round_number;
    uint64_t round_ns; /* what a round takes it */
    struct sim_trouble trouble;
    uint64_t tear_in; /* effects until it crashes; 0: it does not */
    uint64_t tear_until_ns;
    size_t records_before; /* signed until the cluster healed */
    unsigned rebuilds;     /* of this life */
    uint64_t bytes_out, bytes_in, messages_in;
    struct ob_hash digest_log, digest; /* that is on its way to its peer */
    bool healed;                       /* the same of a rebuild */
};

struct sim_counts {
    uint64_t steps, delivered, lost, crashes, splits, leaves, restores, copies, forks, hostile, cuts,
        unapplied, full, flips;
    uint64_t samples, records, bytes;
    uint64_t agreed_ns; /* from the end of the faults until everybody agreed */
};

struct sim_cluster {
    struct sim_plan plan;
    struct test_random random;
    uint64_t start_ns, now_ns;
    struct sim_events events;
    struct sim_machine *machines; /* plan.peers + plan.joiners */
    size_t *by_key;               /* their numbers, sorted by key */
    size_t machine_count;
    struct sim_node *nodes; /* as many, and one for each copy of an identity */
    size_t count;
    size_t copies; /* made so far */
    struct sim_authority authority;
    struct sim_ledger ledger;
    struct sim_controls controls;
    struct ob_spsa_engine engine;
    struct ob_spsa_rule rule;
    uint64_t rate;
    struct ob_run_id run;

    /* what is wrong with the network at present */
    bool on[SIM_ENTRIES_MAX];
    double loss, duplicates, slow;
    size_t losing[SIM_ENTRIES_MAX], losing_count; /* the ONE_WAYs and LOSEs that are on */
    double lose_left[SIM_ENTRIES_MAX];            /* of a LOSE: messages still to be lost */

    bool healed; /* no more faults; the network still loses, copies and delays a little */
    bool calm;   /* nothing is lost and nobody trains */
    bool verbose;
    uint32_t hops; /* of the record that is being delivered */
    struct sim_counts counts;
    const char *broken; /* NULL, or the rule */
    size_t broken_at;   /* number of the node */
};

void sim_cluster_init(struct sim_cluster *cluster, const struct sim_plan *plan, bool verbose);
void sim_cluster_done(struct sim_cluster *cluster);
/* The next event; false when something is broken. */
bool sim_cluster_advance(struct sim_cluster *cluster);

void sim_cluster_start(struct sim_cluster *cluster, size_t node);
/* The process is gone; what was not synced is lost with it. */
void sim_cluster_crash(struct sim_cluster *cluster, size_t node);
/* The process is gone in good order. */
void sim_cluster_stop(struct sim_cluster *cluster, size_t node);
/* The peer is told where it is reached. */
void sim_cluster_tell_address(struct sim_cluster *cluster, size_t node);
/* An event without data for a node's peer, now. */
void sim_cluster_tell(struct sim_cluster *cluster, size_t node, enum ob_event_kind kind);
void sim_cluster_break(struct sim_cluster *cluster, size_t node, const char *rule);

bool sim_cluster_up(const struct sim_cluster *cluster, size_t node);
/* Up, not halted, not revoked, not expelled as forked: one that must agree with all others in the end. */
bool sim_cluster_counts(const struct sim_cluster *cluster, size_t node);
bool sim_cluster_trains(const struct sim_cluster *cluster, size_t node); /* it signs at all */
int64_t sim_cluster_wall_s(const struct sim_cluster *cluster, size_t node);
double sim_cluster_time(const struct sim_cluster *cluster); /* seconds since the beginning */
size_t sim_cluster_number(const struct sim_cluster *cluster, const struct ob_machine_id *id);

/* faults.c */
void sim_faults_plan(struct sim_cluster *cluster); /* puts the plan's entries among the events */
void sim_faults_begin(struct sim_cluster *cluster, size_t entry);
void sim_faults_end(struct sim_cluster *cluster, size_t entry);
void sim_faults_heal(struct sim_cluster *cluster); /* one network again, everybody up and training */
void sim_faults_calm(struct sim_cluster *cluster); /* nothing is lost, everybody pauses */

/* network.c */
void sim_network_wire(struct sim_cluster *cluster); /* who is linked with whom */
void sim_network_link(struct sim_cluster *cluster, size_t a, size_t b);
bool sim_network_linked(const struct sim_cluster *cluster, size_t from, size_t to);
/* Does the node let the machine of `other` in? */
bool sim_network_permits(const struct sim_cluster *cluster, size_t node, size_t other);
void sim_network_permit(struct sim_cluster *cluster, size_t node, size_t machine, bool permitted);
/* `node` has learned that `other` is at this address, or was once. */
void sim_network_reach(struct sim_cluster *cluster, size_t node, size_t other, uint32_t address);
/* Another address: whoever knows the old one only does not get there any more; the node still finds others.
 */
void sim_network_move(struct sim_cluster *cluster, size_t node);
/* `from` knows where `to` is. */
bool sim_network_knows(const struct sim_cluster *cluster, size_t from, size_t to);
/* Whoever must agree in the end is linked: an overlay that lost machines gets new links, a newcomer whose one
 * address leads nowhere any more another one. */
void sim_network_mend(struct sim_cluster *cluster);
/* A newcomer whose contact stopped for good is given another one by its operator. So is a machine that has no way to one that
 * must agree because those between them stopped (overlay), or that stands alone because its contact moved (mesh). */
void sim_network_ask_again(struct sim_cluster *cluster, size_t node);
/* To the host of that machine, or to one of them when there are two. */
void sim_network_send(struct sim_cluster *cluster, size_t from, size_t machine, struct sim_buffer *buffer);
void sim_network_publish(struct sim_cluster *cluster, size_t from, struct sim_buffer *buffer);
/* The same to one node; for attackers, who choose. */
void sim_network_give(struct sim_cluster *cluster, size_t from, size_t to, struct sim_buffer *buffer);
void sim_network_deliver(struct sim_cluster *cluster, const struct sim_event *event);
/* LINK_UP and LINK_DOWN events for both ends of all its links, in a while. */
void sim_network_changed(struct sim_cluster *cluster, size_t node, bool up);

#endif
