#include "model/forward/products_float32.h"

#include <cblas.h>

static void multiply(void *state, unsigned thread, const struct ob_product *p) {
    (void)state;
    (void)thread;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, p->matrix.transposed ? CblasTrans : CblasNoTrans, (int)p->count,
                (int)p->n, (int)p->k, 1.0f, p->rows, (int)p->lda, p->matrix.values, (int)p->matrix.ld,
                p->accumulate ? 1.0f : 0.0f, p->c, (int)p->ldc);
}

const struct ob_products ob_products_float32 = {
    .name = "float32",
    .tile_columns = SIZE_MAX,
    .multiply = multiply,
};
