/* config - the shape and the options of one transformer, as its config.json states them.
 *
 * Dimension letters used in all of model/: V vocabulary, C width (channels), E embedding width, N layers,
 * H query heads, K key/value heads, D head width, F feed-forward width, T tokens of a packed mini-batch,
 * B sequences.
 * Errors: OB_EUNSUPPORTED names the architecture or option; OB_EFORMAT, OB_ETOOBIG name the key. */
#ifndef OB_MODEL_FAMILIES_CONFIG_H
#define OB_MODEL_FAMILIES_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"

struct ob_family; /* model/families/family.h */

enum ob_norm_kind { OB_NORM_LAYER, OB_NORM_RMS };
enum ob_position_kind { OB_POSITION_LEARNED, OB_POSITION_ROTARY };
enum ob_activation {
    OB_ACTIVATION_GELU_TANH,
    OB_ACTIVATION_GELU_ERF,
    OB_ACTIVATION_RELU,
    OB_ACTIVATION_SILU
};

/* How attention and feed-forward part join the residual stream x. */
enum ob_block_kind {
    OB_BLOCK_SEQUENTIAL, /* x += attention(norm1 x); x += mlp(norm2 x) */
    OB_BLOCK_PARALLEL,   /* x += attention(norm1 x) + mlp(norm2 x) */
    OB_BLOCK_POST_NORM,  /* x = norm1(x + attention x); x = norm2(x + mlp x) */
};

/* Rotary positions (RoPE): frequency i is theta^(-2i / rotary width), then scaled. */
enum ob_rope_scaling {
    OB_ROPE_DEFAULT,
    OB_ROPE_LINEAR, /* divided by `factor` */
    OB_ROPE_LLAMA3, /* low frequencies divided by `factor`, high ones kept, a ramp between */
    OB_ROPE_YARN,   /* the same with the ramp over the index of a frequency, from `low` to `high` */
    OB_ROPE_LONG,   /* LongRoPE: each divided by its own factor */
};
#define OB_ROPE_FACTORS_MAX 256 /* half of the widest rotary part with LongRoPE */
struct ob_rope {
    double theta;
    enum ob_rope_scaling scaling;
    double factor, low, high, original_context;
    double attention_factor; /* cosines and sines are multiplied by it */
    /* LongRoPE's: of sequences of up to original_context tokens, and of longer ones */
    float short_factors[OB_ROPE_FACTORS_MAX], long_factors[OB_ROPE_FACTORS_MAX];
};

/* Which optional rows of its family's table a model has. */
enum ob_part {
    OB_PART_ALWAYS = 0,
    OB_PART_HEAD = 1 << 0, /* a head of its own: it is not tied to the embedding */
    OB_PART_QKV_BIAS = 1 << 1,
    OB_PART_OUT_BIAS = 1 << 2, /* of the attention's output */
    OB_PART_MLP_BIAS = 1 << 3,
    OB_PART_QK_NORM = 1 << 4,
    OB_PART_FINAL_NORM = 1 << 5,
    OB_PART_PROJECTIONS = 1 << 6, /* between E and C */
};

struct ob_model_config {
    const struct ob_family *family;
    uint32_t vocabulary, width, layers, heads, kv_heads, head_width, ff_width, context;
    uint32_t embedding_width; /* E; C but for OB_PART_PROJECTIONS */
    unsigned parts;           /* of enum ob_part */
    bool tied;                /* the head is the token embedding: no OB_PART_HEAD */

    enum ob_block_kind block;
    enum ob_norm_kind norm;
    bool zero_centered_gamma; /* the weights of norms are differences from 1 */
    float norm_epsilon;
    enum ob_activation activation;
    bool gated;            /* act(gate x) * (up x) */
    float embedding_scale; /* token embeddings are multiplied by it */
    float residual_scale;  /* what attention and feed-forward part add to the residual stream */
    float logit_scale;     /* of the head's products, before logit_softcap */
    float logit_softcap;   /* cap · tanh(logit / cap); 0: none */

    enum ob_position_kind position;
    uint32_t position_offset;          /* row of the first position in a learned table */
    uint32_t rotary_width;             /* leading elements of a head that are rotated */
    struct ob_rope rope, rope_sliding; /* of layers with full attention, and with a sliding window */

    bool is_nope[OB_LAYERS_MAX];    /* has this layer no positions (NoPE)? */
    bool qk_norm_whole;             /* norms of queries and keys are over all heads together, not over each */
    bool qkv_by_head;               /* the fused product is (H, 3, D): each head's query, key, value */
    float query_scale;              /* scores are multiplied by it */
    float attention_softcap;        /* as logit_softcap, for attention scores */
    uint32_t sliding_window;        /* a token sees itself and so many less one before it; 0: no such layer */
    bool is_sliding[OB_LAYERS_MAX]; /* has this layer a sliding window, or full attention? */

    uint32_t adapter_rank; /* 0: no adapters; set by ob_model_adapt, never by a file */
    double adapter_alpha;
    float adapter_scale; /* alpha / rank */

    int32_t bos, eos; /* token ids, -1 when the checkpoint names none */
};

#endif
