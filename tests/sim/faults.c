/* faults - carries out the entries of a plan: when one begins, when it ends, and what is wrong meanwhile. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/attacker.h"
#include "tests/sim/authority.h"
#include "tests/sim/checks.h"
#include "tests/sim/cluster.h"
#include "tests/sim/perform.h"

static bool until_quiet(enum sim_fault fault) {
    return fault == SIM_LOSS || fault == SIM_DUPLICATES || fault == SIM_SLOW || fault == SIM_HOSTILE;
}

void sim_faults_plan(struct sim_cluster *cluster) {
    for (size_t i = 0; i < cluster->plan.count; i++) {
        const struct sim_entry *entry = &cluster->plan.entries[i];
        if (entry->at_ns == SIM_AT_END)
            continue;
        struct sim_event event = {
            .time_ns = cluster->start_ns + entry->at_ns, .kind = SIM_BEGIN, .node = (uint32_t)i};
        sim_events_push(&cluster->events, event);
        event.kind = SIM_END;
        event.time_ns += entry->for_ns;
        if (entry->for_ns > 0)
            sim_events_push(&cluster->events, event);
    }
}

static double larger(double a, double b) {
    return a > b ? a : b;
}

static void derive_node(struct sim_cluster *cluster, const struct sim_entry *entry) {
    struct sim_trouble *trouble = &cluster->nodes[entry->node].trouble;
    switch (entry->fault) {
    case SIM_LAG:
        trouble->lag_s = larger(trouble->lag_s, entry->value);
        break;
    case SIM_GARBLE:
        trouble->garble = larger(trouble->garble, entry->value);
        break;
    case SIM_STRAGGLE:
        trouble->straggle = larger(trouble->straggle, entry->value);
        break;
    case SIM_PAUSE:
        trouble->paused = true;
        break;
    case SIM_CLOCK:
        trouble->clock_s += entry->value;
        break;
    case SIM_FULL:
        cluster->nodes[entry->node].disk.full = true;
        break;
    default:
        break;
    }
}

/* What is wrong now, from the entries that are on. */
static void derive(struct sim_cluster *cluster) {
    cluster->loss = cluster->duplicates = cluster->slow = 0;
    cluster->losing_count = 0;
    for (size_t node = 0; node < cluster->count; node++) {
        cluster->nodes[node].trouble = (struct sim_trouble){.straggle = 1};
        cluster->nodes[node].disk.full = false;
    }
    unsigned splits = 0;
    for (size_t i = 0; i < cluster->plan.count; i++) {
        const struct sim_entry *entry = &cluster->plan.entries[i];
        if (!cluster->on[i])
            continue;
        derive_node(cluster, entry);
        if (entry->fault == SIM_LOSS)
            cluster->loss = larger(cluster->loss, entry->value);
        if (entry->fault == SIM_DUPLICATES)
            cluster->duplicates = larger(cluster->duplicates, entry->value);
        if (entry->fault == SIM_SLOW)
            cluster->slow = larger(cluster->slow, entry->value);
        if (entry->fault == SIM_ONE_WAY || entry->fault == SIM_LOSE)
            cluster->losing[cluster->losing_count++] = i;
        if (entry->fault != SIM_SPLIT)
            continue;
        for (size_t node = 0; node < cluster->count; node++)
            cluster->nodes[node].trouble.sides |= (uint64_t)sim_plan_in(entry->nodes, node) << splits % 64;
        splits++;
    }
}

static void leave(struct sim_cluster *cluster, size_t number) {
    struct sim_node *node = &cluster->nodes[number];
    if (node->peer == NULL || !sim_cluster_counts(cluster, number))
        return;
    node->leaving = true;
    sim_cluster_tell(cluster, number, OB_EVENT_LEAVE);
    if (node->peer != NULL && node->round_running)
        sim_perform_round_done(cluster, number, node->round_number);
}

