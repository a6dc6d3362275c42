/* network - who is linked with whom, and what becomes of a message. */
#include <assert.h>
#include <stdlib.h>

#include "peer/message.h"
#include "tests/sim/attacker.h"
#include "tests/sim/cluster.h"
#include "tests/sim/perform.h"

#define NOWHERE UINT32_MAX

static size_t position_of(const struct sim_links *links, size_t to) {
    size_t low = 0, high = links->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (links->to[middle] < to)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool has_link(const struct sim_links *links, size_t to, size_t *ret_position) {
    *ret_position = position_of(links, to);
    return *ret_position < links->count && links->to[*ret_position] == to;
}

static void add_link(struct sim_links *links, size_t to, uint32_t at) {
    size_t position;
    if (has_link(links, to, &position)) {
        links->at[position] = at;
        return;
    }
    if (links->count == links->capacity) {
        links->capacity = links->capacity == 0 ? 8 : 2 * links->capacity;
        links->to = realloc(links->to, links->capacity * sizeof *links->to);
        links->at = realloc(links->at, links->capacity * sizeof *links->at);
        if (!links->to || !links->at)
            abort();
    }
    size_t behind = links->count - position;
    memmove(&links->to[position + 1], &links->to[position], behind * sizeof *links->to);
    memmove(&links->at[position + 1], &links->at[position], behind * sizeof *links->at);
    links->to[position] = (uint32_t)to;
    links->at[position] = at;
    links->count++;
}

void sim_network_link(struct sim_cluster *cluster, size_t a, size_t b) {
    if (a == b)
        return;
    add_link(&cluster->nodes[a].links, b, cluster->nodes[b].address);
    add_link(&cluster->nodes[b].links, a, cluster->nodes[a].address);
}

/* Everybody with everybody, newcomers with one of them until they learn of the others; or a ring with chords,
 * so that records must travel through others. */
void sim_network_wire(struct sim_cluster *cluster) {
    size_t count = cluster->machine_count, degree = cluster->plan.degree, peers = cluster->plan.peers;
    for (size_t a = 0; a < count; a++) {
        if (degree == 0 && cluster->authority.on && a >= peers) {
            cluster->nodes[a].contact = test_random_below(&cluster->random, peers);
            sim_network_link(cluster, a, cluster->nodes[a].contact);
            continue;
        }
        if (degree == 0) {
            for (size_t b = a + 1; b < count && (b < peers || !cluster->authority.on); b++)
                sim_network_link(cluster, a, b);
            continue;
        }
        sim_network_link(cluster, a, (a + 1) % count);
        cluster->nodes[a].contact = a < peers ? SIM_NOBODY : (a + 1) % count;
        for (size_t tries = 0; cluster->nodes[a].links.count < degree && tries < 8 * degree; tries++) {
            size_t b = test_random_below(&cluster->random, count);
            if (cluster->nodes[b].links.count < degree)
                sim_network_link(cluster, a, b);
        }
    }
}

bool sim_network_linked(const struct sim_cluster *cluster, size_t from, size_t to) {
    size_t position;
    return has_link(&cluster->nodes[from].links, to, &position);
}

bool sim_network_knows(const struct sim_cluster *cluster, size_t from, size_t to) {
    const struct sim_links *links = &cluster->nodes[from].links;
    size_t position;
    return has_link(links, to, &position) && links->at[position] == cluster->nodes[to].address;
}

/* One of them knows where the other one is; nobody moves in an overlay, whose links are the plan's. */
static bool found(const struct sim_cluster *cluster, size_t a, size_t b) {
    if (cluster->nodes[a].address == 0 && cluster->nodes[b].address == 0)
        return true;
    return sim_network_knows(cluster, a, b) || sim_network_knows(cluster, b, a);
}

bool sim_network_permits(const struct sim_cluster *cluster, size_t number, size_t other) {
    const struct sim_node *node = &cluster->nodes[number];
    size_t machine = cluster->nodes[other].machine;
    if (!cluster->authority.on || node->attacker != NULL || node->contact == other)
        return true;
    return node->permitted != NULL && (node->permitted[machine / 8] >> machine % 8 & 1) != 0;
}

static bool allowed(const struct sim_cluster *cluster, size_t from, size_t to) {
    return sim_cluster_up(cluster, to) && sim_network_permits(cluster, from, to) &&
           sim_network_permits(cluster, to, from) && found(cluster, from, to);
}

static void notice(struct sim_cluster *cluster, size_t node, size_t other, bool up) {
    sim_events_push(&cluster->events,
                    (struct sim_event){.time_ns = cluster->now_ns +
                                                  test_random_below(&cluster->random, 200 * SIM_MILLISECONDS),
                                       .kind = up ? SIM_LINK_UP : SIM_LINK_DOWN,
                                       .node = (uint32_t)node,
                                       .from = (uint32_t)other,
                                       .incarnation = cluster->nodes[node].incarnation});
}

/* A link comes up when both ends let one another in; it goes down at both. */
static void change_link(struct sim_cluster *cluster, size_t a, size_t b, bool up) {
    if (!sim_cluster_up(cluster, a) || !sim_cluster_up(cluster, b) || (up && !allowed(cluster, a, b)))
        return;
    notice(cluster, a, b, up);
    notice(cluster, b, a, up);
}

void sim_network_permit(struct sim_cluster *cluster, size_t number, size_t machine, bool permitted) {
    struct sim_node *node = &cluster->nodes[number];
    if (node->permitted == NULL)
        node->permitted = calloc(cluster->machine_count / 8 + 1, 1);
    if (node->permitted == NULL)
        abort();
    uint8_t bit = (uint8_t)(1u << machine % 8), *place = &node->permitted[machine / 8];
    if (((*place & bit) != 0) == permitted)
        return;
    *place ^= bit;
    for (size_t i = 0; i < node->links.count; i++)
        if (cluster->nodes[node->links.to[i]].machine == machine)
            change_link(cluster, number, node->links.to[i], permitted);
}

void sim_network_reach(struct sim_cluster *cluster, size_t number, size_t other, uint32_t address) {
    if (number == other || cluster->plan.degree > 0)
        return;
    bool linked = sim_network_linked(cluster, number, other) && found(cluster, number, other);
    add_link(&cluster->nodes[number].links, other, address);
    if (!sim_network_linked(cluster, other, number)) /* who is called knows a way back, not an address */
        add_link(&cluster->nodes[other].links, number, NOWHERE);
    if (!linked)
        change_link(cluster, number, other, true);
}

void sim_network_move(struct sim_cluster *cluster, size_t number) {
    if (cluster->plan.degree > 0)
        return;
    cluster->nodes[number].address++;
    if (!sim_cluster_up(cluster, number))
        return;
    sim_network_changed(cluster, number, false);
    sim_network_changed(cluster, number, true);
    sim_cluster_tell_address(cluster, number);
}

/* The bounds of a split, one-way links and entries that lose the next messages of a kind. */
static bool lost(struct sim_cluster *cluster, size_t from, size_t to, const struct sim_buffer *buffer) {
    if (cluster->nodes[from].trouble.sides != cluster->nodes[to].trouble.sides)
        return true;
    if (cluster->calm)
        return false;
    for (size_t at = 0; at < cluster->losing_count; at++) {
        size_t i = cluster->losing[at];
        const struct sim_entry *entry = &cluster->plan.entries[i];
        if (entry->fault == SIM_ONE_WAY && entry->node == from && entry->other == to)
            return true;
        if (entry->fault == SIM_LOSE && entry->other == buffer->data[0] && cluster->lose_left[i] >= 1) {
            cluster->lose_left[i]--;
            return true;
        }
    }
    return test_random_chance(&cluster->random, cluster->loss);
}

static struct sim_buffer *garbled(struct sim_cluster *cluster, size_t from, struct sim_buffer *buffer) {
    double chance = cluster->nodes[from].trouble.garble;
    if (chance <= 0 || !test_random_chance(&cluster->random, chance))
        return buffer;
    struct sim_buffer *copy = sim_buffer_new(buffer->data, buffer->bytes);
    copy->hops = buffer->hops;
    copy->data[test_random_below(&cluster->random, copy->bytes)] ^=
        (uint8_t)(1u << test_random_below(&cluster->random, 8));
    return copy;
}

static uint64_t delay(struct sim_cluster *cluster, size_t from, size_t to) {
    struct test_random *random = &cluster->random;
    uint64_t delay = 1 + test_random_below(random, cluster->plan.delay_ms * SIM_MILLISECONDS);
    double lag = cluster->nodes[from].trouble.lag_s + cluster->nodes[to].trouble.lag_s;
    if (lag > 0)
        delay += test_random_below(random, (uint64_t)(lag * 1e9) + 1);
    if (cluster->slow > 0 && test_random_chance(random, cluster->slow))
        delay += test_random_below(random, SIM_SECONDS);
    return delay;
}

/* On a link that both ends allow. */
static void carry(struct sim_cluster *cluster, size_t from, size_t to, struct sim_buffer *buffer) {
    cluster->nodes[from].bytes_out += buffer->bytes;
    if (lost(cluster, from, to, buffer)) {
        cluster->counts.lost++;
        return;
    }
    buffer->references++;
    bool twice = cluster->duplicates > 0 && test_random_chance(&cluster->random, cluster->duplicates);
    for (unsigned copy = 0; copy < 1u + twice; copy++)
        sim_events_push(&cluster->events,
                        (struct sim_event){.time_ns = cluster->now_ns + delay(cluster, from, to),
                                           .kind = SIM_DELIVER,
                                           .node = (uint32_t)to,
                                           .from = (uint32_t)from,
                                           .buffer = garbled(cluster, from, buffer)});
    sim_buffer_release(buffer);
}

void sim_network_give(struct sim_cluster *cluster, size_t from, size_t to, struct sim_buffer *buffer) {
    if (sim_network_linked(cluster, from, to) && allowed(cluster, from, to))
        carry(cluster, from, to, buffer);
    else
        cluster->counts.lost++;
}

void sim_network_send(struct sim_cluster *cluster, size_t from, size_t machine, struct sim_buffer *buffer) {
    size_t to = machine, hosts = 1;
    for (size_t other = cluster->machine_count; other < cluster->machine_count + cluster->copies; other++)
        if (cluster->nodes[other].machine == machine && sim_cluster_up(cluster, other) &&
            test_random_below(&cluster->random, ++hosts) == 0)
            to = other;
    sim_network_give(cluster, from, to, buffer);
}

void sim_network_publish(struct sim_cluster *cluster, size_t from, struct sim_buffer *buffer) {
    const struct sim_links *links = &cluster->nodes[from].links;
    for (size_t i = 0; i < links->count; i++)
        if (allowed(cluster, from, links->to[i]))
            carry(cluster, from, links->to[i], buffer);
}

void sim_network_deliver(struct sim_cluster *cluster, const struct sim_event *event) {
    struct sim_node *node = &cluster->nodes[event->node];
    const struct sim_node *from = &cluster->nodes[event->from];
    if (!allowed(cluster, event->from, event->node) || node->trouble.sides != from->trouble.sides) {
        cluster->counts.lost++;
        return;
    }
    cluster->counts.delivered++;
    cluster->counts.bytes += event->buffer->bytes;
    node->bytes_in += event->buffer->bytes;
    node->messages_in++;
    cluster->hops = event->buffer->hops;
    if (cluster->machines[from->machine].attacked && node->peer != NULL) /* perhaps it is gone by now */
        sim_attacker_shown(cluster, event->buffer);
    if (node->attacker != NULL)
        sim_attacker_receive(cluster, event->node, event->from, event->buffer);
    else
        sim_perform_step(cluster, event->node,
                         &(struct ob_event){.kind = OB_EVENT_MESSAGE,
                                            .machine = cluster->machines[from->machine].id,
                                            .data = event->buffer->data,
                                            .bytes = event->buffer->bytes});
    cluster->hops = 0;
}

void sim_network_changed(struct sim_cluster *cluster, size_t number, bool up) {
    const struct sim_links *links = &cluster->nodes[number].links;
    for (size_t i = 0; i < links->count; i++)
        if (up)
            change_link(cluster, number, links->to[i], true);
        else if (sim_cluster_up(cluster, links->to[i]))
            notice(cluster, links->to[i], number, false);
}

/* An address of theirs, from their operator. */
static void give_contact(struct sim_cluster *cluster, size_t number, size_t other) {
    sim_network_link(cluster, number, other);
    change_link(cluster, number, other, true);
}

/* Marks those that must agree and that are linked, through others, with a node; at least itself. In a mesh, where it is for
 * the peers to tell each other where they are, only those that are linked with it directly. */
static size_t mark_part(const struct sim_cluster *cluster, size_t number, uint8_t *marked, size_t *queue) {
    size_t head = 0, tail = 0;
    marked[number] = 1;
    queue[tail++] = number;
    while (head < tail) {
        size_t from = queue[head++];
        const struct sim_links *links = &cluster->nodes[from].links;
        for (size_t i = 0; i < links->count; i++) {
            size_t to = links->to[i];
            if (to >= cluster->machine_count || marked[to] || !sim_cluster_counts(cluster, to) ||
                !found(cluster, from, to))
                continue;
            marked[to] = 1;
            queue[tail++] = to;
        }
        if (cluster->plan.degree == 0)
            break;
    }
    return tail;
}

/* One that must agree and that a node has no way to: in an overlay any; in a mesh when it stands alone, and then its contact,
 * which may have moved. */
static size_t out_of_reach(const struct sim_cluster *cluster, size_t number) {
    uint8_t *marked = calloc(cluster->machine_count, sizeof *marked);
    size_t *queue = calloc(cluster->machine_count, sizeof *queue), other = SIM_NOBODY;
    if (marked == NULL || queue == NULL)
        abort();
    size_t contact = cluster->nodes[number].contact;
    bool alone = mark_part(cluster, number, marked, queue) == 1;
    if (contact != SIM_NOBODY && !marked[contact] && alone)
        other = contact;
    for (size_t i = 0; i < cluster->machine_count && other == SIM_NOBODY; i++)
        if (!marked[i] && (alone || cluster->plan.degree > 0) && sim_cluster_counts(cluster, i))
            other = i;
    free(marked);
    free(queue);
    return other;
}

void sim_network_ask_again(struct sim_cluster *cluster, size_t number) {
    struct sim_node *node = &cluster->nodes[number];
    if (!cluster->healed)
        return;
    if (node->contact == SIM_NOBODY || sim_cluster_counts(cluster, node->contact)) {
        bool looks = number < cluster->machine_count && sim_cluster_counts(cluster, number);
        size_t other = looks ? out_of_reach(cluster, number) : SIM_NOBODY;
        if (other != SIM_NOBODY)
            give_contact(cluster, number, other);
        return;
    }
    for (size_t other = 0; other < cluster->machine_count; other++) {
        if (other == number || !sim_cluster_counts(cluster, other))
            continue;
        node->contact = other;
        give_contact(cluster, number, other);
        return;
    }
}

/* Nobody that must agree knows where it is, nor it where they are: only an attacker is left that does. */
static bool lost_all(const struct sim_cluster *cluster, size_t number) {
    if (cluster->plan.degree > 0)
        return false; /* the overlay is mended link by link */
    for (size_t other = 0; other < cluster->machine_count; other++)
        if (other != number && sim_cluster_counts(cluster, other) && found(cluster, number, other))
            return false;
    return true;
}

void sim_network_mend(struct sim_cluster *cluster) {
    size_t before = SIM_NOBODY;
    for (size_t i = 0; i < cluster->machine_count; i++) {
        struct sim_node *node = &cluster->nodes[i];
        if (!sim_cluster_counts(cluster, i))
            continue;
        bool alone = node->contact != SIM_NOBODY &&
                     (cluster->plan.degree > 0 || !sim_cluster_counts(cluster, node->contact));
        if (before != SIM_NOBODY && alone) /* its contact may be gone, or as alone as it is */
            node->contact = before;
        if (node->contact != SIM_NOBODY && !found(cluster, i, node->contact))
            sim_network_link(cluster, i, node->contact); /* its operator asks where that one is now */
        bool asks = before != SIM_NOBODY && lost_all(cluster, i); /* its operator asks theirs */
        if (before != SIM_NOBODY && (cluster->plan.degree > 0 || node->contact == before || asks)) {
            sim_network_link(cluster, i, before);
            change_link(cluster, i, before, true);
        }
        before = i;
    }
}
