#include <stdlib.h>

#include "tests/sim/checks.h"

/* All records of a log, shuffled. */
static struct sim_record **shuffled(struct sim_cluster *cluster, const struct sim_node *node,
                                    size_t *ret_count) {
    size_t count = 0, at = 0;
    for (size_t i = 0; i < cluster->ledger.machines; i++)
        count += node->disk.now.chains[i].count;
    struct sim_record **records = calloc(count + 1, sizeof(struct sim_record *));
    if (records == NULL)
        abort();
    for (size_t i = 0; i < cluster->ledger.machines; i++)
        for (size_t j = 0; j < node->disk.now.chains[i].count; j++)
            records[at++] = node->disk.now.chains[i].records[j];
    for (size_t i = count; i > 1; i--) {
        size_t other = test_random_below(&cluster->random, i);
        struct sim_record *swap = records[i - 1];
        records[i - 1] = records[other];
        records[other] = swap;
    }
    *ret_count = count;
    return records;
}

const char *sim_check_weights(struct sim_cluster *cluster) {
    struct sim_node *first = NULL;
    for (size_t i = 0; i < cluster->count; i++) {
        struct sim_node *node = &cluster->nodes[i];
        if (!sim_cluster_counts(cluster, i) || node->replica.weights == NULL)
            continue;
        sim_replica_flush(&node->replica);
        if (first == NULL)
            first = node;
        else if (!sim_replica_equal(&first->replica, &node->replica))
            return "equal logs, and yet different weights";
    }
    if (first == NULL)
        return NULL;
    struct sim_replica reference;
    sim_replica_init(&reference, &cluster->engine, &cluster->rule);
    size_t count;
    struct sim_record **records = shuffled(cluster, first, &count);
    for (size_t i = 0; i < count; i++)
        sim_replica_apply(&reference, records[i]);
    sim_replica_flush(&reference);
    bool equal = sim_replica_equal(&first->replica, &reference);
    sim_replica_done(&reference);
    free(records);
    return equal ? NULL : "the weights are not what the log says";
}
