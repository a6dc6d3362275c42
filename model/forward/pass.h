/* pass - what one forward pass works on. Private to model/forward/: forward.c owns it; layer.c, linear.c,
 * attention.c, rope.c, pack.c and head.c are its parts.
 *
 * Buffers of a lane (letters: model/families/config.h; W = max(C, E); G = H·D + 2·K·D; R = rows of a vocabulary tile):
 *   x (T, W) residual stream · h (T, W) normed input · qkv (T, G) · attn_out (T, H·D) · up, gate (T, F)
 *   logits (T, R) · tile (OB_TILE) weights of one tile · a, b small vectors (norms, biases)
 *   low (T, rank) between the two matrices of an adapter · loss (T) nats a row */
#ifndef OB_MODEL_FORWARD_PASS_H
#define OB_MODEL_FORWARD_PASS_H

#include "base/pool.h"
#include "model/families/family.h"
#include "model/families/weight_source.h"
#include "model/forward/batch.h"

#define OB_QUERY_BLOCK 64 /* rows of attention scores at a time */

struct ob_lane {
    float *x, *h, *qkv, *attn_out, *up, *gate, *logits, *tile, *a, *b, *low;
    double *loss;
};

/* (positions, rotary_width / 2), and the same again for long sequences (ob_forward.long_row); NULL: learned
 * positions */
struct ob_rope_table {
    float *cos, *sin;
};

struct ob_forward {
    struct ob_model_config config;
    struct ob_pool *pool;
    size_t tokens_max, sequences_max;
    size_t tile_elements, vocabulary_tile;
    struct ob_lane lanes[2];
    float *scores;                /* for each thread OB_QUERY_BLOCK · tokens_max */
    struct ob_rope_table rope[2]; /* of layers with full attention, and with a sliding window */
    int32_t *inputs;              /* (T) the tokens that go through the layers */
    uint32_t *starts;             /* (B+1) where their sequences begin, and the end */
    uint32_t *positions;          /* (T) of an input within its sequence; + long_row in long ones */
    uint32_t
        long_row;   /* where the rows of sequences beyond the original context begin; 0: LongRoPE has none */
    uint32_t *rows; /* inputs whose next token is a target … */
    int32_t *targets;                       /* … and that token */
    double *row_max, *row_sum, *row_target; /* (2, T) running softmax of the vocabulary tiles */
    void *arena;
    size_t arena_bytes;
    uint8_t *bf16; /* scratch for products in bfloat16, bf16_bytes for each thread; NULL: float32 */
    size_t bf16_bytes;
};

struct ob_pass {
    struct ob_forward *forward;
    const struct ob_weight_source *source;
    unsigned lanes;
    size_t tokens, sequences; /* T, B: of the inputs */
    size_t row_count;
};

/* pack.c: the inputs and rows of a mini-batch that has been checked. A row for each target, in their order:
 * what has no target after it is left out, and sequences that begin alike share their inputs. */
void ob_pass_pack(struct ob_pass *pass, const struct ob_batch *batch);
/* The inputs of one sequence up to `position` of the batch; one row, the last. */
void ob_pass_pack_until(struct ob_pass *pass, const struct ob_batch *batch, size_t position);

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
void ob_pass_materialize(const struct ob_pass *pass, size_t tensor, uint64_t first, size_t count);
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

/* layer.c: tokens → x; one layer's attention and feed-forward part. */
void ob_pass_embed(const struct ob_pass *pass);
void ob_pass_layer(const struct ob_pass *pass, uint32_t layer);

/* layer.c: a norm of rows of C elements, lane by lane; a model that has no such tensor copies them. */
struct ob_norm {
    uint32_t layer;
    enum ob_slot weight, bias;
    float *x[2], *y[2];   /* may be the same */
    const uint32_t *rows; /* which of x's, in the order of y's; NULL: all, in order */
    size_t count;
    bool add; /* x = norm(x), y += x; else y = norm(x) */
};
void ob_pass_norm(const struct ob_pass *pass, const struct ob_norm *norm);

/* attention.c: qkv → attn_out, causal within each sequence. */
void ob_pass_attention(const struct ob_pass *pass, uint32_t layer);

/* rope.c: RoPE's cosines and sines (positions, half), of sequences longer than the original context (is_long) or
 * not: only LongRoPE's differ. */
void ob_rope_fill(const struct ob_rope *rope, size_t half, size_t positions, bool is_long, float *ret_cosines,
                  float *ret_sines);

/* head.c: final norm and vocabulary; fills lane->loss for pass->row_count rows, or copies row 0's logits. */
void ob_pass_head(const struct ob_pass *pass, float *ret_logits);

#endif
