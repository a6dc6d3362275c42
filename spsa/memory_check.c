#include "spsa/memory_check.h"

#include <assert.h>
#include <stdlib.h>

#include "spsa/kernels/kernels.h"

#define LEAVES_A_TASK 64 /* 16 MiB: worth waking a thread */

struct scan {
    const struct ob_spsa_engine *engine;
    const struct ob_spsa_weights *weights;
    size_t leaves;
    uint32_t *sums; /* to fill in, or … */
    bool *wrong;    /* … to mark where weights->sums differ */
};

uint32_t ob_spsa_sum(const struct ob_spsa_engine *engine, const int32_t *values, size_t count) {
    return engine->kernels->sum(values, count);
}

static void scan_task(void *context, size_t task, unsigned thread) {
    (void)thread;
    const struct scan *scan = context;
    const struct ob_spsa_weights *weights = scan->weights;
    size_t at = task * LEAVES_A_TASK, end = at + LEAVES_A_TASK;
    if (end > scan->leaves)
        end = scan->leaves;
    struct ob_spsa_leaf leaf = ob_spsa_leaf_at(weights->tensors, weights->count, at);
    for (; at < end; at++) {
        uint32_t sum = ob_spsa_sum(scan->engine, weights->values[leaf.tensor] + leaf.first, leaf.count);
        if (scan->sums)
            scan->sums[at] = sum;
        else
            scan->wrong[at] = sum != weights->sums[at];
        (void)ob_spsa_leaf_next(weights->tensors, weights->count, &leaf, &leaf);
    }
}

static void run_scan(struct scan *scan) {
    scan->leaves = ob_spsa_leaf_count(scan->weights->tensors, scan->weights->count);
    ob_pool_run(scan->engine->pool, (scan->leaves + LEAVES_A_TASK - 1) / LEAVES_A_TASK, scan_task, scan);
}

enum ob_err ob_spsa_memory_check_start(const struct ob_spsa_engine *engine, struct ob_spsa_weights *weights,
                                       struct ob_error *error) {
    size_t leaves = ob_spsa_leaf_count(weights->tensors, weights->count);
    if (!weights->sums)
        weights->sums = calloc(leaves, sizeof *weights->sums);
    if (!weights->sums)
        return ob_fail(error, OB_ENOMEM, "not enough memory for %zu sums of the memory check", leaves);
    struct scan scan = {.engine = engine, .weights = weights, .sums = weights->sums};
    run_scan(&scan);
    return OB_OK;
}

size_t ob_spsa_memory_check(const struct ob_spsa_engine *engine, const struct ob_spsa_weights *weights,
                            bool *ret_wrong) {
    assert(weights->sums);
    struct scan scan = {.engine = engine, .weights = weights, .wrong = ret_wrong};
    run_scan(&scan);
    size_t count = 0;
    for (size_t i = 0; i < scan.leaves; i++)
        count += ret_wrong[i];
    return count;
}
