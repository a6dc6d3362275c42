/* sim_run - runs seeded simulations of a whole cluster of peers; see cluster.h and plan.h.
 *
 *   sim_run [--seeds N] [--peers M] [--seed S] [--ed25519] [--shrink] [--report] [--verbose]
 *   sim_run [--shrink] [--report] [--verbose] --schedule FILE …
 *   sim_run --print [--peers M] --seed S
 * Seeds S, S+1, … S+N-1, or the schedules of files; --print writes a seed's schedule and runs nothing.
 * --shrink: what fails is cut down to a short schedule. Exit status 1 when one fails. */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/sim/run.h"

struct arguments {
    uint64_t seed, seeds;
    size_t peers;
    bool ed25519, shrink, print;
    struct sim_run_options options;
    char **schedules; /* rest of the command line, NULL: none */
    size_t schedule_count;
};

static bool flag(const char *word, struct arguments *arguments) {
    const struct {
        const char *name;
        bool *place;
    } FLAGS[] = {{"--ed25519", &arguments->ed25519},
                 {"--shrink", &arguments->shrink},
                 {"--print", &arguments->print},
                 {"--report", &arguments->options.report},
                 {"--verbose", &arguments->options.verbose}};
    for (size_t i = 0; i < sizeof FLAGS / sizeof FLAGS[0]; i++)
        if (strcmp(word, FLAGS[i].name) == 0)
            return *FLAGS[i].place = true;
    return false;
}

static bool number(const char *word, const char *value, struct arguments *arguments) {
    char *end;
    uint64_t parsed = strtoull(value, &end, 10);
    if (end == value || *end != 0)
        return false;
    if (strcmp(word, "--seeds") == 0)
        arguments->seeds = parsed;
    else if (strcmp(word, "--peers") == 0)
        arguments->peers = parsed;
    else if (strcmp(word, "--seed") == 0)
        arguments->seed = parsed;
    else
        return false;
    return true;
}

static bool parse(int count, char **words, struct arguments *arguments) {
    *arguments = (struct arguments){.seed = 1, .seeds = 20, .peers = 12};
    for (int i = 1; i < count; i++) {
        if (strcmp(words[i], "--schedule") == 0) {
            arguments->schedules = words + i + 1;
            arguments->schedule_count = (size_t)(count - i - 1);
            return arguments->schedule_count > 0;
        }
        if (flag(words[i], arguments))
            continue;
        if (i + 1 == count || !number(words[i], words[i + 1], arguments))
            return false;
        i++;
    }
    return arguments->peers >= 2 && arguments->peers <= 8192;
}

static void add(struct sim_counts *sum, const struct sim_counts *counts) {
    const uint64_t *from = (const uint64_t *)counts;
    uint64_t agreed_ns = sum->agreed_ns > counts->agreed_ns ? sum->agreed_ns : counts->agreed_ns;
    for (size_t i = 0; i < sizeof *sum / sizeof *from; i++)
        ((uint64_t *)sum)[i] += from[i];
    sum->agreed_ns = agreed_ns;
}

/* True when it went well. `again` is the command that runs it once more. */
static bool run(const struct arguments *arguments, struct sim_plan *plan, const char *name, const char *again,
                struct sim_counts *sum) {
    struct sim_result result = sim_run_plan(plan, arguments->options);
    add(sum, &result.counts);
    if (arguments->options.verbose || arguments->schedules != NULL)
        printf("%s: %s; %" PRIu64 " records, %" PRIu64 " taken back, agreed after %.2f s\n", name,
               result.broken == NULL ? "good" : "FAILED", result.counts.records, result.counts.unapplied,
               (double)result.counts.agreed_ns / 1e9);
    if (result.broken == NULL)
        return true;
    printf("FAILED: %s: %s (node %zu, %.3f s)\nagain: %s\n", name, result.broken, result.broken_at,
           result.broken_s, again);
    if (!arguments->shrink)
        return false;
    size_t before = plan->count, runs = sim_shrink(plan, result.broken);
    printf("shrunk from %zu to %zu entries in %zu runs; save this as FILE, then: sim_run --verbose "
           "--schedule FILE\n",
           before, plan->count, runs);
    sim_plan_write(plan, stdout);
    return false;
}

