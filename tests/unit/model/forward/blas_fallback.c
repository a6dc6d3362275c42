/* A program whose first OpenBLAS core computes wrongly: this file's cblas_sgemm stands before the library's.
 * It must start itself again with another core, know which one failed, and report when none is left. */
#include <cblas.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "model/forward/blas.h"

/* Wrong until one core has failed; with the argument "all", always. */
static bool broken(void) {
    extern char **environ;
    for (char **at = environ; *at; at++)
        if (strcmp(*at, "BLAS_FALLBACK=all") == 0)
            return true;
    return *ob_blas_failed_cores() == 0;
}

void cblas_sgemm(OPENBLAS_CONST enum CBLAS_ORDER order, OPENBLAS_CONST enum CBLAS_TRANSPOSE transposed_a,
                 OPENBLAS_CONST enum CBLAS_TRANSPOSE transposed_b, OPENBLAS_CONST blasint m,
                 OPENBLAS_CONST blasint n, OPENBLAS_CONST blasint k, OPENBLAS_CONST float alpha,
                 OPENBLAS_CONST float *a, OPENBLAS_CONST blasint lda, OPENBLAS_CONST float *b,
                 OPENBLAS_CONST blasint ldb, OPENBLAS_CONST float beta, float *c,
                 OPENBLAS_CONST blasint ldc) {
    (void)order, (void)transposed_a;
    for (blasint i = 0; i < m; i++)
        for (blasint j = 0; j < n; j++) {
            double sum = 0;
            for (blasint l = 0; l < k; l++)
                sum += (double)a[i * lda + l] *
                       (double)(transposed_b == CblasTrans ? b[j * ldb + l] : b[l * ldb + j]);
            c[i * ldc + j] = alpha * (float)sum + beta * c[i * ldc + j];
        }
    if (broken())
        c[0] += 1.0f;
}

int main(int argc, char **argv) {
    struct ob_error error = {0};
    bool all = argc > 1;
    if (all && strcmp(argv[1], "all") != 0)
        return 2;
    enum ob_err failed = ob_blas_fix_core(argv, "auto", &error);
    printf("core %s, failed \"%s\" %s\n", ob_blas_core(), ob_blas_failed_cores(), error.text);
    if (all)
        return failed != OB_EUNSUPPORTED || strstr(error.text, ob_blas_core()) == NULL;
    if (failed) /* a processor on which only one core runs */
        return strchr(ob_blas_failed_cores(), ',') ? 1 : 77;
    return *ob_blas_failed_cores() == 0 || strcmp(ob_blas_failed_cores(), ob_blas_core()) == 0;
}
