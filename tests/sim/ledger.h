/* ledger - what every machine of a run really signed: the all-knowing witness of a simulation. */
#ifndef OB_SIM_LEDGER_H
#define OB_SIM_LEDGER_H

#include <stddef.h>

#include "record/record.h"

struct sim_record {
    size_t machine; /* number of the machine in the cluster */
    uint64_t first;
    uint16_t n;
    bool published;
    size_t bytes;
    uint8_t data[]; /* encoded */
};

struct sim_chain {
    struct sim_record **records;
    size_t count, capacity;
};

struct sim_ledger {
    struct sim_chain *chains; /* one for each machine */
    size_t machines;
};

void sim_ledger_init(struct sim_ledger *ledger, size_t machines);
void sim_ledger_done(struct sim_ledger *ledger);

/* Position of the record that starts at `first`, or of the first one after it. */
size_t sim_chain_find(const struct sim_chain *chain, uint64_t first);
void sim_chain_add(struct sim_chain *chain, struct sim_record *record);
static inline uint64_t sim_chain_end(const struct sim_chain *chain) {
    return chain->count == 0 ? 0
                             : chain->records[chain->count - 1]->first + chain->records[chain->count - 1]->n;
}

/* An own record became durable: new, or the same as before; otherwise ret_broken says which rule broke. */
struct sim_record *sim_ledger_sign(struct sim_ledger *ledger, size_t machine, const struct ob_record *record,
                                   const char **ret_broken);
/* The same record as some machine signed, or NULL. */
struct sim_record *sim_ledger_find(const struct sim_ledger *ledger, size_t machine,
                                   const struct ob_record *record);

#endif
