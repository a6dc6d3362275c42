/* pass - what one forward pass works on. Private to model/: forward.c owns it, linear.c, attention.c and
 * head.c are its parts.
 *
 * Buffers of a lane (letters: model/config.h; E = max(C, H·D); G = H·D + 2·K·D; R = rows of a vocabulary
 * tile): x (T, C) residual stream · h (T, E) normed input · qkv (T, G) · mixed (T, H·D) · up, gate (T, F)
 *   logits (T, R) · tile (OB_TILE) weights of one tile · a, b small vectors (norms, biases) · loss (T) nats a
 * row */
#ifndef OB_MODEL_PASS_H
#define OB_MODEL_PASS_H

#include "model/family.h"
#include "model/forward.h"

#define OB_QUERY_BLOCK 64 /* rows of attention scores at a time */

struct ob_lane {
    float *x, *h, *qkv, *mixed, *up, *gate, *logits, *tile, *a, *b;
    double *loss;
};

struct ob_forward {
    struct ob_model_config config;
    struct ob_pool *pool;
    size_t tokens_max, sequences_max;
    size_t tile_elements, vocabulary_tile;
    struct ob_lane lanes[2];
    float *scores;                          /* for each thread OB_QUERY_BLOCK · tokens_max */
    float *cosines, *sines;                 /* (positions, D/2), rotary families only */
    uint32_t *rows;                         /* positions whose next token is a target … */
    int32_t *targets;                       /* … and that token */
    uint32_t *positions;                    /* (T) within its sequence */
    double *row_max, *row_sum, *row_target; /* (2, T) running softmax of the vocabulary tiles */
    void *arena;
    size_t arena_bytes;
};

struct ob_pass {
    struct ob_forward *forward;
    const struct ob_weight_source *source;
    const struct ob_batch *batch;
    unsigned lanes;
    size_t tokens; /* T */
    size_t row_count;
};

/* linear.c: y (T, out; rows ldy apart) = x (T, in; rows ldx apart) · W + bias, or y += when `accumulate`. */
struct ob_linear {
    uint32_t layer;
    enum ob_slot weight, bias; /* a bias that the model has not is left out */
    size_t in, out;
    const float *x[2];
    float *y[2];
    size_t ldx, ldy, rows;
    bool accumulate;
};
void ob_pass_linear(const struct ob_pass *pass, const struct ob_linear *linear);
/* Materialises elements of a tensor into both lanes' tiles, with all threads. */
void ob_pass_read_tile(const struct ob_pass *pass, size_t tensor, uint64_t first, size_t count);
/* Products with a tile: c (rows, n) = a (rows, k) · tile, in all threads. Each thread prepares and finishes
 * its own rows, while they are in its cache. */
struct ob_product {
    const float *a[2];
    float *c[2];
    const float *bias[2]; /* (n) put under the product, or added to what is there; NULL: none */
    size_t lda, ldb, ldc, rows, n, k;
    bool transposed; /* the tile is (n, k); else (k, n) */
    bool accumulate; /* c +=; else c = */
    /* Called once for each lane and each block of rows that is finished; NULL: nothing follows. */
    void (*finish)(const struct ob_pass *pass, unsigned lane, size_t from, size_t to, void *context);
    void *context;
};
void ob_pass_multiply(const struct ob_pass *pass, const struct ob_product *product);

/* attention.c: qkv → mixed, causal within each sequence. */
void ob_pass_attention(const struct ob_pass *pass);

/* head.c: final norm and vocabulary; fills lane->loss for pass->row_count rows, or copies row 0's logits. */
void ob_pass_head(const struct ob_pass *pass, float *ret_logits);

/* forward.c: out = norm(x) of given rows (all T when `rows` is NULL). */
void ob_pass_norm(const struct ob_pass *pass, uint32_t layer, enum ob_slot weight, enum ob_slot bias,
                  const uint32_t *rows, size_t count);

#endif
