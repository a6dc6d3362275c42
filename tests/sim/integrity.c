#include "tests/sim/integrity.h"

#include <stdlib.h>

#include "spsa/digest.h"
#include "tests/sim/perform.h"

#define TAKES_NS (SIM_SECONDS / 20)
#define SLOWEST                                                                                              \
    8 /* times as slow as the fastest node: what comes while a digest is being made changes what is asked next */

static void later(struct sim_cluster *cluster, size_t number, enum sim_event_kind kind) {
    uint64_t takes_ns = TAKES_NS * (1 + (cluster->plan.seed + number) % SLOWEST);
    sim_events_push(&cluster->events, (struct sim_event){.time_ns = cluster->now_ns + takes_ns,
                                                         .kind = kind,
                                                         .node = (uint32_t)number,
                                                         .incarnation = cluster->nodes[number].incarnation});
}

/* The weights by its disk: all records, or those of rounds below one. */
static void replay(struct sim_cluster *cluster, size_t number, uint32_t below,
                   struct sim_replica *ret_replica) {
    const struct sim_disk *disk = &cluster->nodes[number].disk;
    sim_replica_init(ret_replica, &cluster->engine, &cluster->rule);
    for (size_t i = 0; i < disk->machines; i++)
        for (size_t j = 0; j < disk->now.chains[i].count; j++)
            if (sim_record_decode(disk->now.chains[i].records[j]).round.index < below)
                sim_replica_apply(ret_replica, disk->now.chains[i].records[j]);
    sim_replica_flush(ret_replica);
}

/* A copy of the weights, out of which the records above are taken. */
static void without(struct sim_cluster *cluster, size_t number, uint32_t below,
                    struct sim_replica *ret_replica) {
    struct sim_node *node = &cluster->nodes[number];
    const struct sim_disk *disk = &node->disk;
    sim_replica_flush(&node->replica);
    sim_replica_init(ret_replica, &cluster->engine, &cluster->rule);
    ret_replica->shares = true;
    ob_spsa_weights_copy(ret_replica->weights, node->replica.weights);
    for (size_t i = 0; i < disk->machines; i++)
        for (size_t j = disk->now.chains[i].count; j > 0; j--) {
            struct sim_record *record = disk->now.chains[i].records[j - 1];
            if (sim_record_decode(record).round.index < below)
                break;
            sim_replica_unapply(ret_replica, record);
        }
}

void sim_integrity_digest(struct sim_cluster *cluster, size_t number, const struct ob_effect *effect) {
    struct sim_node *node = &cluster->nodes[number];
    node->digest_log = effect->digest.log;
    node->digest = (struct ob_hash){{0}};
    if (node->replica.weights != NULL) {
        struct sim_replica then;
        without(cluster, number, effect->digest.below.index, &then);
        if (ob_spsa_digest(&cluster->engine, then.weights, &node->digest, NULL) != OB_OK)
            abort();
        sim_replica_done(&then);
    }
    later(cluster, number, SIM_DIGEST);
}

void sim_integrity_rebuild(struct sim_cluster *cluster, size_t number) {
    struct sim_node *node = &cluster->nodes[number];
    node->healed = false;
    if (node->replica.weights != NULL) {
        struct sim_replica right;
        replay(cluster, number, UINT32_MAX, &right);
        sim_replica_flush(&node->replica);
        node->healed = !sim_replica_equal(&node->replica, &right);
        ob_spsa_weights_copy(node->replica.weights, right.weights);
        sim_replica_done(&right);
    }
    later(cluster, number, SIM_REBUILT);
}

void sim_integrity_digest_done(struct sim_cluster *cluster, size_t number) {
    const struct sim_node *node = &cluster->nodes[number];
    sim_perform_step(
        cluster, number,
        &(struct ob_event){.kind = OB_EVENT_DIGEST, .log = node->digest_log, .weights = node->digest});
}

void sim_integrity_rebuilt(struct sim_cluster *cluster, size_t number) {
    sim_perform_step(cluster, number,
                     &(struct ob_event){.kind = OB_EVENT_REBUILT, .healed = cluster->nodes[number].healed});
}
