#include "spsa/engine.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spsa/direction.h"
#include "spsa/kernels/registry.h"

#define RACE_BLOCKS   16
#define RACE_ELEMENTS ((size_t)RACE_BLOCKS * OB_SPSA_BLOCK_ELEMENTS)
#define RACE_RECORDS  8 /* replayed in one pass, and one alone: a round of a small swarm */
#define RACE_ROUNDS   7
#define RACE_LIMIT_NS ((uint64_t)50 * 1000 * 1000)

static struct ob_spsa_engine engine(const struct ob_spsa_kernels *kernels, struct ob_pool *pool) {
    if (sodium_init() < 0)
        abort(); /* no source of randomness: nothing of this program can be done */
    return (struct ob_spsa_engine){.kernels = kernels, .pool = pool};
}

struct ob_spsa_engine ob_spsa_engine_with(size_t index, struct ob_pool *pool) {
    return engine(ob_spsa_kernels_at(index, NULL), pool);
}

struct ob_spsa_engine ob_spsa_engine_best(struct ob_pool *pool) {
    return engine(ob_spsa_kernels_best(), pool);
}

/* ---- the race ---- */

struct trial {
    int32_t values[RACE_ELEMENTS];
    float plus[RACE_ELEMENTS], minus[RACE_ELEMENTS];
    uint8_t bits[RACE_RECORDS][RACE_BLOCKS * OB_SPSA_BLOCK_BYTES + OB_SPSA_BITS_SLACK];
    uint32_t seen; /* keeps what only reads from being left out */
};

static bool run_trial(void *context, size_t index, unsigned round) {
    (void)round;
    struct trial *trial = context;
    const struct ob_spsa_kernels *kernels = ob_spsa_kernels_at(index, NULL);
    const uint8_t *bits[RACE_RECORDS];
    int32_t steps[RACE_RECORDS];
    for (uint8_t i = 0; i < RACE_RECORDS; i++) {
        struct ob_spsa_key key = {{i}};
        kernels->keystream(&key, 0, 0, RACE_BLOCKS, trial->bits[i]);
        bits[i] = trial->bits[i];
        steps[i] = i + 1;
    }
    kernels->accumulate(trial->values, RACE_BLOCKS, bits, steps, RACE_RECORDS);
    kernels->accumulate(trial->values, RACE_BLOCKS, bits, steps, 1);
    kernels->read_pair(trial->values, RACE_ELEMENTS, 0x1p-24f, trial->bits[0], 0, 0x1p-10f, trial->plus,
                       trial->minus);
    trial->seen += kernels->sum(trial->values, RACE_ELEMENTS) +
                   (uint32_t)kernels->count_bits(trial->bits[0], RACE_BLOCKS * OB_SPSA_BLOCK_BYTES);
    return true;
}

struct ob_spsa_engine ob_spsa_engine_fastest(struct ob_pool *pool, uint64_t (*now_ns)(void),
                                             struct ob_race *ret_race) {
    struct ob_spsa_engine best = ob_spsa_engine_best(pool);
    struct trial *trial = calloc(1, sizeof *trial);
    struct ob_race race = {0};
    *ret_race = race;
    if (!trial)
        return best;
    for (const char *name; race.count < OB_RACE_MAX; race.count++) {
        bool available = ob_spsa_kernels_at(race.count, &name) != NULL;
        if (!name)
            break;
        race.list[race.count] = (struct ob_racer){.name = name, .available = available};
    }
    struct ob_race_job job = {.run = run_trial,
                              .context = trial,
                              .now_ns = now_ns,
                              .rounds = RACE_ROUNDS,
                              .limit_ns = RACE_LIMIT_NS,
                              .heats = 1};
    ob_race_run(&job, &race);
    free(trial);
    *ret_race = race;
    return ob_spsa_engine_with(race.fastest, pool);
}

/* ---- names ---- */

enum ob_err ob_spsa_engine_named(const char *name, struct ob_pool *pool, struct ob_spsa_engine *ret_engine,
                                 struct ob_error *error) {
    char names[256] = "";
    size_t used = 0;
    const char *each;
    for (size_t i = 0; (each = ob_spsa_engine_name_at(i)); i++) {
        struct ob_spsa_engine found = ob_spsa_engine_with(i, pool);
        if (strcmp(each, name) == 0 && !found.kernels)
            return ob_fail(
                error, OB_EUNSUPPORTED,
                "replay kernels %s are not available: this processor lacks the instructions for them", name);
        if (strcmp(each, name) == 0) {
            *ret_engine = found;
            return OB_OK;
        }
        int wrote = snprintf(names + used, sizeof names - used, "%s%s", i > 0 ? ", " : "", each);
        used += wrote > 0 && (size_t)wrote < sizeof names - used ? (size_t)wrote : 0;
    }
    return ob_fail(error, OB_EUSAGE, "unknown replay kernels \"%s\"; this build has %s", name, names);
}

const char *ob_spsa_engine_name_at(size_t index) {
    const char *name;
    (void)ob_spsa_kernels_at(index, &name);
    return name;
}

const char *ob_spsa_engine_name(const struct ob_spsa_engine *engine) {
    return engine->kernels->name;
}