static void back_up(struct sim_node *node) {
    if (node->has_backup)
        sim_disk_done(&node->backup);
    sim_disk_copy(&node->backup, &node->disk);
    node->has_backup = true;
}

/* Whatever host may answer for it knows all that it has signed. */
static bool known_to_all(const struct sim_cluster *cluster, size_t number) {
    size_t machine = cluster->nodes[number].machine;
    uint64_t end = sim_chain_end(&cluster->ledger.chains[machine]);
    for (size_t i = 0; i < cluster->count; i++) {
        const struct sim_node *other = &cluster->nodes[i];
        if (i != number && other->joined && !other->gone &&
            (other->peer == NULL || sim_chain_end(&other->disk.now.chains[machine]) != end))
            return false;
    }
    return true;
}

static void restore(struct sim_cluster *cluster, size_t number) {
    struct sim_node *node = &cluster->nodes[number];
    if (!node->has_backup || node->attacker != NULL)
        return;
    sim_cluster_crash(cluster, number);
    if (node->machine < cluster->ledger.machines && !known_to_all(cluster, number))
        cluster->machines[node->machine].honest = false; /* nobody can tell it what it forgot */
    sim_disk_done(&node->disk);
    sim_disk_copy(&node->disk, &node->backup);
    node->restored = true;
    cluster->counts.restores++;
}

static void copy_identity(struct sim_cluster *cluster, size_t number) {
    const struct sim_node *node = &cluster->nodes[number];
    size_t copy = cluster->machine_count + cluster->copies;
    if (!node->joined || node->attacker != NULL || number >= cluster->machine_count)
        return;
    cluster->copies++;
    struct sim_node *twin = &cluster->nodes[copy];
    twin->machine = node->machine;
    twin->contact = node->contact;
    sim_disk_done(&twin->disk);
    sim_disk_copy(&twin->disk, &node->disk);
    for (size_t i = 0; i < node->links.count; i++)
        sim_network_link(cluster, copy, node->links.to[i]);
    cluster->machines[node->machine].honest = false;
    cluster->counts.copies++;
    sim_cluster_start(cluster, copy);
}

static void crash(struct sim_cluster *cluster, size_t number) {
    if (cluster->nodes[number].peer == NULL)
        return;
    cluster->counts.crashes++;
    sim_cluster_crash(cluster, number);
}

static void expect(struct sim_cluster *cluster, const struct sim_entry *entry) {
    const char *broken = sim_check_expected(cluster, entry);
    if (broken != NULL)
        sim_cluster_break(cluster, entry->node, broken);
}

/* What happens at once. */
static void strike(struct sim_cluster *cluster, size_t i) {
    const struct sim_entry *entry = &cluster->plan.entries[i];
    struct sim_node *node = &cluster->nodes[entry->node];
    switch (entry->fault) {
    case SIM_CRASH:
        crash(cluster, entry->node);
        break;
    case SIM_TEAR:
        node->tear_in = (uint64_t)entry->value + 1;
        node->tear_until_ns = cluster->now_ns + entry->for_ns;
        break;
    case SIM_JOIN:
        sim_cluster_start(cluster, entry->node);
        break;
    case SIM_LEAVE:
        leave(cluster, entry->node);
        break;
    case SIM_PAUSE:
        sim_cluster_tell(cluster, entry->node, OB_EVENT_PAUSE);
        break;
    case SIM_BACKUP:
        back_up(node);
        break;
    case SIM_RESTORE:
        restore(cluster, entry->node);
        break;
    case SIM_COPY:
        copy_identity(cluster, entry->node);
        break;
    case SIM_FORK:
        if (node->attacker == NULL && entry->node < cluster->ledger.machines)
            sim_attacker_start(cluster, entry->node, (enum sim_fork_kind)entry->value % SIM_FORK_KINDS,
                               entry->nodes);
        break;
    case SIM_HOSTILE:
        if (node->attacker == NULL && !node->lost && entry->node < cluster->ledger.machines)
            sim_attacker_start_hostile(cluster, entry->node,
                                       (enum sim_hostile_kind)entry->value % SIM_HOSTILE_KINDS);
        break;
    case SIM_LOSE:
        cluster->lose_left[i] = entry->value;
        break;
    case SIM_REVOKE:
        sim_authority_revoke(cluster, entry->node, entry->value, entry->other);
        break;
    case SIM_RENEW:
        sim_authority_renew(cluster, entry->node, entry->value);
        break;
    case SIM_LOWER:
        sim_authority_lower(cluster, entry->node, entry->value, entry->other);
        break;
    case SIM_WITHDRAW:
        sim_authority_withdraw(cluster, entry->nodes, entry->other);
        break;
    case SIM_FLIP:
        cluster->counts.flips += node->replica.weights != NULL;
        sim_replica_flip(&node->replica, test_random_next(&cluster->random));
        break;
    case SIM_MOVE:
        sim_network_move(cluster, entry->node);
        break;
    case SIM_ROTATE:
        sim_authority_rotate(cluster, entry->other, entry->value >= 1 ? entry->node : SIM_NOBODY);
        break;
    case SIM_SPLIT:
        cluster->counts.splits++;
        break;
    case SIM_EXPECT:
        expect(cluster, entry);
        break;
    default:
        break; /* only derived */
    }
}

