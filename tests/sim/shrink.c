/* shrink - delta debugging of a plan: ever smaller pieces are left out while what is left still fails in the
 * same way. A copy of an identity stays where it is in the order, so that the numbers of nodes stay right. */
#include "tests/sim/run.h"

#include <string.h>

static bool still_fails(const struct sim_plan *plan, const char *broken, size_t *runs) {
    ++*runs;
    struct sim_result result = sim_run_plan(plan, (struct sim_run_options){0});
    return result.broken != NULL && strcmp(result.broken, broken) == 0;
}

static struct sim_plan without(const struct sim_plan *plan, size_t first, size_t count) {
    struct sim_plan less = *plan;
    memmove(&less.entries[first], &less.entries[first + count],
            (less.count - first - count) * sizeof less.entries[0]);
    less.count -= count;
    return less;
}

static void drop_entries(struct sim_plan *plan, const char *broken, size_t *runs) {
    for (size_t piece = plan->count; piece > 0; piece /= 2)
        for (size_t first = 0; first < plan->count;) {
            size_t count = first + piece > plan->count ? plan->count - first : piece;
            struct sim_plan less = without(plan, first, count);
            if (still_fails(&less, broken, runs))
                *plan = less;
            else
                first += piece;
        }
}

/* The smallest value of a parameter, by halving the distance, with which it still fails. */
static void lower(struct sim_plan *plan, uint64_t *parameter, uint64_t smallest, const char *broken,
                  size_t *runs) {
    uint64_t works = *parameter;
    for (uint64_t low = smallest; low < works;) {
        *parameter = low + (works - low) / 2;
        if (still_fails(plan, broken, runs))
            works = *parameter;
        else
            low = *parameter + 1;
    }
    *parameter = works;
}

static uint64_t last_second(const struct sim_plan *plan) {
    uint64_t last = 1;
    for (size_t i = 0; i < plan->count; i++)
        if (plan->entries[i].at_ns != SIM_AT_END && plan->entries[i].at_ns / SIM_SECONDS + 1 > last)
            last = plan->entries[i].at_ns / SIM_SECONDS + 1;
    return last;
}

size_t sim_shrink(struct sim_plan *plan, const char *broken) {
    size_t runs = 0, before;
    do {
        before = plan->count;
        drop_entries(plan, broken, &runs);
    } while (plan->count < before);
    lower(plan, &plan->faults_s, last_second(plan), broken, &runs);
    uint64_t *const switches[] = {&plan->joiners, &plan->relay, &plan->degree, &plan->silent, &plan->old};
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++) {
        uint64_t was = *switches[i];
        bool joins = switches[i] == &plan->joiners && plan->count > 0;
        *switches[i] = 0;
        if (was != 0 && (joins || !still_fails(plan, broken, &runs)))
            *switches[i] = was;
    }
    return runs;
}
