/* engine - which instructions and which threads the exact arithmetic runs on.
 *
 * Every kernel table gives the same bits; the reference one is plain C and is the definition.
 * Threads: the engine is read-only; one replay or digest at a time for each pool. */
#ifndef OB_SPSA_ENGINE_H
#define OB_SPSA_ENGINE_H

#include "base/err.h"
#include "base/pool.h"
#include "base/race.h"

struct ob_spsa_kernels; /* spsa/kernels/kernels.h, private to spsa/ */

struct ob_spsa_engine {
    const struct ob_spsa_kernels *kernels;
    struct ob_pool *pool; /* NULL: the calling thread alone. Borrowed. */
};

/* The last table that runs here, without a measurement. Initialises libsodium too, as those below do; call one
 * of them before anything else of spsa/. */
struct ob_spsa_engine ob_spsa_engine_best(struct ob_pool *pool);
/* The fastest table here: each replays records into a few thousand weights and perturbs them, which takes some
 * milliseconds in all. Without memory for it: the last table, and a race of none. */
struct ob_spsa_engine ob_spsa_engine_fastest(struct ob_pool *pool, uint64_t (*now_ns)(void),
                                             struct ob_race *ret_race);
/* By name. Errors: OB_EUSAGE lists the names; OB_EUNSUPPORTED: this processor lacks what it needs. */
OB_MUST_USE enum ob_err ob_spsa_engine_named(const char *name, struct ob_pool *pool,
                                             struct ob_spsa_engine *ret_engine, struct ob_error *error);
/* With kernel table number `index`: 0 is the reference. Where this processor lacks what it needs, the
 * engine's kernels are NULL and the engine must not be used. */
struct ob_spsa_engine ob_spsa_engine_with(size_t index, struct ob_pool *pool);
/* The name of table number `index`, here or not; NULL: there is no such table. */
const char *ob_spsa_engine_name_at(size_t index);
const char *ob_spsa_engine_name(const struct ob_spsa_engine *engine);

#endif
