/* pass - what one forward pass works on. Private to model/forward/: forward.c owns it; the other files here
 * are its parts.
 *
 * A view is the weights as one loss sees them: w, w + ε σz or w - ε σz for one direction z. Every view has
 * sequences of its own; the inputs of all views stand one after another in the same buffers, so that a
 * product with weights that are the same in all views (frozen ones) is one product over all rows. The two
 * views of a direction are neighbours with the same sequences: their weights come from one read of the
 * master.
 *
 * Before the first trained tensor, all views are the same: these layers run once over the mini-batch's inputs
 * (one view without a direction), then the rows are copied to the views.
 *
 * Buffers (letters: model/families/config.h; R rows of all views; W = max(C, E); G = H·D + 2·K·D):
 *   x (R, W) residual stream · h (R, W) normed input · qkv (R, G) · attn_out (R, H·D) · up (R, F), or with
 *   a gate (R, 2F), the halves of whose rows are gate and up
 *   low (R, rank) between the two matrices of an adapter · logits (R, columns of a vocabulary tile)
 *   loss (R) nats a target
 *   tile (2, OB_TILE elements) weights in float32 · packed: the same in the order of the products */
#ifndef OB_MODEL_FORWARD_PASS_H
#define OB_MODEL_FORWARD_PASS_H

#include "base/ids.h"
#include "base/limits.h"
#include "base/pool.h"
#include "model/families/family.h"
#include "model/families/weight_source.h"
#include "model/forward/batch.h"
#include "model/forward/prefix.h"
#include "model/forward/product_way.h"

#define OB_QUERY_BLOCK 64  /* rows of attention scores at a time */
#define OB_KEY_BLOCK   256 /* and columns */
#define OB_TILE_SIZES  32
#define OB_TILE_SLACK  32 /* elements: tiles start at a multiple of 16 */

struct ob_span {
    size_t first, rows;
};

struct ob_view {
    const struct ob_spsa_key *key;    /* NULL: the weights as they are */
    unsigned side;                    /* 0: + ε, 1: - ε (then the view before it is 0, with the same key) */
    bool paired;                      /* both sides are there */
    struct ob_span inputs;            /* its rows of x */
    struct ob_span targets;           /* its rows of logits and loss */
    size_t first_input;               /* what its first row is of the mini-batch's inputs */
    size_t first_target;              /* … and of its targets */
    size_t first_sequence, sequences; /* of the mini-batch's packed ones */
};

/* (positions, rotary_width / 2), and the same again for long sequences (ob_forward.long_row); NULL: learned
 * positions */
struct ob_rope_table {
    float *cos, *sin;
};

/* Vectors of weights, one for each view, or one for all (stride 0). values NULL: the model has none. */
struct ob_vectors {
    const float *values;
    size_t stride;
};

/* Frozen weights in the products' order, made once (frozen.c). */
struct ob_frozen {
    uint8_t **tensors; /* of each of the model's; NULL: it is unpacked tile by tile */
    size_t count, bytes;
    struct ob_frozen_file *file; /* that all of them lie in; NULL: each is our own */
};

#define OB_WAYS_MAX 8

/* A way to multiply, with what was packed for it. */
struct ob_in_use {
    const struct ob_products *products;
    void *state;
    uint8_t *packed; /* (2) tiles in the products' order */
    uint8_t *staged; /* rows in the products' order, staged_bytes for each thread */
    size_t packed_bytes, staged_bytes;
    struct ob_tile_size {
        size_t n, k, bytes;
    } tile_sizes[OB_TILE_SIZES];         /* asked for before */
    const struct ob_model *frozen_model; /* what `frozen` was made of */
    struct ob_frozen frozen;
};

