/* engine - which instructions and which threads the exact arithmetic runs on.
 *
 * Every kernel table gives the same bits; the reference one is plain C and is the definition.
 * Threads: the engine is read-only; one replay or digest at a time for each pool. */
#ifndef OB_SPSA_ENGINE_H
#define OB_SPSA_ENGINE_H

#include "base/pool.h"

struct ob_spsa_kernels; /* spsa/kernels/kernels.h, private to spsa/ */

struct ob_spsa_engine {
    const struct ob_spsa_kernels *kernels;
    struct ob_pool *pool; /* NULL: the calling thread alone. Borrowed. */
};

/* Initialises libsodium too; call before anything else of spsa/. */
struct ob_spsa_engine ob_spsa_engine_best(struct ob_pool *pool);
/* With kernel table number `index`: 0 is the reference. Where this processor lacks what it needs, the
 * engine's kernels are NULL and the engine must not be used. */
struct ob_spsa_engine ob_spsa_engine_with(size_t index, struct ob_pool *pool);
/* The name of table number `index`, here or not; NULL: there is no such table. */
const char *ob_spsa_engine_name_at(size_t index);
const char *ob_spsa_engine_name(const struct ob_spsa_engine *engine);

#endif
