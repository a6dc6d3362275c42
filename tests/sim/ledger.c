#include "tests/sim/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "peer/message.h"

void sim_ledger_init(struct sim_ledger *ledger, size_t machines) {
    ledger->machines = machines;
    ledger->chains = calloc(machines, sizeof *ledger->chains);
    ledger->kept = calloc(machines, sizeof *ledger->kept);
    if (!ledger->chains || !ledger->kept)
        abort();
}

static void free_all(struct sim_chain *chains, size_t machines) {
    for (size_t machine = 0; machine < machines; machine++) {
        for (size_t i = 0; i < chains[machine].count; i++) {
            free(chains[machine].records[i]->change);
            free(chains[machine].records[i]);
        }
        free(chains[machine].records);
    }
    free(chains);
}

void sim_ledger_done(struct sim_ledger *ledger) {
    free_all(ledger->chains, ledger->machines);
    free_all(ledger->kept, ledger->machines);
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

size_t sim_chain_holding(const struct sim_chain *chain, uint64_t sample) {
    size_t after = sim_chain_find(chain, sample + 1);
    if (after == 0 || chain->records[after - 1]->first + chain->records[after - 1]->n <= sample)
        return SIZE_MAX;
    return after - 1;
}

size_t sim_chain_message(const struct sim_chain *chain, const struct ob_run_id *run, uint64_t first,
                         size_t count, size_t capacity, uint8_t *ret_data) {
    struct ob_message_records message;
    ob_message_records_start(&message, run, ret_data, capacity);
    size_t end = chain->count;
    size_t start = sim_chain_holding(chain, first);
    if (start == SIZE_MAX)
        start = sim_chain_find(chain, first);
    if (count > 0 && count < end - start)
        end = start + count;
    for (size_t i = start; i < end; i++)
        if (!ob_message_records_add(&message, chain->records[i]->data, chain->records[i]->bytes))
            break;
    return ob_message_records_end(&message);
}

void sim_chain_add(struct sim_chain *chain, struct sim_record *record) {
    if (chain->count == chain->capacity) {
        chain->capacity = chain->capacity == 0 ? 16 : 2 * chain->capacity;
        chain->records = realloc(chain->records, chain->capacity * sizeof(struct sim_record *));
        if (chain->records == NULL)
            abort();
    }
    chain->records[chain->count++] = record;
}

static void insert(struct sim_chain *chain, struct sim_record *record) {
    size_t position = sim_chain_find(chain, record->first);
    sim_chain_add(chain, record);
    memmove(&chain->records[position + 1], &chain->records[position],
            (chain->count - 1 - position) * sizeof(struct sim_record *));
    chain->records[position] = record;
}

struct sim_record *sim_ledger_find(const struct sim_ledger *ledger, size_t machine,
                                   const struct ob_record *record) {
    const struct sim_chain *chain = &ledger->chains[machine];
    uint8_t data[OB_RECORD_BYTES_MAX];
    size_t bytes = ob_record_encode(record, data);
    for (size_t i = sim_chain_find(chain, record->first.index);
         i < chain->count && chain->records[i]->first == record->first.index; i++)
        if (chain->records[i]->bytes == bytes && memcmp(chain->records[i]->data, data, bytes) == 0)
            return chain->records[i];
    return NULL;
}

static const char *what_breaks(const struct sim_chain *chain, const struct ob_record *record) {
    if (record->first.index < sim_chain_end(chain))
        return "a machine signed two different bodies for one sample";
    if (record->first.index > sim_chain_end(chain))
        return "a machine left out samples";
    return NULL;
}

static struct sim_record *make(size_t machine, const struct ob_record *record) {
    struct sim_record *fresh = malloc(sizeof *fresh + ob_record_bytes(record));
    if (fresh == NULL)
        abort();
    *fresh = (struct sim_record){.machine = machine, .first = record->first.index, .n = record->n};
    fresh->bytes = ob_record_encode(record, fresh->data);
    return fresh;
}

struct sim_record *sim_ledger_sign(struct sim_ledger *ledger, size_t machine, bool honest,
                                   const struct ob_record *record, const char **ret_broken) {
    struct sim_chain *chain = &ledger->chains[machine];
    struct sim_record *known = sim_ledger_find(ledger, machine, record);
    *ret_broken = NULL;
    if (known != NULL)
        return known;
    if (honest && (*ret_broken = what_breaks(chain, record)) != NULL)
        return NULL;
    struct sim_record *fresh = make(machine, record);
    insert(chain, fresh);
    return fresh;
}

struct sim_record *sim_ledger_keep(struct sim_ledger *ledger, size_t machine,
                                   const struct ob_record *record) {
    struct sim_chain *kept = &ledger->kept[machine];
    struct sim_record *known = sim_ledger_find(ledger, machine, record), *fresh = make(machine, record);
    for (size_t i = 0; i < kept->count && known == NULL; i++)
        if (kept->records[i]->bytes == fresh->bytes &&
            memcmp(kept->records[i]->data, fresh->data, fresh->bytes) == 0)
            known = kept->records[i];
    if (known == NULL) {
        sim_chain_add(kept, fresh);
        return fresh;
    }
    free(fresh);
    return known;
}

void sim_ledger_show(struct sim_ledger *ledger, const uint8_t *data, size_t bytes) {
    for (size_t machine = 0; machine < ledger->machines; machine++) {
        struct sim_chain *kept = &ledger->kept[machine];
        for (size_t i = 0; i < kept->count; i++) {
            struct sim_record *record = kept->records[i];
            if (record->bytes != bytes || memcmp(record->data, data, bytes) != 0)
                continue;
            kept->records[i] = kept->records[--kept->count];
            insert(&ledger->chains[machine], record);
            return;
        }
    }
}

struct ob_record sim_record_decode(const struct sim_record *record) {
    static const struct ob_record_bounds WIDE = {OB_ROUNDS_MAX, UINT16_MAX, OB_SAMPLES_PER_ROUND_MAX,
                                                 -128,          127,        1};
    struct ob_record decoded;
    if (ob_record_decode(record->data, record->bytes, &WIDE, &decoded, NULL) != OB_OK)
        abort();
    return decoded;
}
