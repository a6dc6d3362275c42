#include "cli/frontier.h"

struct ob_cli_frontier ob_cli_frontier_of(const struct ob_history *history, uint32_t round) {
    struct ob_cli_frontier frontier = {.round = round};
    const struct ob_history_frontier *recorded = history ? ob_history_frontier_of(history, round) : NULL;
    if (!recorded)
        return frontier;
    frontier.weights = recorded->weights;
    frontier.ends = ob_history_ends(history, round, &frontier.count);
    return frontier;
}

bool ob_cli_frontier_has(const struct ob_cli_frontier *frontier, const struct ob_record *record) {
    if (!frontier->ends)
        return record->round.index < frontier->round;
    for (size_t low = 0, high = frontier->count; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = ob_machine_compare(&frontier->ends[middle].machine, &record->machine);
        if (order == 0)
            return record->first.index < frontier->ends[middle].next;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}
