#include "tests/sim/checks.h"

bool sim_check_agree(const struct sim_cluster *cluster) {
    bool any = false;
    struct ob_peer_view first = {0};
    for (size_t i = 0; i < cluster->count; i++) {
        const struct sim_node *node = &cluster->nodes[i];
        if (node->peer == NULL)
            continue;
        struct ob_peer_view view = ob_peer_view(node->peer);
        if (node->round_running || view.life != OB_PEER_PAUSED)
            return false;
        if (!any)
            first = view;
        any = true;
        if (!ob_hash_equal(&first.log_digest, &view.log_digest) ||
            !ob_hash_equal(&first.control_digest, &view.control_digest))
            return false;
    }
    return true;
}

static const char *check_chain(const struct sim_cluster *cluster, const struct sim_node *node,
                               size_t machine) {
    const struct sim_chain *truth = &cluster->ledger.chains[machine], *held = &node->disk.chains[machine];
    if (held->count > truth->count)
        return "a log holds more than was signed";
    for (size_t i = 0; i < held->count; i++)
        if (held->records[i] != truth->records[i])
            return "a log differs from what was signed";
    if (!sim_cluster_up(cluster, machine))
        return NULL;
    for (size_t i = held->count; i < truth->count; i++)
        if (truth->records[i]->published)
            return "a published record of a live machine is lost";
    return NULL;
}

const char *sim_check_logs(const struct sim_cluster *cluster) {
    for (size_t i = 0; i < cluster->count; i++) {
        const struct sim_node *node = &cluster->nodes[i];
        if (node->peer == NULL)
            continue;
        for (size_t machine = 0; machine < cluster->count; machine++) {
            const char *broken = check_chain(cluster, node, machine);
            if (broken != NULL)
                return broken;
        }
        struct ob_peer_counters counters = ob_peer_view(node->peer).counters;
        if (counters.bad_signatures != 0)
            return "an honest machine's signature was refused";
    }
    return NULL;
}

const char *sim_check_progress(const struct sim_cluster *cluster, size_t *ret_node) {
    for (size_t i = 0; i < cluster->count; i++) {
        *ret_node = i;
        if (sim_cluster_up(cluster, i) && cluster->ledger.chains[i].count == cluster->nodes[i].records_before)
            return "a machine did not train although nothing was broken any more";
    }
    return NULL;
}
