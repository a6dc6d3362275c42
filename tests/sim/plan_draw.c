/* plan_draw - a plan from a seed: which kinds of faults there are at all, how many of each, when and to whom.
 * Times are whole milliseconds, so that a plan is the same after it was written and read. */
#include <math.h>

#include "record/invitation.h"
#include "tests/sim/plan.h"

struct kind {
    enum sim_fault fault;
    double chance;      /* that a plan has this kind at all */
    unsigned most;      /* how many then, for about ten machines */
    double for_s;       /* lasts at most; 0: no end */
    double least, span; /* value */
    bool sometimes_for_good;
};

static const struct kind KINDS[] = {
    {SIM_LOSS, 0.6, 4, 15, 0.02, 0.28},    {SIM_DUPLICATES, 0.5, 2, 20, 0.02, 0.15},
    {SIM_SLOW, 0.5, 2, 20, 0.02, 0.1},     {SIM_LAG, 0.25, 2, 12, 0.05, 0.8},
    {SIM_ONE_WAY, 0.3, 4, 10, 0, 0},       {SIM_SPLIT, 0.5, 3, 10, 0, 0},
    {SIM_CRASH, 0.6, 10, 8, 0, 0},         {SIM_TEAR, 0.5, 6, 3, 0, 60},
    {SIM_LEAVE, 0.4, 3, 9, 0, 0, true},    {SIM_PAUSE, 0.4, 2, 8, 0, 0},
    {SIM_STRAGGLE, 0.3, 2, 10, 2, 20},     {SIM_FULL, 0.25, 3, 6, 0, 0},
    {SIM_RESTORE, 0.2, 2, 4, 0, 0},        {SIM_GARBLE, 0.15, 1, 10, 0.02, 0.3},
    {SIM_LOSE, 0.3, 4, 0, 1, 3},           {SIM_COPY, 0.1, 1, 0, 0, 0},
    {SIM_FORK, 0.25, 2, 8, 0, 0},          {SIM_REVOKE, 0.3, 2, 0, 0, 1.2},
    {SIM_RENEW, 0.3, 4, 0, 0, 0},          {SIM_ROTATE, 0.15, 2, 0, 0, 0},
    {SIM_CLOCK, 0.3, 3, 12, -4000, 8000},  {SIM_LOWER, 0.2, 2, 0, 0, 1.2},
    {SIM_FLIP, 0.3, 3, 0, 0, 0},           {SIM_MOVE, 0.3, 4, 0, 0, 0},
    {SIM_LEAVE, 0.1, 25, 1.5, 0, 0}, /* come and go */
    {SIM_HOSTILE, 0.5, 1, 40, 0, 0, true},
};

static uint64_t milliseconds(struct test_random *random, double at_most_s) {
    return (1 + test_random_below(random, (uint64_t)(at_most_s * 1000))) * SIM_MILLISECONDS;
}

static double fraction(struct test_random *random) {
    return (double)test_random_below(random, 1001) / 1000;
}

/* Another revocation of the same machine at about the same time, told to somebody else. */
static struct sim_entry contradiction(const struct sim_plan *plan, struct test_random *random,
                                      struct sim_entry entry) {
    entry.at_ns += milliseconds(random, 4);
    entry.other = test_random_below(random, plan->peers);
    entry.value = floor(120 * fraction(random)) / 100;
    entry.nodes = 0;
    return entry;
}

