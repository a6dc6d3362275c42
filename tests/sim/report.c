#include <stdio.h>
#include <sys/resource.h>

#include "tests/sim/run.h"

static void print_spread(const struct sim_cluster *cluster) {
    uint64_t records = 0, complete = 0, hops_sum = 0, pushed = 0, fetched = 0, longest_ns = 0, sum_ns = 0;
    uint32_t hops_most = 0;
    size_t others = cluster->count - 1;
    for (size_t m = 0; m < cluster->ledger.machines; m++)
        for (size_t i = 0; i < cluster->ledger.chains[m].count; i++) {
            const struct sim_record *record = cluster->ledger.chains[m].records[i];
            uint64_t took = record->reached_ns - record->published_ns;
            if (!record->published || record->holders < others)
                continue;
            complete++;
            sum_ns += took;
            longest_ns = took > longest_ns ? took : longest_ns;
        }
    for (size_t m = 0; m < cluster->ledger.machines; m++)
        for (size_t i = 0; i < cluster->ledger.chains[m].count; i++) {
            const struct sim_record *record = cluster->ledger.chains[m].records[i];
            records++;
            hops_sum += record->hops_sum;
            pushed += record->pushed;
            fetched += record->holders - record->pushed;
            hops_most = record->hops_most > hops_most ? record->hops_most : hops_most;
        }
    printf("records %llu, known to all %llu; to the last one %.3f s on average, %.3f s at most; "
           "hops %.2f on average, %u at most; %.2f %% fetched\n",
           (unsigned long long)records, (unsigned long long)complete,
           complete == 0 ? 0 : (double)sum_ns / 1e9 / (double)complete, (double)longest_ns / 1e9,
           pushed == 0 ? 0 : (double)hops_sum / (double)pushed, hops_most,
           pushed + fetched == 0 ? 0 : 100 * (double)fetched / (double)(pushed + fetched));
}

static void print_cost(const struct sim_cluster *cluster) {
    uint64_t in = 0, most = 0, messages = 0;
    for (size_t i = 0; i < cluster->count; i++) {
        in += cluster->nodes[i].bytes_in;
        messages += cluster->nodes[i].messages_in;
        most = cluster->nodes[i].bytes_in > most ? cluster->nodes[i].bytes_in : most;
    }
    double seconds = sim_cluster_time(cluster), nodes = (double)cluster->count;
    printf("a peer got %.0f bytes and %.1f messages a second on average, %.0f bytes a second at most; "
           "%.0f bytes in all for %.0f bytes of records that it keeps\n",
           (double)in / nodes / seconds, (double)messages / nodes / seconds, (double)most / seconds,
           (double)in / nodes,
           (double)(cluster->counts.samples + cluster->counts.records * OB_RECORD_OVERHEAD_BYTES));
}

void sim_report(const struct sim_cluster *cluster) {
    printf("%zu nodes, %zu of them sign, %.0f s simulated; degree %llu%s\n", cluster->count,
           cluster->ledger.machines, sim_cluster_time(cluster), (unsigned long long)cluster->plan.degree,
           cluster->plan.relay ? ", relaying" : "");
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        printf("memory %.0f MB at most, %.0f kB a node; %.0f s of processor\n",
               (double)usage.ru_maxrss / 1024, (double)usage.ru_maxrss / (double)cluster->count,
               (double)usage.ru_utime.tv_sec);
    print_spread(cluster);
    print_cost(cluster);
}

/* What the machine that broke a rule knows of all others. */
static void print_digests(const struct sim_cluster *cluster) {
    for (size_t i = 0; i < cluster->count; i++) {
        if (cluster->nodes[i].peer == NULL)
            continue;
        struct ob_peer_view view = ob_peer_view(cluster->nodes[i].peer);
        printf("node %zu%s: %s, log %02x%02x, control %02x%02x\n", i,
               sim_cluster_counts(cluster, i) ? "" : " (does not count)", ob_peer_life_name(view.life),
               view.log_digest.bytes[0], view.log_digest.bytes[1], view.control_digest.bytes[0],
               view.control_digest.bytes[1]);
    }
}

void sim_report_node(const struct sim_cluster *cluster, size_t number) {
    if (cluster->count <= 64)
        print_digests(cluster);
    const struct ob_peer *peer = cluster->nodes[number].peer;
    if (peer == NULL)
        return;
    struct ob_peer_view view = ob_peer_view(peer);
    printf("node %zu: %s, round %u, next %llu, live %u\n", number, ob_peer_life_name(view.life),
           view.round.index, (unsigned long long)view.next.index, view.live);
    for (size_t i = 0; i < view.machines; i++) {
        struct ob_peer_machine machine = ob_peer_machine(peer, i);
        printf("  %2zu: next %llu (says %llu) head round %u%s%s%s%s%s%s, last record %.1f s ago\n",
               sim_cluster_number(cluster, &machine.machine), (unsigned long long)machine.next.index,
               (unsigned long long)machine.reported_next.index, machine.head_round.index,
               machine.paced ? " paced" : "", machine.linked ? " linked" : "", machine.left ? " left" : "",
               machine.admitted ? " admitted" : "", machine.revoked ? " revoked" : "",
               machine.forked ? " forked" : "", (double)(cluster->now_ns - machine.last_record_ns) / 1e9);
    }
}