struct ob_forward {
    struct ob_model_config config;
    struct ob_pool *pool;
    const struct ob_vector_loops *loops;
    size_t tokens_max, sequences_max, rows_max, views_max;
    size_t widest;        /* columns of the widest rows */
    uint32_t layer_limit; /* 0: none */
    bool rows_alike;      /* ob_blas_rows_alike */
    size_t tile_elements, vocabulary_tile, vector_elements;
    float *x, *h, *qkv, *attn_out, *up, *gate, *low, *logits;
    double *loss;
    float *tile;
    float *vectors[2]; /* (views_max, vector_elements) norms' gains and shifts, biases */
    float *scores;     /* (threads, OB_QUERY_BLOCK, OB_KEY_BLOCK) */
    float *running;    /* (threads, 2, OB_QUERY_BLOCK) maxima and sums of a softmax */
    float *beside;     /* (threads, beside_elements) rows less those of the centre */
    size_t beside_elements;
    struct ob_rope_table rope[2]; /* of layers with full attention, and with a sliding window */
    int32_t *inputs;              /* (T) the mini-batch's tokens that go through the layers */
    uint32_t *starts;             /* (B+1) where its packed sequences begin, and the end */
    uint32_t *positions;          /* (T) of an input within its sequence; + long_row in long ones */
    uint32_t
        long_row; /* where the rows of sequences beyond the original context begin; 0: LongRoPE has none */
    uint32_t *packed_of;    /* (B) the packed sequence that a sequence of the batch shares or is */
    uint32_t *target_rows;  /* (T) inputs whose next token is a target … */
    int32_t *targets;       /* … and that token */
    uint32_t *targets_of;   /* (B+1) where the targets of a sequence of the batch begin */
    struct ob_view *views;  /* (views_max) */
    struct ob_view *narrow; /* (views_max) the same, of the rows that a loss needs */
    double *row_max, *row_sum, *row_target; /* (R) running softmax of the vocabulary tiles */
    void *arena;
    size_t arena_bytes;

    void (*observer)(void *context, size_t tensor, const float *x, size_t rows, size_t columns,
                     size_t stride); /* NULL: nobody looks at the inputs */
    void *observer_context;

    struct ob_in_use in_use;
    struct ob_in_use aside[OB_WAYS_MAX]; /* left, to return to; products NULL: free */
    bool keeps_ways;
    char *shared_folder;                 /* of files of packed weights; NULL: they are our own */
    struct ob_hash shared_base;          /* of the model */
    struct ob_prefix *prefix;            /* NULL: no states are kept */
    const struct ob_model *prefix_model; /* what its states are of: … */
    uint32_t prefix_layers;              /* … after so many of its layers */
    const float **kept;                  /* (B) a packed sequence's states, NULL: to be computed */
};

struct ob_pass {
    struct ob_forward *forward;
    const struct ob_weight_source *source;
    const struct ob_view *views;
    size_t view_count;
    size_t rows;                            /* R: of all views */
    size_t tokens, sequences, target_count; /* T, B: of the mini-batch's inputs */
    size_t target_rows;                     /* of all views */
    bool is_narrow;                         /* rows and inputs are the targets': narrow.c */
    bool apart;      /* products in float32 take each sequence by itself: others do not change its bits */
    bool has_centre; /* the last view is w, over all that the others see, and products round: linear.c */
};

/* ---- pack.c: inputs and targets of a mini-batch that has been checked ----
 * A row for each target, in their order: what has no target after it is left out, and sequences that begin
 * alike share their inputs. */
void ob_pass_pack(struct ob_pass *pass, const struct ob_batch *batch);
/* The inputs of one sequence up to `position` of the batch; one row, the last. */
void ob_pass_pack_until(struct ob_pass *pass, const struct ob_batch *batch, size_t position);

/* ---- views.c ---- */

/* Is a tensor of the model trained? */
bool ob_pass_trained(const struct ob_pass *pass, int64_t tensor);
/* Elements [first, first + count) of a tensor as views [view, view + (paired ? 2 : 1)) see it; `to[1]` is
 * written when the view is paired, and may be scratch. A frozen tensor: to[0] alone. */
void ob_pass_read(const struct ob_pass *pass, size_t view, size_t tensor, uint64_t first, size_t count,
                  float *const to[2]);
/* A vector of `count` elements for every view, into f->vectors[which]. */
struct ob_vectors ob_pass_vectors(const struct ob_pass *pass, uint32_t layer, enum ob_slot slot, size_t count,
                                  int which);
