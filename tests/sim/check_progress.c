#include "tests/sim/checks.h"

/* Fewer than half are left of those that signed and neither said goodbye nor were revoked: who is isolated then must stay so,
 * until its operator says otherwise. */
static bool is_minority(const struct sim_cluster *cluster) {
    size_t left = 0, all = 0;
    for (size_t i = 0; i < cluster->count; i++)
        left += sim_cluster_counts(cluster, i) && sim_cluster_trains(cluster, i);
    for (size_t machine = 0; machine < cluster->ledger.machines; machine++) {
        const struct sim_node *host = &cluster->nodes[machine];
        bool out = (host->gone && !host->lost) || cluster->machines[machine].revoked;
        all += cluster->ledger.chains[machine].count > 0 && !out;
    }
    return 2 * left < all;
}

const char *sim_check_progress(const struct sim_cluster *cluster, size_t *ret_node) {
    for (size_t i = 0; i < cluster->count; i++) {
        const struct sim_node *node = &cluster->nodes[i];
        if (!sim_cluster_counts(cluster, i) || !sim_cluster_trains(cluster, i) ||
            !cluster->machines[node->machine].honest)
            continue;
        if (ob_peer_life(node->peer) == OB_PEER_ISOLATED && is_minority(cluster))
            continue;
        *ret_node = i;
        if (cluster->ledger.chains[node->machine].count == node->records_before)
            return "a machine did not train although nothing was broken any more";
    }
    return NULL;
}

/* By a machine that belongs, or by a host of the key itself, whether it has stopped or not. What only those hold that are
 * shut out for good, attackers and revoked machines, nobody else can come to know. */
static bool is_held(const struct sim_cluster *cluster, size_t machine, const struct sim_record *record) {
    for (size_t i = 0; i < cluster->count; i++) {
        const struct sim_node *node = &cluster->nodes[i];
        const struct sim_chain *held = &node->disk.now.chains[machine];
        if (node->peer == NULL || (node->machine != machine && !sim_cluster_counts(cluster, i)))
            continue;
        size_t position = sim_chain_find(held, record->first);
        if (position < held->count && held->records[position] == record)
            return true;
    }
    return false;
}

/* Two records for one sample. */
static bool forked(const struct sim_cluster *cluster, size_t machine) {
    const struct sim_chain *chain = &cluster->ledger.chains[machine];
    uint64_t end = 0;
    for (size_t i = 0; i < chain->count; i++) {
        const struct sim_record *record = chain->records[i];
        if (!is_held(cluster, machine, record))
            continue;
        if (record->first < end)
            return true;
        end = record->first + record->n;
    }
    return false;
}

const char *sim_check_copies(const struct sim_cluster *cluster, size_t *ret_node) {
    for (size_t copy = cluster->machine_count; copy < cluster->machine_count + cluster->copies; copy++) {
        size_t machine = cluster->nodes[copy].machine;
        bool one = sim_cluster_counts(cluster, machine), other = sim_cluster_counts(cluster, copy);
        *ret_node = other ? copy : machine;
        if (one && other)
            return "both hosts of a copied identity go on";
        bool erased = cluster->machines[machine].limited; /* perhaps where it forked */
        if ((one || other) && !erased && forked(cluster, machine))
            return "a host of a copied identity goes on although its chain forked";
    }
    return NULL;
}

/* Everybody's log of a machine against what it signed. */
static const char *check_held(const struct sim_cluster *cluster, size_t machine, bool cut) {
    const struct sim_chain *truth = &cluster->ledger.chains[machine];
    for (size_t i = 0; i < cluster->count; i++) {
        const struct sim_chain *held = &cluster->nodes[i].disk.now.chains[machine];
        if (!sim_cluster_counts(cluster, i))
            continue;
        if (cut && sim_chain_end(held) >= sim_chain_end(truth))
            return "expected: a machine that is cut";
        for (size_t j = held->count; j < truth->count && !cut; j++)
            if (truth->records[j]->published)
                return "expected: a machine whose records all count";
    }
    return NULL;
}

static bool is_out(const struct sim_cluster *cluster, size_t number) {
    for (size_t i = 0; i < cluster->count; i++)
        if (i != number && cluster->nodes[i].peer != NULL && sim_network_permits(cluster, i, number))
            return false;
    return true;
}

const char *sim_check_expected(const struct sim_cluster *cluster, const struct sim_entry *entry) {
    const struct sim_node *node = &cluster->nodes[entry->node];
    if (entry->is == SIM_IS_DOWN)
        return sim_cluster_up(cluster, entry->node) ? "expected: down" : NULL;
    if (entry->is == SIM_IS_OUT)
        return is_out(cluster, entry->node) ? NULL : "expected: out";
    if (entry->is == SIM_IS_CUT || entry->is == SIM_IS_WHOLE)
        return check_held(cluster, node->machine, entry->is == SIM_IS_CUT);
    if (node->peer == NULL)
        return "expected: up";
    enum ob_peer_life life = ob_peer_life(node->peer);
    switch (entry->is) {
    case SIM_IS_TRAINING:
        return life == OB_PEER_TRAINING || life == OB_PEER_WAITING ? NULL : "expected: training";
    case SIM_IS_PAUSED:
        return life == OB_PEER_PAUSED ? NULL : "expected: paused";
    case SIM_IS_ISOLATED:
        return life == OB_PEER_ISOLATED ? NULL : "expected: isolated";
    case SIM_IS_RECONCILING:
        return life == OB_PEER_RECONCILING ? NULL : "expected: reconciling";
    default:
        return life == OB_PEER_HALTED ? NULL : "expected: halted";
    }
}
