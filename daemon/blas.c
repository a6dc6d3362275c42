#include "daemon/blas.h"

#include <cblas.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MARK "ONEBYTE_BLAS_CORE" /* set once we have chosen: never start again twice */

static const char *fitting_core(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq"))
        return "SkylakeX";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return "Haswell";
    if (__builtin_cpu_supports("avx"))
        return "Sandybridge";
#endif
    return NULL;
}

/* Cores that use what the fitting one uses: no reason to start again. */
static int as_good(const char *core, const char *fitting) {
    if (strcmp(core, fitting) == 0)
        return 1;
    if (strcmp(fitting, "SkylakeX") == 0)
        return strcmp(core, "Cooperlake") == 0 || strcmp(core, "SapphireRapids") == 0;
    if (strcmp(fitting, "Haswell") == 0)
        return strcmp(core, "Zen") == 0 || strcmp(core, "Excavator") == 0;
    return 0;
}

void ob_blas_fix_core(char **argv, const char *wanted) {
    const char *core = openblas_get_corename();
    const char *fitting = strcmp(wanted, "auto") == 0 ? fitting_core() : wanted;
    if (getenv(MARK) || !fitting || strcmp(wanted, "keep") == 0)
        return;
    if (strcmp(wanted, "auto") == 0 ? getenv("OPENBLAS_CORETYPE") != NULL || as_good(core, fitting)
                                    : strcmp(core, fitting) == 0)
        return;
    if (setenv("OPENBLAS_CORETYPE", fitting, 1) == 0 && setenv(MARK, fitting, 1) == 0)
        execv("/proc/self/exe", argv);
}

const char *ob_blas_core(void) {
    return openblas_get_corename();
}

void ob_blas_set_threads(unsigned threads) {
    openblas_set_num_threads((int)threads);
}