/* How many layers, from the first, read nothing that is trained; -1: the embedding is. */
int64_t ob_pass_frozen_layers(const struct ob_pass *pass);
/* The layers that are run, [first, end): all of them, or as many as f->layer_limit says from the first trained one on. */
struct ob_layers {
    uint32_t first, end;
};
struct ob_layers ob_pass_layers(const struct ob_pass *pass);

/* Calls `body` for blocks of at most `block` rows of each view, with all threads. */
struct ob_row_block {
    size_t view, first, count; /* rows of the view's inputs or targets, absolute */
};
typedef void (*ob_rows_fn)(const struct ob_pass *pass, const struct ob_row_block *block, void *context);
void ob_pass_for_rows(const struct ob_pass *pass, bool targets, size_t block, ob_rows_fn body, void *context);

/* ---- narrow.c: from the last layer's attention on, only the rows go on that a loss is computed from. Row i of x and
 * attn_out becomes that of target i. Nothing when an observer wants to see all rows. ---- */
void ob_pass_narrow(struct ob_pass *pass);

/* ---- linear.c ---- */

/* y (rows, out; rows ldy apart) = x (rows, in; rows ldx apart) · W + bias, or y += when `accumulate`. */
struct ob_linear {
    uint32_t layer;
    enum ob_slot weight, bias; /* a bias that the model has not is left out */
    size_t in, out;
    const float *x;
    float *y;
    size_t ldx, ldy;
    bool targets; /* rows are targets' (logits), not inputs */
    bool accumulate;
};
void ob_pass_linear(const struct ob_pass *pass, const struct ob_linear *linear);
/* The vocabulary's columns [first, first + count): y (target rows, count) = x · Wᵀ; `finish` is called for
 * each block of rows that is done, in the thread that made it. */
void ob_pass_logits(const struct ob_pass *pass, size_t tensor, const float *x, size_t first, size_t count,
                    ob_rows_fn finish, void *context);

/* ---- adapter.c: y += scale · (x · Aᵀ) · Bᵀ of a few directions; `a` is A, and the next tensor B ---- */
/* False: its rank is too large for this, nothing was done. */
bool ob_pass_add_small_adapter(const struct ob_pass *pass, const struct ob_linear *linear, size_t a);

/* ---- frozen.c: packs what the source does not train, once for a source's model ---- */
OB_MUST_USE enum ob_err ob_frozen_prepare(struct ob_forward *forward, const struct ob_weight_source *source,
                                          struct ob_error *error);
void ob_frozen_drop(struct ob_in_use *in_use);
/* NULL: the tensor is trained, or not packed. */
const uint8_t *ob_frozen_packed(const struct ob_pass *pass, size_t tensor);

/* ---- layer.c: tokens → x; one layer's attention and feed-forward part ---- */
void ob_pass_embed(const struct ob_pass *pass);
void ob_pass_layer(const struct ob_pass *pass, uint32_t layer);
/* Its two halves: what rows learn from each other, and what each of them makes of that. */
void ob_pass_layer_attention(const struct ob_pass *pass, uint32_t layer);
void ob_pass_layer_rows(const struct ob_pass *pass, uint32_t layer);

/* A norm of rows of C elements; a model that has no such tensor copies them. */
struct ob_norm {
    uint32_t layer;
    enum ob_slot weight, bias;
    float *x, *y; /* may be the same */
    bool gather;  /* y's rows are targets', x's the inputs that they are predicted from */
    bool add;     /* x = norm(x), y += x; else y = norm(x) */
};
void ob_pass_norm(const struct ob_pass *pass, const struct ob_norm *norm);

/* ---- attention.c: qkv → attn_out, causal within each sequence ---- */
void ob_pass_attention(const struct ob_pass *pass, uint32_t layer);

/* ---- rope.c: RoPE's cosines and sines (positions, half), of sequences longer than the original context (is_long) or
 * not: only LongRoPE's differ ---- */
void ob_rope_fill(const struct ob_rope *rope, size_t half, size_t positions, bool is_long, float *ret_cosines,
                  float *ret_sines);

/* ---- head.c: final norm and vocabulary; fills f->loss for all target rows, or copies row 0's logits ---- */
void ob_pass_head(const struct ob_pass *pass, float *ret_logits);

#endif
