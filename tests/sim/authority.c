#include "tests/sim/authority.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "record/invited.h"
#include "tests/sim/cluster.h"
#include "tests/sim/perform.h"

static const struct sim_control *sign_as(struct sim_cluster *cluster, struct sim_machine *key,
                                         enum ob_control_kind kind, const struct ob_machine_id *subject,
                                         uint64_t sequence, const uint8_t *payload, uint16_t payload_bytes) {
    uint8_t body[OB_CONTROL_BODY_BYTES_MAX], signature[64], data[OB_CONTROL_BYTES_MAX];
    struct ob_control control = {.kind = kind,
                                 .payload_bytes = payload_bytes,
                                 .signer = key->id,
                                 .subject = *subject,
                                 .sequence = sequence,
                                 .payload = payload,
                                 .signature = signature};
    sim_machine_sign(key, body, ob_control_body(&cluster->run, &control, body), signature);
    return sim_controls_keep(&cluster->controls, data, ob_control_encode(&control, data));
}

static const struct sim_control *sign_with(struct sim_cluster *cluster, struct sim_machine *key,
                                           enum ob_control_kind kind, const struct ob_machine_id *subject,
                                           const uint8_t *payload, uint16_t payload_bytes) {
    return sign_as(cluster, key, kind, subject, ++cluster->authority.sequence, payload, payload_bytes);
}

static struct sim_machine *newest_key(struct sim_cluster *cluster) {
    return &cluster->authority.keys[cluster->authority.key_count - 1];
}

static const struct sim_control *sign(struct sim_cluster *cluster, enum ob_control_kind kind,
                                      const struct ob_machine_id *subject, const uint8_t *payload,
                                      uint16_t payload_bytes) {
    return sign_with(cluster, newest_key(cluster), kind, subject, payload, payload_bytes);
}

static const struct sim_control *certificate_by(struct sim_cluster *cluster, struct sim_machine *key,
                                                size_t machine, uint64_t expiry_s, uint32_t last_round) {
    struct ob_certificate certificate = {.run = cluster->run, .expiry_s = expiry_s, .last_round = last_round};
    uint8_t payload[OB_CONTROL_PLAIN_MAX];
    uint16_t bytes = 0;
    certificate.name_bytes =
        (uint8_t)snprintf(certificate.name, sizeof certificate.name, "machine-%zu.%" PRIu64, machine,
                          cluster->authority.sequence + 1);
    if (ob_certificate_encode(&certificate, payload, &bytes, NULL) != OB_OK)
        abort();
    return sign_with(cluster, key, OB_CONTROL_CERTIFICATE, &cluster->machines[machine].id, payload, bytes);
}

static void certify(struct sim_cluster *cluster, size_t machine, uint64_t expiry_s, uint32_t last_round) {
    cluster->authority.certificates[machine] =
        certificate_by(cluster, newest_key(cluster), machine, expiry_s, last_round);
    cluster->authority.renewed[machine] = expiry_s != 0 || last_round != OB_CONTROL_NEVER;
}

const char *sim_authority_name(const struct sim_cluster *cluster, size_t machine, char ret_name[static 64]) {
    const struct sim_control *certificate = cluster->authority.certificates[machine];
    struct ob_control control;
    if (ob_control_decode(certificate->data, certificate->bytes, &control, NULL) != OB_OK)
        abort();
    struct ob_certificate decoded = ob_control_certificate(&control);
    memcpy(ret_name, decoded.name, sizeof decoded.name);
    return ret_name;
}

