#include "tests/sim/replica.h"

#include <stdlib.h>

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

void sim_replica_apply(struct sim_replica *replica, const struct sim_record *record) {
    if (replica->weights == NULL)
        return;
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

void sim_replica_unapply(struct sim_replica *replica, const struct sim_record *record) {
    if (replica->weights == NULL)
        return;
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