static struct sim_plan draw(const struct arguments *arguments, uint64_t seed) {
    struct sim_plan plan = sim_plan_draw(seed, arguments->peers);
    plan.ed25519 = arguments->ed25519;
    return plan;
}

static uint64_t run_seeds(const struct arguments *arguments, struct sim_counts *sum) {
    uint64_t failed = 0;
    for (uint64_t seed = arguments->seed; seed < arguments->seed + arguments->seeds; seed++) {
        char name[64], again[160];
        struct sim_plan plan = draw(arguments, seed);
        snprintf(name, sizeof name, "seed %" PRIu64 ", %zu peers", seed, arguments->peers);
        snprintf(again, sizeof again, "tests/sim/run --seeds 1 --peers %zu --seed %" PRIu64 "%s --verbose",
                 arguments->peers, seed, arguments->ed25519 ? " --ed25519" : "");
        failed += !run(arguments, &plan, name, again, sum);
        fflush(stdout);
    }
    return failed;
}

static uint64_t run_schedules(const struct arguments *arguments, struct sim_counts *sum) {
    uint64_t failed = 0;
    for (size_t i = 0; i < arguments->schedule_count; i++) {
        char again[512];
        struct sim_plan plan;
        snprintf(again, sizeof again, "tests/sim/run --verbose --schedule %s", arguments->schedules[i]);
        failed += !sim_plan_read(arguments->schedules[i], &plan) ||
                  !run(arguments, &plan, arguments->schedules[i], again, sum);
    }
    return failed;
}

static void print_counts(uint64_t schedules, uint64_t failed, const struct sim_counts *sum, double seconds) {
    printf("%" PRIu64 " schedules, %" PRIu64 " failed, %.0f schedules a minute: %" PRIu64 " steps, %" PRIu64
           " messages (%" PRIu64 " lost), %" PRIu64 " crashes, %" PRIu64 " partitions, %" PRIu64
           " leaves, %" PRIu64 " full disks, %" PRIu64 " backups restored, %" PRIu64 " copies, %" PRIu64
           " forks, %" PRIu64 " hostile members, %" PRIu64 " wrong bits in weights, %" PRIu64
           " cuts that took back %" PRIu64 " of %" PRIu64 " records, %" PRIu64
           " samples; slowest agreement %.2f s\n",
           schedules, failed, (double)schedules * 60 / seconds, sum->steps, sum->delivered, sum->lost,
           sum->crashes, sum->splits, sum->leaves, sum->full, sum->restores, sum->copies, sum->forks,
           sum->hostile, sum->flips, sum->cuts, sum->unapplied, sum->records, sum->samples,
           (double)sum->agreed_ns / 1e9);
}

int main(int count, char **words) {
    struct arguments arguments;
    if (!parse(count, words, &arguments)) {
        fprintf(stderr, "usage: sim_run [--seeds N] [--peers 2…8192] [--seed S] [--ed25519] [--shrink] "
                        "[--report] [--verbose]\n       sim_run [--shrink] [--report] [--verbose] --schedule "
                        "FILE…\n       sim_run --print [--peers M] --seed S\n");
        return 2;
    }
    if (arguments.print) {
        struct sim_plan plan = draw(&arguments, arguments.seed);
        sim_plan_write(&plan, stdout);
        return 0;
    }
    (void)mallopt(M_MMAP_THRESHOLD, 64 << 20); /* what a run gives back serves the next one, not the kernel */
    (void)mallopt(M_TRIM_THRESHOLD, 256 << 20);
    struct sim_counts sum = {0};
    uint64_t start = ob_now_ns();
    uint64_t failed =
        arguments.schedules != NULL ? run_schedules(&arguments, &sum) : run_seeds(&arguments, &sum);
    print_counts(arguments.schedules != NULL ? arguments.schedule_count : arguments.seeds, failed, &sum,
                 ob_seconds_since(start));
    return failed > 0;
}
