#include "spsa/kernels/registry.h"

#include "base/cpu.h"
#include "spsa/kernels/reference.h"

#if defined(__x86_64__)
extern const struct ob_spsa_kernels ob_spsa_kernels_avx2, ob_spsa_kernels_avx512, ob_spsa_kernels_gfni;
#endif

static const struct ob_spsa_kernels *const TABLES[] = {
    &ob_spsa_kernels_reference,
#if defined(__x86_64__)
    &ob_spsa_kernels_avx2,
    &ob_spsa_kernels_avx512,
    &ob_spsa_kernels_gfni,
#endif
};
enum { TABLE_COUNT = sizeof TABLES / sizeof *TABLES };

const struct ob_spsa_kernels *ob_spsa_kernels_at(size_t index, const char **ret_name) {
    if (ret_name)
        *ret_name = index < TABLE_COUNT ? TABLES[index]->name : NULL;
    return index < TABLE_COUNT && ob_cpu_has(TABLES[index]->needs) ? TABLES[index] : NULL;
}

const struct ob_spsa_kernels *ob_spsa_kernels_best(void) {
    size_t index = TABLE_COUNT - 1;
    while (!ob_cpu_has(TABLES[index]->needs)) /* the reference needs nothing */
        index--;
    return TABLES[index];
}
