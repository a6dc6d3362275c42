#include "peer/chain.h"

#include <assert.h>
#include <string.h>

bool ob_chain_extends(const struct chain *chain, const struct ob_record *record) {
    if (record->first.index != chain->next || !ob_hash_equal(&record->prev, &chain->head))
        return false;
    return !chain->has_records || record->round.index > chain->head_round;
}

/* Before a record of this round is taken in. */
static void cross(struct chain *chain, uint32_t round, uint32_t interval) {
    uint32_t from = chain->has_records ? chain->head_round + 1 : 0;
    if (interval == 0 || round < interval || round / interval * interval < from)
        return;
    if (chain->crossing_count == CROSSINGS) {
        memmove(&chain->crossings[0], &chain->crossings[1], (CROSSINGS - 1) * sizeof chain->crossings[0]);
        chain->crossing_count--;
    }
    chain->crossings[chain->crossing_count++] =
        (struct crossing){.from = from, .upto = round, .next = chain->next, .head = chain->head};
}

static void set_head(struct chain *chain, const struct ob_record *head, const struct ob_hash *hash) {
    chain->has_records = true;
    chain->head_first = head->first.index;
    chain->next = head->first.index + head->n;
    chain->head = *hash;
    chain->head_round = head->round.index;
    assert(chain->next > chain->head_first);
}

void ob_chain_extend(struct chain *chain, const struct ob_record *record, const struct ob_hash *hash,
                     uint32_t interval) {
    assert(ob_chain_extends(chain, record));
    cross(chain, record->round.index, interval);
    set_head(chain, record, hash);
}

void ob_chain_shorten(struct chain *chain, const struct ob_record *head, const struct ob_hash *hash) {
    chain->has_records = false;
    chain->next = chain->head_first = 0;
    chain->head_round = 0;
    chain->head = (struct ob_hash){{0}};
    if (head != NULL)
        set_head(chain, head, hash);
    while (chain->crossing_count > 0 && chain->crossings[chain->crossing_count - 1].next >= chain->next)
        chain->crossing_count--;
}

bool ob_chain_end_below(const struct chain *chain, uint32_t below, uint64_t *ret_next,
                        struct ob_hash *ret_head) {
    *ret_next = chain->next;
    *ret_head = chain->head;
    if (!chain->has_records || chain->head_round < below)
        return true;
    for (size_t i = 0; i < chain->crossing_count; i++) {
        const struct crossing *crossing = &chain->crossings[i];
        if (crossing->from > below || crossing->upto < below)
            continue;
        *ret_next = crossing->next;
        *ret_head = crossing->head;
        return true;
    }
    return false;
}
