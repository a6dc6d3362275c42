/* multiply - one step of a product: a tile of weights, as one or more views see it, times their rows.
 * Private to linear.c and frozen.c. */
#ifndef OB_MODEL_FORWARD_MULTIPLY_H
#define OB_MODEL_FORWARD_MULTIPLY_H

#include "model/forward/pass.h"

/* Rows and the weights that they are multiplied with. */
struct ob_operand {
    struct ob_span rows;
    const float *values;   /* the tile, (n, k) or (k, n) without gaps */
    const uint8_t *packed; /* the same in the products' order */
};

struct ob_step {
    const struct ob_products *way; /* of this tile: small ones are left to float32 */
    const struct ob_operand *operands;
    size_t operand_count;
    size_t n, k;
    bool transposed; /* values are (n, k); else (k, n) */
    bool accumulate; /* y +=; else y = */
    const float *x;  /* row 0, term 0 of the step */
    float *y;        /* row 0, column 0 of the step */
    size_t ldx, ldy;
    struct ob_vectors bias; /* y starts from it, or it is added to y */
    bool targets;           /* rows are targets' */
    bool whole;             /* all terms are in this step, and y stays what it makes of them */
    bool
        beside; /* the rows are not the centre's, whose y is there: y = the centre's + (x - the centre's) · W */
    ob_rows_fn finish; /* called for each block of rows that is finished; NULL: nothing follows */
    void *context;
};

#define OB_MULTIPLY_ROWS_MIN 56 /* of a block: weights are read again for each */

/* Bytes of a tile of `n` columns and `k` terms. */
size_t ob_pass_tile_bytes(struct ob_forward *forward, size_t n, size_t k);
/* Rows of a block that are staged at a time for products of this way with k terms. */
size_t ob_multiply_rows_max(const struct ob_products *way, size_t k);
/* y of all operands' rows, with all threads. */
void ob_multiply(const struct ob_pass *pass, const struct ob_step *step);
/* Packs a matrix of float32 into column tiles, one after another, with all threads. */
struct ob_packing {
    const float *values; /* without gaps */
    uint8_t *packed;
};
void ob_pack(struct ob_forward *forward, size_t n, size_t k, bool transposed, const struct ob_packing *jobs,
             size_t count);

#endif
