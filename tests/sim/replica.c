#include "tests/sim/replica.h"

#include <stdlib.h>
#include <string.h>

static const struct ob_spsa_tensor LAYOUT[] = {{.elements = 600, .exponent = 24, .log2_scale = 0},
                                               {.elements = 600, .exponent = 26, .log2_scale = 3}};
#define TENSORS (sizeof LAYOUT / sizeof LAYOUT[0])

void sim_replica_init(struct sim_replica *replica, const struct ob_spsa_engine *engine,
                      const struct ob_spsa_rule *rule) {
    *replica = (struct sim_replica){.engine = engine, .rule = rule};
    if (ob_spsa_weights_new(LAYOUT, TENSORS, &replica->weights, NULL) != OB_OK)
        abort();
}

void sim_replica_done(struct sim_replica *replica) {
    ob_spsa_weights_free(replica->weights);
    replica->weights = NULL;
    replica->pending_count = 0;
}

static struct ob_spsa_update update_of(const struct sim_record *stored) {
    struct ob_record record = sim_record_decode(stored);
    return (struct ob_spsa_update){.machine = record.machine,
                                   .first = record.first,
                                   .round = record.round,
                                   .live = record.live,
                                   .n = record.n,
                                   .exponent = record.exponent,
                                   .bytes = record.bytes};
}

static size_t elements(void) {
    size_t count = 0;
    for (size_t t = 0; t < TENSORS; t++)
        count += LAYOUT[t].elements;
    return count;
}

/* What the library makes of weights of zero. */
static const int32_t *change_of(const struct sim_replica *replica, struct sim_record *record) {
    if (record->change != NULL)
        return record->change;
    struct sim_replica zero;
    struct ob_spsa_update update = update_of(record);
    sim_replica_init(&zero, replica->engine, replica->rule);
    int32_t *place = record->change = malloc(elements() * sizeof *place);
    if (place == NULL || ob_spsa_apply(zero.engine, zero.weights, zero.rule, &update, 1, NULL) != OB_OK)
        abort();
    for (size_t t = 0; t < TENSORS; place += LAYOUT[t].elements, t++)
        memcpy(place, zero.weights->values[t], LAYOUT[t].elements * sizeof *place);
    sim_replica_done(&zero);
    return record->change;
}

/* Sums modulo 2^32, as the library's are: a wrong bit may make them large. */
static void add_change(struct sim_replica *replica, struct sim_record *record, bool back) {
    const int32_t *change = change_of(replica, record);
    uint32_t flip = back ? UINT32_MAX : 0; /* -x = ~x + 1 */
    for (size_t t = 0; t < TENSORS; change += LAYOUT[t].elements, t++)
        for (size_t i = 0; i < LAYOUT[t].elements; i++) {
            int32_t *value = &replica->weights->values[t][i];
            *value = (int32_t)((uint32_t)*value + ((uint32_t)change[i] ^ flip) + (flip & 1));
        }
}

void sim_replica_apply(struct sim_replica *replica, struct sim_record *record) {
    if (replica->weights == NULL)
        return;
    if (replica->shares) {
        add_change(replica, record, false);
        return;
    }
    replica->pending[replica->pending_count++] = record;
    if (replica->pending_count == SIM_REPLICA_BATCH)
        sim_replica_flush(replica);
}

void sim_replica_flush(struct sim_replica *replica) {
    struct ob_spsa_update updates[SIM_REPLICA_BATCH];
    if (replica->pending_count == 0)
        return;
    for (size_t i = 0; i < replica->pending_count; i++)
        updates[i] = update_of(replica->pending[i]);
    if (ob_spsa_apply(replica->engine, replica->weights, replica->rule, updates, replica->pending_count,
                      NULL) != OB_OK)
        abort();
    replica->pending_count = 0;
}

void sim_replica_unapply(struct sim_replica *replica, struct sim_record *record) {
    if (replica->weights == NULL)
        return;
    if (replica->shares) {
        add_change(replica, record, true);
        return;
    }
    sim_replica_flush(replica);
    struct ob_spsa_update update = update_of(record);
    if (ob_spsa_unapply(replica->engine, replica->weights, replica->rule, &update, 1, NULL) != OB_OK)
        abort();
}

void sim_replica_flip(struct sim_replica *replica, uint64_t which) {
    if (replica->weights == NULL)
        return;
    sim_replica_flush(replica);
    size_t tensor = which % TENSORS, element = which / TENSORS % LAYOUT[tensor].elements;
    uint32_t bit = 1u << which / TENSORS / LAYOUT[tensor].elements % 32;
    int32_t *value = &replica->weights->values[tensor][element];
    *value = (int32_t)((uint32_t)*value ^ bit);
}

bool sim_replica_equal(const struct sim_replica *a, const struct sim_replica *b) {
    for (size_t t = 0; t < TENSORS; t++)
        if (memcmp(a->weights->values[t], b->weights->values[t], LAYOUT[t].elements * sizeof(int32_t)) != 0)
            return false;
    return true;
}
