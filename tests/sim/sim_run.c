/* sim_run - runs seeded simulations of a whole cluster of peers; see cluster.h.
 *
 *   sim_run [--seeds N] [--peers M] [--seed S] [--verbose]
 * Seeds S, S+1, … S+N-1. Exit status 1 and the command to run again when one fails. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/checks.h"

struct arguments {
    uint64_t seed, seeds;
    size_t peers;
    bool verbose;
};

static bool parse(int count, char **words, struct arguments *ret_arguments) {
    struct arguments arguments = {.seed = 1, .seeds = 20, .peers = 12};
    for (int i = 1; i < count; i++) {
        if (strcmp(words[i], "--verbose") == 0) {
            arguments.verbose = true;
            continue;
        }
        if (i + 1 == count)
            return false;
        uint64_t value = strtoull(words[i + 1], NULL, 10);
        if (strcmp(words[i], "--seeds") == 0)
            arguments.seeds = value;
        else if (strcmp(words[i], "--peers") == 0)
            arguments.peers = value;
        else if (strcmp(words[i], "--seed") == 0)
            arguments.seed = value;
        else
            return false;
        i++;
    }
    *ret_arguments = arguments;
    return arguments.peers >= 2 && arguments.peers <= 8192;
}

static bool run_until(struct sim_cluster *cluster, uint64_t end_ns) {
    while (cluster->now_ns < end_ns)
        if (!sim_cluster_advance(cluster))
            return false;
    return true;
}

static bool run_until_agreed(struct sim_cluster *cluster) {
    uint64_t start = cluster->now_ns;
    while (cluster->now_ns < start + cluster->scenario.calm_ns) {
        if (!run_until(cluster, cluster->now_ns + 50 * SIM_MILLISECONDS))
            return false;
        if (sim_check_agree(cluster)) {
            cluster->counts.agreed_ns = cluster->now_ns - start;
            return true;
        }
    }
    sim_cluster_break(cluster, 0, "the machines did not agree although the network is calm");
    return false;
}

/* Faults, then training in peace, then silence. What breaks is in cluster->broken. */
static void run(struct sim_cluster *cluster) {
    if (!run_until(cluster, cluster->now_ns + cluster->scenario.faults_ns))
        return;
    sim_faults_heal(cluster);
    if (!run_until(cluster, cluster->now_ns + cluster->scenario.healed_ns))
        return;
    size_t node = 0;
    const char *broken = sim_check_progress(cluster, &node);
    if (broken == NULL) {
        sim_faults_calm(cluster);
        if (!run_until_agreed(cluster))
            return;
        broken = sim_check_logs(cluster);
    }
    if (broken == NULL)
        broken = sim_check_weights(cluster);
    if (broken != NULL)
        sim_cluster_break(cluster, node, broken);
}

static void add(struct sim_counts *sum, const struct sim_counts *counts) {
    sum->steps += counts->steps;
    sum->delivered += counts->delivered;
    sum->lost += counts->lost;
    sum->crashes += counts->crashes;
    sum->partitions += counts->partitions;
    sum->leaves += counts->leaves;
    sum->rollbacks += counts->rollbacks;
    sum->samples += counts->samples;
    sum->records += counts->records;
    if (counts->agreed_ns > sum->agreed_ns)
        sum->agreed_ns = counts->agreed_ns;
}

/* What the machine that broke a rule knows of all others. */
static void print_node(const struct sim_cluster *cluster) {
    const struct ob_peer *peer = cluster->nodes[cluster->broken_at].peer;
    if (peer == NULL)
        return;
    struct ob_peer_view view = ob_peer_view(peer);
    printf("machine %zu: %s, round %u, next %llu, live %u\n", cluster->broken_at,
           ob_peer_life_name(view.life), view.round.index, (unsigned long long)view.next.index, view.live);
    for (size_t i = 0; i < view.machines; i++) {
        struct ob_peer_machine machine = ob_peer_machine(peer, i);
        printf("  %2zu: next %llu (says %llu) head round %u%s%s%s, last record %.1f s ago\n",
               sim_network_number(cluster, &machine.machine), (unsigned long long)machine.next.index,
               (unsigned long long)machine.reported_next.index, machine.head_round.index,
               machine.paced ? " paced" : "", machine.linked ? " linked" : "", machine.left ? " left" : "",
               (double)(cluster->now_ns - machine.last_record_ns) / 1e9);
    }
}

static bool run_seed(const struct arguments *arguments, uint64_t seed, struct sim_counts *sum) {
    struct sim_scenario scenario = sim_scenario_draw(seed, arguments->peers);
    struct sim_cluster cluster;
    sim_cluster_init(&cluster, &scenario, arguments->verbose);
    run(&cluster);
    const char *broken = cluster.broken;
    add(sum, &cluster.counts);
    if (arguments->verbose)
        printf("seed %llu: %zu + %zu machines, k %u, loss %.2f, %llu records, agreed after %.2f s\n",
               (unsigned long long)seed, scenario.peers, scenario.joiners, scenario.max_staleness,
               scenario.loss, (unsigned long long)cluster.counts.records,
               (double)cluster.counts.agreed_ns / 1e9);
    if (broken != NULL && arguments->verbose)
        print_node(&cluster);
    if (broken != NULL)
        printf("FAILED: seed %llu, %zu peers: %s (machine %zu, %.3f s)\nagain: sim_run --seeds 1 --peers %zu "
               "--seed %llu --verbose\n",
               (unsigned long long)seed, arguments->peers, broken, cluster.broken_at,
               (double)(cluster.now_ns - 1000 * SIM_SECONDS) / 1e9, arguments->peers,
               (unsigned long long)seed);
    sim_cluster_done(&cluster);
    return broken == NULL;
}

int main(int count, char **words) {
    struct arguments arguments;
    if (!parse(count, words, &arguments)) {
        fprintf(stderr, "usage: sim_run [--seeds N] [--peers 2…8192] [--seed S] [--verbose]\n");
        return 2;
    }
    struct sim_counts sum = {0};
    uint64_t failed = 0;
    for (uint64_t i = 0; i < arguments.seeds; i++)
        failed += !run_seed(&arguments, arguments.seed + i, &sum);
    printf("%llu seeds, %llu failed: %llu steps, %llu messages (%llu lost), %llu crashes, %llu partitions, "
           "%llu leaves, %llu rollbacks, %llu records, %llu samples; slowest agreement %.2f s\n",
           (unsigned long long)arguments.seeds, (unsigned long long)failed, (unsigned long long)sum.steps,
           (unsigned long long)sum.delivered, (unsigned long long)sum.lost, (unsigned long long)sum.crashes,
           (unsigned long long)sum.partitions, (unsigned long long)sum.leaves,
           (unsigned long long)sum.rollbacks, (unsigned long long)sum.records,
           (unsigned long long)sum.samples, (double)sum.agreed_ns / 1e9);
    return failed > 0;
}