static void invite(struct sim_cluster *cluster) {
    struct sim_authority *authority = &cluster->authority;
    const struct sim_plan *plan = &cluster->plan;
    uint8_t payload[OB_INVITATION_BYTES_MAX];
    uint16_t bytes = 0;
    uint64_t uses = plan->uses ? plan->uses : plan->joiners > 0 ? plan->joiners : 1;
    struct ob_invitation says = {
        .last_round = OB_CONTROL_NEVER, .uses = (uint16_t)uses, .pattern = "joiner-*"};
    if (plan->invited_s > 0)
        says.expiry_s = (uint64_t)sim_cluster_wall_s(cluster, 0) + plan->invited_s;
    sim_machine_init(&authority->inviting, &cluster->random, plan->ed25519);
    if (uses > OB_INVITATION_USES_MAX || ob_invitation_encode(&says, payload, &bytes, NULL) != OB_OK)
        abort();
    authority->invitation = sign(cluster, OB_CONTROL_INVITATION, &authority->inviting.id, payload, bytes);
    bool some_stay_out = uses < plan->joiners || plan->invited_s > 0;
    for (size_t i = 0; i < plan->count; i++)
        some_stay_out |= plan->entries[i].fault == SIM_WITHDRAW;
    for (size_t i = plan->peers; i < cluster->machine_count; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "joiner-%zu", i);
        if (ob_admission_encode(name, payload, &bytes, NULL) != OB_OK)
            abort();
        authority->admissions[i] = sign_as(cluster, &authority->inviting, OB_CONTROL_ADMISSION,
                                           &cluster->machines[i].id, 0, payload, bytes);
        cluster->machines[i].limited = some_stay_out;
    }
}

bool sim_authority_invites(const struct sim_cluster *cluster, size_t machine) {
    return cluster->authority.invitation != NULL && cluster->authority.certificates[machine] == NULL;
}

void sim_authority_init(struct sim_cluster *cluster) {
    struct sim_authority *authority = &cluster->authority;
    authority->on = cluster->plan.authority != 0;
    sim_machine_init(&authority->keys[0], &cluster->random, cluster->plan.ed25519);
    authority->key_count = 1;
    if (!authority->on)
        return;
    authority->certificates = calloc(cluster->machine_count, sizeof(struct sim_control *));
    authority->admissions = calloc(cluster->machine_count, sizeof(struct sim_control *));
    authority->renewed = calloc(cluster->machine_count, sizeof *authority->renewed);
    if (!authority->certificates || !authority->renewed || !authority->admissions)
        abort();
    for (size_t i = 0; i < cluster->machine_count; i++)
        if (!cluster->plan.invited || i < cluster->plan.peers)
            certify(cluster, i, 0, OB_CONTROL_NEVER);
    if (cluster->plan.invited)
        invite(cluster);
    for (size_t i = 0; i < cluster->plan.peers; i++) {
        for (size_t j = 0; j < cluster->plan.peers; j++)
            sim_disk_add_control(&cluster->nodes[i].disk, authority->certificates[j]);
        sim_disk_sync(&cluster->nodes[i].disk);
    }
}

void sim_authority_done(struct sim_authority *authority) {
    free(authority->certificates);
    free(authority->renewed);
    free(authority->admissions);
    free(authority->told);
}

static void give(struct sim_cluster *cluster, size_t node, const struct sim_control *control) {
    sim_perform_step(
        cluster, node,
        &(struct ob_event){.kind = OB_EVENT_CONTROL, .data = control->data, .bytes = control->bytes});
}

/* What machine `machine` shows, to the peer of a node. */
static void show_to(struct sim_cluster *cluster, size_t node, size_t machine) {
    const struct sim_authority *authority = &cluster->authority;
    if (authority->certificates[machine] != NULL) {
        give(cluster, node, authority->certificates[machine]);
        return;
    }
    give(cluster, node, authority->invitation);
    if (cluster->broken == NULL && cluster->nodes[node].peer != NULL)
        give(cluster, node, authority->admissions[machine]);
}

void sim_authority_show(struct sim_cluster *cluster, size_t number) {
    if (cluster->authority.on)
        show_to(cluster, number, cluster->nodes[number].machine);
}

/* A door judges, as the daemon's does. */
static bool door_admits(const struct sim_cluster *cluster, size_t door, size_t machine) {
    const struct sim_authority *authority = &cluster->authority;
    const struct ob_peer *peer = cluster->nodes[door].peer;
    uint64_t wall_s = (uint64_t)sim_cluster_wall_s(cluster, door);
    const struct sim_control *certificate = authority->certificates[machine];
    if (certificate != NULL)
        return ob_peer_check_certificate(peer, certificate->data, certificate->bytes, wall_s, NULL) == OB_OK;
    uint8_t shown[OB_INVITED_BYTES_MAX];
    const struct sim_control *first = authority->invitation, *second = authority->admissions[machine];
    memcpy(shown, first->data, first->bytes);
    memcpy(shown + first->bytes, second->data, second->bytes);
    return ob_peer_check_invited(peer, shown, first->bytes + second->bytes, wall_s, NULL) == OB_OK;
}

