#include "tests/sim/run.h"

#include "tests/sim/checks.h"

#define AT_REST_S 10 /* digests of the whole log, heartbeats with them, a rebuild, all this once more */

static bool run_until(struct sim_cluster *cluster, uint64_t end_ns) {
    while (cluster->now_ns < end_ns)
        if (!sim_cluster_advance(cluster))
            return false;
    return true;
}

static bool run_until_agreed(struct sim_cluster *cluster) {
    uint64_t start = cluster->now_ns;
    size_t node = 0;
    while (cluster->now_ns < start + cluster->plan.calm_s * SIM_SECONDS) {
        if (!run_until(cluster, cluster->now_ns + 50 * SIM_MILLISECONDS))
            return false;
        if (sim_check_agree(cluster, &node)) {
            cluster->counts.agreed_ns = cluster->now_ns - start;
            return true;
        }
    }
    sim_cluster_break(cluster, node, "the machines did not agree although the network is calm");
    return false;
}

/* Whom nobody can be compared with has its own memory check, as a daemon has (it predicts sums from the log). */
static void check_memory(struct sim_cluster *cluster) {
    size_t count = 0, alone = 0;
    for (size_t i = 0; i < cluster->count; i++)
        if (sim_cluster_counts(cluster, i)) {
            count++;
            alone = i;
        }
    if (count == 1)
        sim_cluster_tell(cluster, alone, OB_EVENT_DISPUTE);
}

static void check_end(struct sim_cluster *cluster) {
    const char *broken = sim_check_logs(cluster);
    size_t node = 0;
    if (broken == NULL)
        broken = sim_check_weights(cluster);
    for (size_t i = 0; i < cluster->plan.count && broken == NULL; i++) {
        const struct sim_entry *entry = &cluster->plan.entries[i];
        if (entry->fault != SIM_EXPECT || entry->at_ns != SIM_AT_END)
            continue;
        node = entry->node;
        broken = sim_check_expected(cluster, entry);
    }
    if (broken != NULL)
        sim_cluster_break(cluster, node, broken);
}

/* What breaks is in cluster->broken. */
static void run_cluster(struct sim_cluster *cluster) {
    if (!run_until(cluster, cluster->start_ns + cluster->plan.faults_s * SIM_SECONDS))
        return;
    sim_faults_heal(cluster);
    if (!run_until(cluster, cluster->now_ns + cluster->plan.healed_s * SIM_SECONDS))
        return;
    size_t node = 0;
    const char *broken = sim_check_progress(cluster, &node);
    if (broken == NULL)
        broken = sim_check_pace(cluster, &node);
    if (broken == NULL)
        broken = sim_check_copies(cluster, &node);
    if (broken != NULL) {
        sim_cluster_break(cluster, node, broken);
        return;
    }
    sim_faults_calm(cluster);
    if (!run_until_agreed(cluster))
        return;
    /* Where a machine was far ahead of all others there was no frontier to compare weights at but this last
     * one. */
    if (cluster->counts.flips > 0)
        check_memory(cluster);
    if (cluster->counts.flips == 0 || run_until(cluster, cluster->now_ns + AT_REST_S * SIM_SECONDS))
        check_end(cluster);
}

struct sim_result sim_run_plan(const struct sim_plan *plan, struct sim_run_options options) {
    struct sim_cluster cluster;
    sim_cluster_init(&cluster, plan, options.verbose);
    run_cluster(&cluster);
    struct sim_result result = {.broken = cluster.broken,
                                .broken_at = cluster.broken_at,
                                .broken_s = sim_cluster_time(&cluster),
                                .counts = cluster.counts};
    if (cluster.broken != NULL && options.verbose)
        sim_report_node(&cluster, cluster.broken_at);
    if (options.report)
        sim_report(&cluster);
    sim_cluster_done(&cluster);
    return result;
}
