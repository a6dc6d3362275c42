#include "model/forward/blas.h"

#include <cblas.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/cpu.h"
#include "model/forward/blas_check.h"

/* Set once we have chosen, so that we never choose twice; holds the names of the cores that failed the check.
 */
#define MARK "ONEBYTE_BLAS_CORE"

#if defined(__x86_64__)
/* From the best down. */
static const char *const CORES[] = {"SkylakeX", "Haswell", "Sandybridge", "Prescott"};

static bool core_runs(const char *core) {
    if (strcmp(core, "SkylakeX") == 0)
        return ob_cpu_has(OB_CPU_AVX512F | OB_CPU_AVX512VL | OB_CPU_AVX512BW | OB_CPU_AVX512DQ);
    if (strcmp(core, "Haswell") == 0)
        return ob_cpu_has(OB_CPU_AVX2 | OB_CPU_FMA);
    if (strcmp(core, "Sandybridge") == 0)
        return ob_cpu_has(OB_CPU_AVX);
    return true;
}
#else
static const char *const CORES[] = {"ARMV8"};

static bool core_runs(const char *core) {
    (void)core;
    return true;
}
#endif
enum { CORE_COUNT = sizeof CORES / sizeof *CORES };

/* The best core for this processor that is not in the list of failed ones; NULL: none is left. */
static const char *fitting_core(const char *failed) {
    for (int i = 0; i < CORE_COUNT; i++)
        if (core_runs(CORES[i]) && !strstr(failed, CORES[i]))
            return CORES[i];
    return NULL;
}

/* Cores that use what the fitting one uses: no reason to start again. */
static bool as_good(const char *core, const char *fitting) {
    if (strcmp(core, fitting) == 0 || strcmp(fitting, "Prescott") == 0 || strcmp(fitting, "ARMV8") == 0)
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
    const char *fitting = fitting_core("");
    return !fitting || as_good(core, fitting) ? NULL : fitting;
}

/* Runs the program again with `core` (NULL: as the environment says). Returns only when that cannot be done.
 */
static void start_again(char **argv, const char *core, const char *failed) {
    if (setenv("OPENBLAS_NUM_THREADS", "1", 1) != 0 || setenv(MARK, failed, 1) != 0)
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

enum ob_err ob_blas_fix_core(char **argv, const char *wanted, struct ob_error *error) {
    const char *threads = getenv("OPENBLAS_NUM_THREADS"), *core = better_core(wanted);
    bool alone = threads && strcmp(threads, "1") == 0;
    if (!getenv(MARK) && (!alone || core))
        start_again(argv, core, "");
    if (!*ob_blas_failed_cores() && strcmp(wanted, "auto") != 0 && strcmp(wanted, "keep") != 0 &&
        strcasecmp(wanted, openblas_get_corename()) != 0) /* asked for by name, and not had */
        return ob_fail(
            error, OB_EUSAGE,
            "[machine] blas_core = %s: OpenBLAS has no core of this name here; set auto (it would be %s), "
            "keep or the name of another core",
            wanted, fitting_core("") ? fitting_core("") : openblas_get_corename());
    if (ob_blas_products_safe(ob_blas_sgemm))
        return OB_OK;
    char failed[256];
    const char *before = ob_blas_failed_cores(), *asked = getenv("OPENBLAS_CORETYPE");
    core = openblas_get_corename();
    bool other =
        asked && strcmp(asked, core) != 0; /* a name that gave another core is not tried again either */
    int length = snprintf(failed, sizeof failed, "%s%s%s%s%s", before, *before ? "," : "", core,
                          other ? "," : "", other ? asked : "");
    const char *next = fitting_core(failed);
    if (next && length < (int)sizeof failed)
        start_again(argv, next, failed);
    return ob_fail(error, OB_EUNSUPPORTED,
                   "OpenBLAS computes wrong products on this processor with every core (%s); install another "
                   "version of the library",
                   failed);
}

const char *ob_blas_core(void) {
    return openblas_get_corename();
}

const char *ob_blas_failed_cores(void) {
    const char *failed = getenv(MARK);
    return failed ? failed : "";
}

void ob_blas_set_threads(unsigned threads) {
    openblas_set_num_threads((int)threads);
}

/* ---- rows ---- */

enum { ALIKE_ROWS = 25, ALIKE_TERMS = 64, ALIKE_COLUMNS = 130 }; /* two blocks of twelve, and one */

/* The same row over and over, `rows` times, times (n, k) or (k, n): is every row of the result what one row alone gives? */
static bool alike(int rows, bool transposed, const float *x, const float *w, float *y, float *ret_one) {
    enum { N = ALIKE_COLUMNS, K = ALIKE_TERMS };
    cblas_sgemm(CblasRowMajor, CblasNoTrans, transposed ? CblasTrans : CblasNoTrans, rows, N, K, 1.0f, x, K,
                w, transposed ? K : N, 0.0f, y, N);
    if (rows == 1)
        memcpy(ret_one, y, N * sizeof *y);
    for (int i = 0; i < rows * N; i++)
        if (y[i] != ret_one[i % N])
            return false;
    return true;
}

bool ob_blas_rows_alike(void) {
    float x[ALIKE_ROWS * ALIKE_TERMS], w[ALIKE_COLUMNS * ALIKE_TERMS], y[ALIKE_ROWS * ALIKE_COLUMNS];
    float one[ALIKE_COLUMNS];
    uint32_t random = 1;
    bool same = true;
    for (size_t i = 0; i < sizeof w / sizeof *w; i++)
        w[i] = (float)((random = random * 1664525u + 1013904223u) >> 8) * 0x1p-24f - 0.5f;
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        x[i] = w[i % ALIKE_TERMS] + 0.25f;
    for (int transposed = 0; transposed < 2; transposed++)
        for (int rows = 1; rows <= ALIKE_ROWS && same; rows++)
            same = alike(rows, transposed, x, w, y, one);
    return same;
}
