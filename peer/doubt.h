/* doubt - who sent records of a chain whose signatures are bad is not asked for that chain again for a while:
 * DOUBT_FIRST_NS after the first time, twice as long after each further one, at most DOUBT_LONGEST_NS. What
 * it claims of that chain is not believed meanwhile. One good record of the chain from it ends the doubt.
 *
 * Only answers that no honest machine gives are counted: frames are authenticated, so a bad signature was
 * sent by the source itself (or its disk is damaged, which one good record mends). Silence and loss are not
 * doubted (repair.c lets such a claim rest). A source remembers DOUBTS of its chains; when each of them is in
 * doubt, so is everything from that source. Pure; nothing here knows a peer. */
#ifndef OB_PEER_DOUBT_H
#define OB_PEER_DOUBT_H

#include <stdbool.h>

#include "base/ids.h"

#define DOUBTS 4 /* chains of which a source sent badly signed records */

struct doubt {
    struct ob_machine_id of; /* whose chain */
    uint64_t until_ns;
    unsigned strikes; /* 0: a free place */
};

/* Of one source. */
struct doubts {
    struct doubt list[DOUBTS];
};

void ob_doubt_bad(struct doubts *source, const struct ob_machine_id *of, uint64_t now_ns);
void ob_doubt_good(struct doubts *source, const struct ob_machine_id *of);
bool ob_doubted(const struct doubts *source, const struct ob_machine_id *of, uint64_t now_ns);

#endif
