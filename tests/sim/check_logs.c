#include <string.h>

#include "record/invitation.h"
#include "tests/sim/checks.h"

/* Put back from a backup, and nobody else belongs any more: nobody can tell it what it signed, and it waits for good. */
static bool waits_alone(const struct sim_cluster *cluster, size_t number, enum ob_peer_life life) {
    if (life != OB_PEER_RECONCILING || !cluster->nodes[number].put_back)
        return false;
    for (size_t i = 0; i < cluster->count; i++)
        if (i != number && sim_cluster_counts(cluster, i))
            return false;
    return true;
}

bool sim_check_agree(const struct sim_cluster *cluster, size_t *ret_node) {
    bool any = false;
    struct ob_peer_view first = {0};
    for (size_t i = 0; i < cluster->count; i++) {
        if (!sim_cluster_counts(cluster, i))
            continue;
        struct ob_peer_view view = ob_peer_view(cluster->nodes[i].peer);
        *ret_node = i;
        if (cluster->nodes[i].round_running ||
            (view.life != OB_PEER_PAUSED && !waits_alone(cluster, i, view.life)))
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

static const struct sim_node *first_that_counts(const struct sim_cluster *cluster) {
    for (size_t i = 0; i < cluster->count; i++)
        if (sim_cluster_counts(cluster, i))
            return &cluster->nodes[i];
    return NULL;
}

/* `held` is what everybody holds of a machine. */
static const char *check_chain(const struct sim_cluster *cluster, size_t number,
                               const struct sim_chain *held) {
    const struct sim_machine *machine = &cluster->machines[number];
    const struct sim_chain *truth = &cluster->ledger.chains[number];
    if (machine->revoked && sim_chain_end(held) > machine->keep_below)
        return "records above a revocation count";
    if (!machine->honest)
        return NULL;
    if (held->count > truth->count)
        return "a log holds more than was signed";
    for (size_t i = 0; i < held->count; i++)
        if (held->records[i] != truth->records[i])
            return "a log differs from what was signed";
    if (!sim_cluster_counts(cluster, number))
        return NULL;
    for (size_t i = held->count; i < truth->count; i++)
        if (truth->records[i]->published)
            return "a published record of a live machine is lost";
    return NULL;
}

static const char *compare(const struct sim_chain *a, const struct sim_chain *b) {
    if (a->count != b->count)
        return "equal digests, and yet logs of different length";
    for (size_t i = 0; i < a->count; i++)
        if (a->records[i] != b->records[i])
            return "equal digests, and yet different records";
    return NULL;
}

/* The authority's last word, and the lowest cut of all evidence: everybody's, in whatever order it came.
 * Evidence that only one machine had, which crashed before it was durable, may be gone. */
static const char *check_table(const struct sim_cluster *cluster, const struct ob_peer *peer) {
    bool lossless = cluster->counts.crashes + cluster->counts.full + cluster->counts.restores == 0;
    size_t machines = ob_peer_count(peer);
    char name[64];
    for (size_t i = 0; i < machines && cluster->authority.on; i++) {
        struct ob_peer_machine machine = ob_peer_machine(peer, i);
        size_t number = sim_cluster_number(cluster, &machine.machine);
        if (cluster->authority.renewed[number] &&
            strcmp(machine.name, sim_authority_name(cluster, number, name)) != 0)
            return "a certificate that was replaced is in force";
        if (cluster->machines[number].revoked && machine.cut.index > cluster->machines[number].keep_below)
            return "a cut is above what a revocation says";
        if (lossless && machine.cut.index > cluster->machines[number].forked_at)
            return "a cut is above what evidence that is known says";
    }
    return NULL;
}

/* An invitation admits as many as it says, and nobody else; and as many as come in time, while it has uses left. */
static const char *check_invited(const struct sim_cluster *cluster, const struct sim_node *first) {
    const struct sim_authority *authority = &cluster->authority;
    size_t members = 0, here = 0, taken = 0;
    uint64_t uses = cluster->plan.uses ? cluster->plan.uses : cluster->plan.joiners;
    for (size_t m = cluster->plan.peers; m < cluster->machine_count && authority->invitation != NULL; m++) {
        struct ob_peer_machine machine = {.admitted = false};
        if (!sim_authority_invites(cluster, m)) { /* it has a certificate by now, and perhaps a use besides */
            taken++;
            continue;
        }
        bool known = ob_peer_find(first->peer, &cluster->machines[m].id, &machine);
        bool stays = !authority->withdrawn || sim_plan_in(authority->stay, m);
        bool member = known && machine.name[0] != 0;
        members += member;
        here += cluster->nodes[m].peer != NULL && stays && cluster->machines[m].honest &&
                !cluster->machines[m].revoked;
        if (member && !stays)
            return "whom a withdrawal does not list is a member";
        if (!member && m < cluster->ledger.machines && first->disk.now.chains[m].count > 0)
            return "records of a machine that nobody admitted count";
    }
    if (authority->withdrawn ? members > OB_INVITATION_USES_MAX : members > uses)
        return "an invitation admits more than it says";
    if (cluster->plan.invited_s == 0 && !authority->withdrawn &&
        members + taken < (here < uses ? here : uses))
        return "an invitation that has uses left admits nobody";
    return NULL;
}

/* In a mesh: each knows where each other one is. */
static const char *check_addresses(const struct sim_cluster *cluster, size_t number) {
    for (size_t other = 0; other < cluster->machine_count && cluster->plan.degree == 0; other++)
        if (other != number && cluster->nodes[other].address > 0 && sim_cluster_counts(cluster, other) &&
            !sim_network_knows(cluster, number, other))
            return "nobody told it where a machine is that moved";
    return NULL;
}

static bool garbles(const struct sim_cluster *cluster) {
    for (size_t i = 0; i < cluster->plan.count; i++)
        if (cluster->plan.entries[i].fault == SIM_GARBLE)
            return true;
    return false;
}

const char *sim_check_logs(const struct sim_cluster *cluster) {
    const struct sim_node *first = first_that_counts(cluster);
    const char *broken = NULL;
    for (size_t m = 0; m < cluster->ledger.machines && first != NULL && broken == NULL; m++)
        broken = check_chain(cluster, m, &first->disk.now.chains[m]);
    if (broken == NULL && first != NULL)
        broken = check_invited(cluster, first);
    bool garbled = garbles(cluster);
    for (size_t i = 0; i < cluster->count && broken == NULL; i++) {
        const struct sim_node *node = &cluster->nodes[i];
        if (!sim_cluster_counts(cluster, i))
            continue;
        for (size_t m = 0; m < cluster->ledger.machines && broken == NULL; m++)
            broken = compare(&first->disk.now.chains[m], &node->disk.now.chains[m]);
        if (broken == NULL)
            broken = check_table(cluster, node->peer);
        if (broken == NULL && i < cluster->machine_count)
            broken = check_addresses(cluster, i);
        if (broken == NULL && !garbled && ob_peer_view(node->peer).counters.bad_signatures != 0)
            broken = "a good signature was refused";
    }
    return broken;
}