/* The door says to a machine that is out why. */
static void say_why(struct sim_cluster *cluster, const struct ob_peer *door, size_t number) {
    size_t bytes;
    const uint8_t *why = ob_peer_why_out(door, &cluster->machines[cluster->nodes[number].machine].id, &bytes);
    if (why != NULL)
        give(cluster, number, sim_controls_keep(&cluster->controls, why, bytes));
}

void sim_authority_knock(struct sim_cluster *cluster, size_t number) {
    const struct sim_node *node = &cluster->nodes[number];
    if (cluster->healed && cluster->authority.unheard) /* its operator tries again */
        sim_authority_settle(cluster);
    if (cluster->authority.renewed[node->machine]) /* by a key that it had not heard of, perhaps */
        sim_authority_show(cluster, number);
    for (size_t i = 0; i < node->links.count && cluster->broken == NULL; i++) {
        size_t other = node->links.to[i];
        const struct ob_peer *peer = cluster->nodes[other].peer;
        if (peer == NULL || sim_network_permits(cluster, other, number) ||
            !sim_network_permits(cluster, number, other) ||
            cluster->nodes[other].trouble.sides != node->trouble.sides)
            continue;
        if (door_admits(cluster, other, node->machine))
            show_to(cluster, other, node->machine);
        else
            say_why(cluster, peer, number);
    }
}

/* A command fails where the key that signed is not known (yet), and says so. */
static bool is_taken(const struct sim_cluster *cluster, size_t node, const struct sim_control *entry) {
    const struct ob_peer *peer = cluster->nodes[node].peer;
    struct ob_control control;
    if (ob_control_decode(entry->data, entry->bytes, &control, NULL) != OB_OK)
        abort();
    return peer != NULL && ob_peer_knows_authority(peer, &control.signer);
}

/* False: there is nobody to tell. Where the command fails its operator goes to the next machine. */
static bool tell(struct sim_cluster *cluster, const struct sim_control *control, size_t told) {
    for (size_t tries = 0; tries < cluster->count; tries++) {
        size_t node = (told + tries) % cluster->count;
        if (!sim_cluster_counts(cluster, node))
            continue;
        give(cluster, node, control);
        if (is_taken(cluster, node, control))
            return true;
    }
    return false;
}

static void remember(struct sim_authority *authority, const struct sim_control *control) {
    if (authority->told_count == authority->told_capacity) {
        authority->told_capacity = 2 * authority->told_capacity + 8;
        authority->told = realloc(authority->told, authority->told_capacity * sizeof(struct sim_control *));
        if (authority->told == NULL)
            abort();
    }
    authority->told[authority->told_count++] = control;
}

void sim_authority_revoke(struct sim_cluster *cluster, size_t number, double part, size_t told) {
    size_t number_of_machine = cluster->nodes[number].machine;
    struct sim_machine *machine = &cluster->machines[number_of_machine];
    if (!cluster->authority.on || number_of_machine >= cluster->ledger.machines)
        return;
    uint64_t end = sim_chain_end(&cluster->ledger.chains[number_of_machine]);
    uint64_t keep_below = (uint64_t)((double)end * part);
    uint8_t payload[OB_CONTROL_REVOCATION_BYTES];
    ob_store_u64(payload, keep_below);
    const struct sim_control *control =
        sign(cluster, OB_CONTROL_REVOCATION, &machine->id, payload, sizeof payload);
    remember(&cluster->authority, control);
    if (!machine->revoked || keep_below < machine->keep_below)
        machine->keep_below = keep_below;
    machine->revoked = true;
    (void)tell(cluster, control, told);
}

