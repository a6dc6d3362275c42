#include "tests/sim/ledger.h"

#include <stdlib.h>
#include <string.h>

void sim_ledger_init(struct sim_ledger *ledger, size_t machines) {
    ledger->machines = machines;
    ledger->chains = calloc(machines, sizeof *ledger->chains);
    if (ledger->chains == NULL)
        abort();
}

void sim_ledger_done(struct sim_ledger *ledger) {
    for (size_t machine = 0; machine < ledger->machines; machine++) {
        for (size_t i = 0; i < ledger->chains[machine].count; i++)
            free(ledger->chains[machine].records[i]);
        free(ledger->chains[machine].records);
    }
    free(ledger->chains);
}

size_t sim_chain_find(const struct sim_chain *chain, uint64_t first) {
    size_t low = 0, high = chain->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (chain->records[middle]->first < first)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void sim_chain_add(struct sim_chain *chain, struct sim_record *record) {
    if (chain->count == chain->capacity) {
        chain->capacity = chain->capacity == 0 ? 64 : 2 * chain->capacity;
        chain->records = realloc(chain->records, chain->capacity * sizeof(struct sim_record *));
        if (chain->records == NULL)
            abort();
    }
    chain->records[chain->count++] = record;
}

struct sim_record *sim_ledger_find(const struct sim_ledger *ledger, size_t machine,
                                   const struct ob_record *record) {
    const struct sim_chain *chain = &ledger->chains[machine];
    size_t position = sim_chain_find(chain, record->first.index);
    uint8_t data[OB_RECORD_BYTES_MAX];
    size_t bytes = ob_record_encode(record, data);
    if (position == chain->count || chain->records[position]->bytes != bytes ||
        memcmp(chain->records[position]->data, data, bytes) != 0)
        return NULL;
    return chain->records[position];
}

struct sim_record *sim_ledger_sign(struct sim_ledger *ledger, size_t machine, const struct ob_record *record,
                                   const char **ret_broken) {
    struct sim_chain *chain = &ledger->chains[machine];
    uint64_t end = sim_chain_end(chain);
    *ret_broken = NULL;
    if (record->first.index < end) {
        struct sim_record *known = sim_ledger_find(ledger, machine, record);
        *ret_broken = known == NULL ? "a machine signed two different bodies for one sample" : NULL;
        return known;
    }
    if (record->first.index > end) {
        *ret_broken = "a machine left out samples";
        return NULL;
    }
    struct sim_record *fresh = malloc(sizeof *fresh + ob_record_bytes(record));
    if (fresh == NULL)
        abort();
    *fresh = (struct sim_record){.machine = machine, .first = record->first.index, .n = record->n};
    fresh->bytes = ob_record_encode(record, fresh->data);
    sim_chain_add(chain, fresh);
    return fresh;
}
