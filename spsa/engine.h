/* engine - which instructions and which threads the exact arithmetic runs on.
 *
 * Every kernel table gives the same bits; the reference one is plain C and is the definition.
 * Threads: the engine is read-only; one replay or digest at a time for each pool. */
#ifndef OB_SPSA_ENGINE_H
#define OB_SPSA_ENGINE_H

#include <stdbool.h>

#include "base/pool.h"

enum ob_spsa_isa { OB_SPSA_REFERENCE, OB_SPSA_AVX2, OB_SPSA_AVX512, OB_SPSA_GFNI, OB_SPSA_ISA_COUNT };

struct ob_spsa_kernels; /* spsa/kernels.h, private to spsa/ */

struct ob_spsa_engine {
    const struct ob_spsa_kernels *kernels;
    struct ob_pool *pool; /* NULL: the calling thread alone. Borrowed. */
};

/* Initialises libsodium too; call before anything else of spsa/. */
struct ob_spsa_engine ob_spsa_engine_best(struct ob_pool *pool);
/* The caller has asked ob_spsa_isa_available first. */
struct ob_spsa_engine ob_spsa_engine_with(enum ob_spsa_isa isa, struct ob_pool *pool);
bool ob_spsa_isa_available(enum ob_spsa_isa isa);
const char *ob_spsa_isa_name(enum ob_spsa_isa isa);
enum ob_spsa_isa ob_spsa_engine_isa(const struct ob_spsa_engine *engine);

#endif
