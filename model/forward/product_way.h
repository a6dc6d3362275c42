/* product_way - a way to multiply activations with weights: a table of functions.
 *
 * A product is c (rows, n) = a (rows, k) · W. Weights arrive as float32. `pack` converts them to a way's own
 * layout, a tile of columns at a time, to be multiplied any number of times; `stage` converts rows of
 * `a` once for all tiles. A way that does not pack takes both unchanged. Row r of c depends only on row r of `a`
 * and the weights, never on the other rows of the call, so a computed state can be cached.
 *
 * Errors:  of `open`: OB_EUNSUPPORTED, by name; OB_ENOMEM.
 * Threads: `stage` and `multiply` run in many threads at a time, `thread` says in which. */
#ifndef OB_MODEL_FORWARD_PRODUCT_WAY_H
#define OB_MODEL_FORWARD_PRODUCT_WAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define OB_PRODUCTS_LAYOUT_MAX 256

struct ob_vector_loops; /* model/forward/vector.h */

/* Weights in float32: (k, n), or (n, k) when `transposed`; ld elements from one row to the next. */
struct ob_matrix {
    const float *values;
    size_t ld, n, k;
    bool transposed;
};

/* c (rows, n; rows ldc apart) = or, with `accumulate`, += staged rows · a tile. */
struct ob_product {
    const void *rows; /* what `stage` made; of a way that does not pack: floats, lda apart */
    const void *tile; /* what `pack` made */
    float *c;
    size_t lda, ldc, count, n, k;
    bool accumulate;
    struct ob_matrix matrix; /* the tile of a way that does not pack */
};

struct ob_products {
    const char *name;
    uint32_t needs; /* OB_CPU_* (base/cpu.h) */
    unsigned terms; /* bfloat16 numbers that a value is rounded to the sum of; 0: it stays float32 */
    bool packs;
    size_t tile_columns; /* of a packed tile, at most */
    /* On what a packed tile depends beyond name and processor; NULL: on nothing. */
    void (*layout)(void *state, char ret_text[OB_PRODUCTS_LAYOUT_MAX]);
    /* Bytes of a packed tile, of staged rows: multiples of 64. */
    size_t (*tile_bytes)(void *state, size_t n, size_t k);
    size_t (*staged_bytes)(size_t rows, size_t k);
    /* What a way keeps for each of `threads` threads; NULL: nothing. */
    enum ob_err (*open)(unsigned threads, const struct ob_vector_loops *loops, void **ret_state,
                        struct ob_error *error);
    void (*close)(void *state);
    void (*pack)(void *state, unsigned thread, const struct ob_matrix *matrix, void *ret_tile);
    void (*stage)(void *state, unsigned thread, const float *a, size_t lda, size_t count, size_t k,
                  void *ret_rows);
    void (*multiply)(void *state, unsigned thread, const struct ob_product *product);
};

#endif