static void add(struct sim_plan *plan, struct test_random *random, const struct kind *kind) {
    struct sim_entry entry = {.fault = kind->fault,
                              .at_ns = milliseconds(random, (double)plan->faults_s),
                              .node = test_random_below(random, plan->peers + plan->joiners),
                              .other = test_random_below(random, plan->peers),
                              .value = kind->least + floor(kind->span * fraction(random) * 100) / 100,
                              .nodes = test_random_next(random)};
    if (kind->for_s > 0)
        entry.for_ns = milliseconds(random, kind->for_s);
    if (kind->sometimes_for_good && test_random_chance(random, 0.5))
        entry.for_ns = 0;
    if (kind->fault == SIM_HOSTILE)
        entry.value = (double)test_random_below(random, SIM_HOSTILE_KINDS);
    if (kind->fault == SIM_FORK)
        entry.value = (double)test_random_below(random, SIM_FORK_KINDS);
    if (kind->fault == SIM_LOSE)
        entry.other = 1 + test_random_below(random, 8);
    if (kind->fault == SIM_RENEW)
        entry.value = test_random_chance(random, 0.5) ? 0 : (double)test_random_below(random, 40);
    if (kind->fault == SIM_TEAR)
        entry.value = floor(entry.value);
    if (kind->fault != SIM_SPLIT && kind->fault != SIM_FORK)
        entry.nodes = 0;
    if (kind->fault == SIM_ROTATE)
        entry.value = test_random_chance(random, 0.4);
    if (kind->fault == SIM_REVOKE && test_random_chance(random, 0.4))
        (void)sim_plan_add(plan, contradiction(plan, random, entry));
    if (kind->fault == SIM_RESTORE) { /* from an older copy */
        struct sim_entry backup = entry;
        backup.fault = SIM_BACKUP;
        backup.for_ns = 0;
        backup.at_ns = test_random_below(random, entry.at_ns / SIM_MILLISECONDS + 1) * SIM_MILLISECONDS;
        (void)sim_plan_add(plan, backup);
    }
    (void)sim_plan_add(plan, entry);
}

/* Sometimes for fewer machines than come, sometimes too short, sometimes withdrawn while they come. */
static void draw_invitation(struct sim_plan *plan, struct test_random *random) {
    plan->invited = plan->joiners > 0 && test_random_chance(random, 0.6);
    if (!plan->invited)
        return;
    uint64_t uses = 1 + test_random_below(random, plan->joiners + 1);
    plan->uses = uses < OB_INVITATION_USES_MAX ? uses : OB_INVITATION_USES_MAX;
    if (test_random_chance(random, 0.2))
        plan->invited_s = 1 + test_random_below(random, plan->faults_s);
    if (test_random_chance(random, 0.3))
        (void)sim_plan_add(plan, (struct sim_entry){.fault = SIM_WITHDRAW,
                                                    .at_ns = milliseconds(random, (double)plan->faults_s),
                                                    .other = test_random_below(random, plan->peers),
                                                    .nodes = test_random_next(random)});
}

struct sim_plan sim_plan_draw(uint64_t seed, size_t peers) {
    static const uint64_t STALENESS[] = {0, 1, 2, 4, 16};
    static const uint64_t ISOLATION[] = {8, 64, 256};
    struct test_random random = {seed ^ 0x7363656e6172696full};
    struct sim_plan plan = sim_plan_default();
    plan.seed = seed;
    plan.peers = peers;
    plan.joiners = test_random_below(&random, peers < 40 ? peers / 4 + 2 : 10);
    plan.staleness = STALENESS[test_random_below(&random, 5)];
    plan.samples = 1 + test_random_below(&random, 12);
    plan.delay_ms = 1 + test_random_below(&random, 80);
    plan.round_ms = 40 + test_random_below(&random, 200);
    plan.old = test_random_below(&random, 3) * 10;
    plan.degree = test_random_chance(&random, 0.35) ? 4 : 0;
    plan.relay = plan.degree != 0 && test_random_chance(&random, 0.6);
    plan.silent = test_random_chance(&random, 0.5);
    plan.isolation = ISOLATION[test_random_below(&random, 3)];
    plan.healed_s = 70; /* a machine restored from a backup waits 25 s for answers first */
    for (size_t joiner = 0; joiner < plan.joiners; joiner++)
        (void)sim_plan_add(&plan, (struct sim_entry){.fault = SIM_JOIN,
                                                     .at_ns = milliseconds(&random, (double)plan.faults_s),
                                                     .node = peers + joiner});
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++) {
        if (!test_random_chance(&random, KINDS[i].chance))
            continue;
        uint64_t most = KINDS[i].most * (peers < 10 ? 10 : peers > 100 ? 100 : peers) / 10;
        for (uint64_t count = 1 + test_random_below(&random, most); count > 0; count--)
            add(&plan, &random, &KINDS[i]);
    }
    draw_invitation(&plan, &random);
    return plan;
}
