/* cluster - machines, a bad network and time, all in one process and all from one seed.
 *
 * Every machine is an ob_peer with a disk (disk.h), weights (replica.h) and a clock of the cluster's. An
 * effect is carried out at once and in order, as a daemon does; between two of them the machine may crash.
 * After each step the peer's invariants are checked; whatever breaks a rule is kept in `broken`. */
#ifndef OB_SIM_CLUSTER_H
#define OB_SIM_CLUSTER_H

#include "peer/peer.h"
#include "tests/sim/disk.h"
#include "tests/sim/events.h"
#include "tests/sim/ledger.h"
#include "tests/sim/replica.h"
#include "tests/sim/scenario.h"

struct sim_node {
    struct ob_machine_id id;
    struct ob_peer *peer; /* NULL: down, gone or not joined yet */
    struct sim_disk disk;
    struct sim_replica replica;
    uint64_t incarnation;
    bool joined, gone, leaving, rolled_back;
    bool round_running;
    uint16_t round_samples;
    size_t round_number;
    uint64_t round_ns;     /* what a round takes it */
    unsigned side;         /* of a partition */
    size_t records_before; /* signed until the cluster healed */
};

struct sim_counts {
    uint64_t steps, delivered, lost, crashes, partitions, leaves, rollbacks, samples, records;
    uint64_t agreed_ns; /* from the end of the faults until everybody agreed */
};

struct sim_cluster {
    struct sim_scenario scenario;
    struct sim_random random;
    uint64_t now_ns;
    struct sim_events events;
    struct sim_node *nodes; /* scenario.peers + scenario.joiners */
    size_t count;
    uint8_t *linked; /* count × count */
    size_t *by_key;  /* numbers of nodes, sorted by key */
    struct sim_ledger ledger;
    struct ob_spsa_engine engine;
    struct ob_spsa_rule rule;
    uint64_t rate;
    struct ob_run_id run;
    bool healed; /* no more faults; the network still loses, copies and delays */
    bool calm;   /* nothing is lost and nobody trains */
    bool verbose;
    struct sim_counts counts;
    const char *broken; /* NULL, or the rule */
    size_t broken_at;   /* number of the node */
};

void sim_cluster_init(struct sim_cluster *cluster, const struct sim_scenario *scenario, bool verbose);
void sim_cluster_done(struct sim_cluster *cluster);
/* The next event; false when something is broken. */
bool sim_cluster_advance(struct sim_cluster *cluster);

void sim_cluster_start(struct sim_cluster *cluster, size_t node);
void sim_cluster_crash(struct sim_cluster *cluster, size_t node);
/* An event without data for a node's peer, now. */
void sim_cluster_tell(struct sim_cluster *cluster, size_t node, enum ob_event_kind kind);
void sim_cluster_break(struct sim_cluster *cluster, size_t node, const char *rule);
bool sim_cluster_up(const struct sim_cluster *cluster, size_t node);

/* faults.c */
void sim_faults_roll(struct sim_cluster *cluster);
void sim_faults_heal(struct sim_cluster *cluster); /* one network again, everybody up and training */
void sim_faults_calm(struct sim_cluster *cluster); /* nothing is lost, everybody pauses */

/* network.c */
void sim_network_wire(struct sim_cluster *cluster); /* who is linked with whom */
void sim_network_send(struct sim_cluster *cluster, size_t from, size_t to, struct sim_buffer *buffer);
void sim_network_publish(struct sim_cluster *cluster, size_t from, struct sim_buffer *buffer);
size_t sim_network_number(const struct sim_cluster *cluster,
                          const struct ob_machine_id *id); /* SIZE_MAX: nobody */

/* signing.c: a cheap stand-in for Ed25519 that no honest machine breaks */
void sim_sign(void *context, const void *message, size_t bytes, uint8_t ret_signature[64]);
bool sim_verify(void *context, const struct ob_machine_id *machine, const void *message, size_t bytes,
                const uint8_t signature[64]);

#endif