void sim_authority_withdraw(struct sim_cluster *cluster, uint64_t nodes, size_t told) {
    struct sim_authority *authority = &cluster->authority;
    struct ob_machine_id keys[OB_INVITATION_USES_MAX];
    uint8_t payload[OB_WITHDRAWAL_BYTES_MAX];
    uint16_t bytes = 0;
    size_t count = 0;
    if (authority->invitation == NULL || authority->withdrawn)
        return;
    for (size_t i = cluster->plan.peers; i < cluster->machine_count && count < OB_INVITATION_USES_MAX; i++)
        if (sim_plan_in(nodes, i))
            keys[count++] = cluster->machines[i].id;
    if (ob_withdrawal_encode(keys, count, payload, &bytes, NULL) != OB_OK)
        abort();
    const struct sim_control *control =
        sign(cluster, OB_CONTROL_WITHDRAWAL, &authority->inviting.id, payload, bytes);
    authority->withdrawn = true;
    authority->stay = nodes;
    remember(authority, control);
    tell(cluster, control, told);
}

void sim_authority_renew(struct sim_cluster *cluster, size_t number, double expires_s) {
    size_t machine = cluster->nodes[number].machine;
    if (!cluster->authority.on)
        return;
    uint64_t now_s =
        (uint64_t)(sim_cluster_wall_s(cluster, number) - (int64_t)cluster->nodes[number].trouble.clock_s);
    certify(cluster, machine, expires_s > 0 ? now_s + (uint64_t)expires_s : 0, OB_CONTROL_NEVER);
    cluster->authority.renewed[machine] = true;
    const struct sim_control *certificate = cluster->authority.certificates[machine];
    give(cluster, number, certificate);
    if (sim_cluster_counts(cluster, number) && is_taken(cluster, number, certificate))
        return;
    cluster->authority.unheard |= !tell(cluster, certificate, 0); /* it finds its own in its file */
}

void sim_authority_lower(struct sim_cluster *cluster, size_t number, double part, size_t told) {
    size_t machine = cluster->nodes[number].machine;
    if (!cluster->authority.on || machine >= cluster->ledger.machines)
        return;
    const struct sim_chain *chain = &cluster->ledger.chains[machine];
    double rounds =
        chain->count == 0 ? 0 : sim_record_decode(chain->records[chain->count - 1]).round.index + 1.0;
    certify(cluster, machine, 0, (uint32_t)(rounds * part));
    cluster->machines[machine].limited = true;
    (void)tell(cluster, cluster->authority.certificates[machine], told);
}

static const struct sim_control *rotation_to(struct sim_cluster *cluster, const struct sim_machine *fresh) {
    uint8_t payload[OB_CONTROL_ROTATION_BYTES];
    ob_store_u64(payload, cluster->authority.sequence + 1);
    return sign(cluster, OB_CONTROL_ROTATION, &fresh->id, payload, sizeof payload);
}

static void contest(struct sim_cluster *cluster, size_t told) {
    struct sim_machine loser;
    sim_machine_init(&loser, &cluster->random, cluster->plan.ed25519);
    const struct sim_control *rotation = rotation_to(cluster, &loser);
    remember(&cluster->authority, rotation);
    (void)tell(cluster, rotation, told);
    (void)tell(cluster, certificate_by(cluster, &loser, cluster->nodes[told].machine, 0, OB_CONTROL_NEVER),
               told);
}

void sim_authority_rotate(struct sim_cluster *cluster, size_t told, size_t contested) {
    struct sim_authority *authority = &cluster->authority;
    if (!authority->on || authority->key_count == SIM_AUTHORITY_KEYS)
        return;
    struct sim_machine *fresh = &authority->keys[authority->key_count];
    sim_machine_init(fresh, &cluster->random, cluster->plan.ed25519);
    const struct sim_control *control = rotation_to(cluster, fresh);
    remember(authority, control);
    (void)tell(cluster, control, told);
    if (contested != SIM_NOBODY)
        contest(cluster, contested);
    authority->key_count++;
}

void sim_authority_settle(struct sim_cluster *cluster) {
    struct sim_authority *authority = &cluster->authority;
    authority->unheard = false;
    for (size_t i = 0; i < authority->told_count; i++)
        authority->unheard |= !tell(cluster, authority->told[i], 0);
    for (size_t node = 0; node < cluster->machine_count && authority->on; node++)
        if (authority->renewed[node])
            sim_authority_renew(cluster, node, 0);
}