void sim_faults_begin(struct sim_cluster *cluster, size_t i) {
    const struct sim_entry *entry = &cluster->plan.entries[i];
    if (cluster->healed && entry->fault != SIM_EXPECT)
        return;
    if (cluster->verbose)
        printf("%9.3f plan: entry %zu, fault %d of node %zu\n", sim_cluster_time(cluster), i, entry->fault,
               entry->node);
    cluster->on[i] = true;
    derive(cluster);
    strike(cluster, i);
}

void sim_faults_end(struct sim_cluster *cluster, size_t i) {
    const struct sim_entry *entry = &cluster->plan.entries[i];
    struct sim_node *node = &cluster->nodes[entry->node];
    if (!cluster->on[i])
        return;
    cluster->on[i] = false;
    derive(cluster);
    switch (entry->fault) {
    case SIM_CRASH:
    case SIM_LEAVE:
    case SIM_RESTORE:
    case SIM_FULL:
        if (node->joined && node->attacker == NULL)
            sim_cluster_start(cluster, entry->node);
        break;
    case SIM_PAUSE:
        if (!cluster->calm && !node->trouble.paused)
            sim_cluster_tell(cluster, entry->node, OB_EVENT_RESUME);
        break;
    case SIM_FORK:
    case SIM_HOSTILE:
        sim_attacker_stop(cluster, entry->node);
        break;
    default:
        break;
    }
}

void sim_faults_heal(struct sim_cluster *cluster) {
    for (size_t i = 0; i < cluster->plan.count; i++)
        if (!(until_quiet(cluster->plan.entries[i].fault) && cluster->plan.entries[i].for_ns == 0))
            sim_faults_end(cluster, i);
    cluster->healed = true;
    sim_authority_settle(cluster);
    for (size_t i = 0; i < cluster->count; i++) {
        struct sim_node *node = &cluster->nodes[i];
        node->tear_in = 0;
        if (node->peer != NULL && cluster->machines[node->machine].limited &&
            ob_peer_life(node->peer) == OB_PEER_HALTED)
            sim_cluster_stop(cluster, i); /* its operator has a better certificate, and tries again */
        if (node->joined && !node->gone)
            sim_cluster_start(cluster, i);
        if (node->machine < cluster->ledger.machines)
            node->records_before = cluster->ledger.chains[node->machine].count;
    }
    sim_network_mend(cluster);
}

void sim_faults_calm(struct sim_cluster *cluster) {
    for (size_t i = 0; i < cluster->plan.count; i++)
        sim_faults_end(cluster, i);
    cluster->calm = true;
    for (size_t i = 0; i < cluster->count; i++)
        sim_cluster_tell(cluster, i, OB_EVENT_PAUSE);
}
