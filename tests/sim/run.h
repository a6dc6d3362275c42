/* run - a plan from its beginning to its end, with all checks: faults, then training in peace, then silence.
 */
#ifndef OB_SIM_RUN_H
#define OB_SIM_RUN_H

#include "tests/sim/cluster.h"

struct sim_result {
    const char *broken; /* NULL, or the rule */
    size_t broken_at;
    double broken_s;
    struct sim_counts counts;
};

struct sim_run_options {
    bool verbose; /* what every peer tells, and what the one that broke a rule knew */
    bool report;  /* how records spread, and what it cost */
};

struct sim_result sim_run_plan(const struct sim_plan *plan, struct sim_run_options options);

/* Cuts a plan that fails down: entries, then machines and time, as long as it still fails in the same way.
 * Returns the number of runs that it took. */
size_t sim_shrink(struct sim_plan *plan, const char *broken);

/* report.c */
void sim_report(const struct sim_cluster *cluster);
void sim_report_node(const struct sim_cluster *cluster, size_t node);

#endif
