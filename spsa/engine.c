#include "spsa/engine.h"

#include <sodium.h>
#include <stdlib.h>

#include "spsa/kernels/registry.h"

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

const char *ob_spsa_engine_name_at(size_t index) {
    const char *name;
    (void)ob_spsa_kernels_at(index, &name);
    return name;
}

const char *ob_spsa_engine_name(const struct ob_spsa_engine *engine) {
    return engine->kernels->name;
}
