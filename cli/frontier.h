/* frontier - an earlier state of a run: which records made the weights then.
 *
 * Its ends (where each machine's chain stood when the frontier was named) say it exactly. Where they are not kept, it is the
 * records of rounds below it, among which may be some that came late; the digest that was recorded then tells.
 *
 * Owns:    nothing; points into a history.
 * Threads: pure. */
#ifndef OB_CLI_FRONTIER_H
#define OB_CLI_FRONTIER_H

#include "history/history.h"
#include "record/record.h"

struct ob_cli_frontier {
    uint32_t round;
    struct ob_hash weights;            /* zeros: not recorded */
    const struct ob_history_end *ends; /* by machine; NULL: not kept */
    size_t count;
};

/* history NULL: nothing is recorded. */
struct ob_cli_frontier ob_cli_frontier_of(const struct ob_history *history, uint32_t round);
bool ob_cli_frontier_has(const struct ob_cli_frontier *frontier, const struct ob_record *record);

#endif
