/* Which of the instruction sets the loops run on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "model/forward/vector.h"
#include "model/forward/vector_loops.h"

#define RACE_ROWS     4
#define RACE_WIDTH    1024
#define RACE_HALF     32 /* pairs that a rotation turns */
#define RACE_ROUNDS   7
#define RACE_LIMIT_NS ((uint64_t)50 * 1000 * 1000)

static const char *const NAMES[OB_VECTOR_ISA_COUNT] = {"plain", "avx2", "avx512"};

const struct ob_vector_loops *ob_vector_loops_of(enum ob_vector_isa isa) {
#if defined(__x86_64__)
    if (isa == OB_VECTOR_AVX512)
        return ob_cpu_has(OB_CPU_AVX512F | OB_CPU_FMA) ? &ob_vector_loops_avx512 : NULL;
    if (isa == OB_VECTOR_AVX2)
        return ob_cpu_has(OB_CPU_AVX2 | OB_CPU_FMA) ? &ob_vector_loops_avx2 : NULL;
#endif
    return isa == OB_VECTOR_PLAIN ? &ob_vector_loops_plain : NULL;
}

const struct ob_vector_loops *ob_vector_best(void) {
    const struct ob_vector_loops *best = ob_vector_loops_of(OB_VECTOR_AVX512);
    if (!best)
        best = ob_vector_loops_of(OB_VECTOR_AVX2);
    return best ? best : &ob_vector_loops_plain;
}

const char *ob_vector_name(const struct ob_vector_loops *loops) {
    return loops->name;
}

enum ob_err ob_vector_named(const char *name, const struct ob_vector_loops **ret_loops,
                            struct ob_error *error) {
    for (int isa = 0; isa < OB_VECTOR_ISA_COUNT; isa++) {
        if (strcmp(name, NAMES[isa]) != 0)
            continue;
        const struct ob_vector_loops *found = ob_vector_loops_of((enum ob_vector_isa)isa);
        if (!found)
            return ob_fail(
                error, OB_EUNSUPPORTED,
                "vector loops %s are not available: this processor lacks the instructions for them", name);
        *ret_loops = found;
        return OB_OK;
    }
    return ob_fail(error, OB_EUSAGE, "unknown vector loops \"%s\"; this build has plain, avx2, avx512", name);
}

/* ---- the race ---- */

struct trial {
    float x[RACE_ROWS][RACE_WIDTH], y[RACE_WIDTH], gain[RACE_WIDTH];
    float cosines[RACE_HALF], sines[RACE_HALF];
    uint16_t half[RACE_WIDTH];
};

/* What lies between the products of a layer: a norm, positions, a softmax, an activation, a residual. */
static bool run_trial(void *context, size_t isa, unsigned round) {
    (void)round;
    struct trial *t = context;
    const struct ob_vector_loops *loops = ob_vector_loops_of((enum ob_vector_isa)isa);
    for (size_t row = 0; row < RACE_ROWS; row++) {
        float *x = t->x[row], sum, largest;
        double total;
        ob_vector_norm(loops, OB_NORM_LAYER, 1e-5f, RACE_WIDTH, t->gain, t->gain, NULL, x);
        for (size_t at = 0; at < RACE_WIDTH; at += 2 * RACE_HALF)
            ob_vector_rope(loops, RACE_HALF, t->cosines, t->sines, x + at);
        largest = ob_vector_exp(loops, RACE_WIDTH / 2, x, 0.0f, &sum);
        ob_vector_times(loops, RACE_WIDTH / 2, 1.0f / sum, x);
        ob_vector_activate(loops, OB_ACTIVATION_GELU_TANH, RACE_WIDTH, x);
        ob_vector_activate(loops, OB_ACTIVATION_SILU, RACE_WIDTH, x);
        ob_vector_multiply(loops, RACE_WIDTH, x, t->gain);
        ob_vector_exp_sum(loops, RACE_WIDTH, x, &largest, &total);
        ob_vector_add(loops, RACE_WIDTH, t->y, x);
        ob_vector_to_bf16(loops, RACE_WIDTH, x, t->half);
    }
    return true;
}

const struct ob_vector_loops *ob_vector_fastest(uint64_t (*now_ns)(void), struct ob_race *ret_race) {
    struct trial *trial = calloc(1, sizeof *trial);
    struct ob_race race = {.count = OB_VECTOR_ISA_COUNT};
    *ret_race = (struct ob_race){0};
    if (!trial)
        return ob_vector_best();
    for (size_t i = 0; i < RACE_WIDTH; i++)
        trial->gain[i] = 0.5f + (float)(i % 13) * 0.1f;
    for (size_t i = 0; i < RACE_HALF; i++)
        trial->cosines[i] = trial->sines[i] = 0.70710678f;
    for (size_t i = 0; i < race.count; i++)
        race.list[i] = (struct ob_racer){.name = NAMES[i],
                                         .available = ob_vector_loops_of((enum ob_vector_isa)i) != NULL};
    struct ob_race_job job = {.run = run_trial,
                              .context = trial,
                              .now_ns = now_ns,
                              .rounds = RACE_ROUNDS,
                              .limit_ns = RACE_LIMIT_NS,
                              .heats = 1};
    ob_race_run(&job, &race);
    free(trial);
    *ret_race = race;
    return ob_vector_loops_of((enum ob_vector_isa)race.fastest);
}
