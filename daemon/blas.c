#include "daemon/blas.h"

#include <cblas.h>
#include <stdbool.h>
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
static bool as_good(const char *core, const char *fitting) {
    if (strcmp(core, fitting) == 0)
        return true;
    if (strcmp(fitting, "SkylakeX") == 0)
        return strcmp(core, "Cooperlake") == 0 || strcmp(core, "SapphireRapids") == 0;
    if (strcmp(fitting, "Haswell") == 0)
        return strcmp(core, "Zen") == 0 || strcmp(core, "Excavator") == 0;
    return false;
}

static const char *better_core(const char *wanted) {
    const char *core = openblas_get_corename();
    if (strcmp(wanted, "keep") == 0 || (strcmp(wanted, "auto") == 0 && getenv("OPENBLAS_CORETYPE")))
        return NULL;
    if (strcmp(wanted, "auto") != 0)
        return strcmp(core, wanted) == 0 ? NULL : wanted;
    const char *fitting = fitting_core();
    return !fitting || as_good(core, fitting) ? NULL : fitting;
}

void ob_blas_fix_core(char **argv, const char *wanted) {
    const char *threads = getenv("OPENBLAS_NUM_THREADS"), *core = better_core(wanted);
    bool alone = threads && strcmp(threads, "1") == 0;
    if (getenv(MARK) || (alone && !core))
        return;
    if (setenv("OPENBLAS_NUM_THREADS", "1", 1) != 0 || setenv(MARK, "1", 1) != 0)
        return;
    if (core && setenv("OPENBLAS_CORETYPE", core, 1) != 0)
        return;
    char self[4096]; /* not the link itself: the process would be called "exe" */
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0)
        return;
    self[length] = 0;
    execv(self, argv);
}

const char *ob_blas_core(void) {
    return openblas_get_corename();
}

void ob_blas_set_threads(unsigned threads) {
    openblas_set_num_threads((int)threads);
}
