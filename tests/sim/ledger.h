/* ledger - what every machine of a run really signed: the all-knowing witness of a simulation.
 *
 * An honest machine's records are one chain. One whose key is on two hosts, or that attacks, may have several
 * records for a sample; they stand beside one another, sorted by first sample. What an attacker signed stands there
 * from the moment on when it first reached a running machine: of what nobody was ever shown, nobody can know. */
#ifndef OB_SIM_LEDGER_H
#define OB_SIM_LEDGER_H

#include <stddef.h>

#include "record/record.h"

struct sim_record {
    size_t machine; /* its number */
    uint64_t first;
    uint16_t n;
    bool published;
    /* how it spread */
    uint64_t published_ns, reached_ns;   /* first published; last taken in by somebody */
    uint32_t holders, pushed, hops_most; /* pushed: by a publication, the others fetched it */
    uint64_t hops_sum;
    int32_t *change; /* what it does to weights, when a replica has asked for it (replica.c); else NULL */
    size_t bytes;
    uint8_t data[]; /* encoded */
};

struct sim_chain {
    struct sim_record **records;
    size_t count, capacity;
};

struct sim_ledger {
    struct sim_chain *chains; /* one for each machine that may sign */
    struct sim_chain *kept;   /* what an attacker signed and has shown to nobody yet, in no order */
    size_t machines;
};

void sim_ledger_init(struct sim_ledger *ledger, size_t machines);
void sim_ledger_done(struct sim_ledger *ledger);

/* Position of the first record that starts at `first`, or of the first one after it. */
size_t sim_chain_find(const struct sim_chain *chain, uint64_t first);
void sim_chain_add(struct sim_chain *chain, struct sim_record *record);
static inline uint64_t sim_chain_end(const struct sim_chain *chain) {
    return chain->count == 0 ? 0
                             : chain->records[chain->count - 1]->first + chain->records[chain->count - 1]->n;
}

/* The position of the record that holds a sample; SIZE_MAX: none does. */
size_t sim_chain_holding(const struct sim_chain *chain, uint64_t sample);
/* An OB_MESSAGE_RECORDS of a chain from the record on that holds `first`, at most `count` (0: as many as
 * fit). Returns its length. */
size_t sim_chain_message(const struct sim_chain *chain, const struct ob_run_id *run, uint64_t first,
                         size_t count, size_t capacity, uint8_t *ret_data);

/* A record was signed: new, or the same as before. Of an honest machine it must continue its chain; otherwise
 * NULL, and ret_broken says which rule broke. */
struct sim_record *sim_ledger_sign(struct sim_ledger *ledger, size_t machine, bool honest,
                                   const struct ob_record *record, const char **ret_broken);
/* An attacker signed a record. */
struct sim_record *sim_ledger_keep(struct sim_ledger *ledger, size_t machine, const struct ob_record *record);
/* These bytes of a record reached a running machine: the record of an attacker that they are, if any, is no longer kept
 * back. */
void sim_ledger_show(struct sim_ledger *ledger, const uint8_t *data, size_t bytes);
/* The same record as some machine signed, or NULL. */
struct sim_record *sim_ledger_find(const struct sim_ledger *ledger, size_t machine,
                                   const struct ob_record *record);
/* A record that decodes, as it must. */
struct ob_record sim_record_decode(const struct sim_record *record);

#endif
