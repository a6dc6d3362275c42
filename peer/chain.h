/* chain - what is remembered of one machine's chain: where it ends, and where it passed the last named
 * frontiers. Pure; nothing here knows a peer. */
#ifndef OB_PEER_CHAIN_H
#define OB_PEER_CHAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/ids.h"
#include "record/record.h"

#define CROSSINGS 2 /* named frontiers that a chain's end is remembered at */

/* At any R from `from` to `upto` a chain ended so: the records of rounds below R. */
struct crossing {
    uint32_t from, upto;
    uint64_t next;
    struct ob_hash head;
};

struct chain {
    bool has_records;
    uint64_t next;       /* samples held: [0, next) */
    uint64_t head_first; /* first sample of the head */
    struct ob_hash head; /* zeros without records */
    uint32_t head_round;
    struct crossing crossings[CROSSINGS]; /* the last ones */
    size_t crossing_count;
};

bool ob_chain_extends(const struct chain *chain, const struct ob_record *record);
/* Takes a record that extends it in. `interval`: frontiers are named at its multiples; 0: none are. */
void ob_chain_extend(struct chain *chain, const struct ob_record *record, const struct ob_hash *hash,
                     uint32_t interval);
/* Ends it at an earlier record of it; NULL: at its beginning. */
void ob_chain_shorten(struct chain *chain, const struct ob_record *head, const struct ob_hash *hash);
/* Where it stands at R = below; false: that is not known any more. */
bool ob_chain_end_below(const struct chain *chain, uint32_t below, uint64_t *ret_next,
                        struct ob_hash *ret_head);

#endif
