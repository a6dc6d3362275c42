/* Phi-3 and Phi-4 (Abdin et al. 2024): Llama's parts with fused queries, keys and values, and a fused gate and up. */
#include "model/families/config_rope.h"
#include "model/families/config_window.h"
#include "model/families/family.h"

static const struct ob_family_keys KEYS = {.vocabulary = "vocab_size",
                                           .width = "hidden_size",
                                           .layers = "num_hidden_layers",
                                           .heads = "num_attention_heads",
                                           .kv_heads = "num_key_value_heads",
                                           .head_width = "head_dim",
                                           .ff_width = "intermediate_size",
                                           .context = "max_position_embeddings",
                                           .norm_epsilon = "rms_norm_eps",
                                           .activation = "hidden_act",
                                           .rope_theta = "rope_theta",
                                           .rotary_part = "partial_rotary_factor"};

#define LAYER "model.layers.%u."

static const struct ob_family_tensor TENSORS[] = {
    {"model.embed_tokens.weight", OB_SLOT_TOKENS, OB_ROLE_EMBEDDING, {OB_DIM_V, OB_DIM_E}},
    {LAYER "input_layernorm.weight", OB_SLOT_NORM1, OB_ROLE_NORM, {OB_DIM_C}},
    {LAYER "self_attn.qkv_proj.weight", OB_SLOT_QKV, OB_ROLE_ATTENTION, {OB_DIM_QKV, OB_DIM_C}},
    {LAYER "self_attn.o_proj.weight", OB_SLOT_O, OB_ROLE_ATTENTION, {OB_DIM_C, OB_DIM_HD}},
    {LAYER "post_attention_layernorm.weight", OB_SLOT_NORM2, OB_ROLE_NORM, {OB_DIM_C}},
    {LAYER "mlp.gate_up_proj.weight", OB_SLOT_GATE_UP, OB_ROLE_MLP, {OB_DIM_2F, OB_DIM_C}},
    {LAYER "mlp.down_proj.weight", OB_SLOT_DOWN, OB_ROLE_MLP, {OB_DIM_C, OB_DIM_F}},
    {"model.norm.weight", OB_SLOT_FINAL_NORM, OB_ROLE_NORM, {OB_DIM_C}},
    {"lm_head.weight", OB_SLOT_HEAD, OB_ROLE_HEAD, {OB_DIM_V, OB_DIM_E}, OB_PART_HEAD},
};

static void configure(struct ob_config_reader *reader, struct ob_model_config *config) {
    ob_config_rope(reader, 10000, 1, config);
    if (config->rope.scaling != OB_ROPE_DEFAULT && config->rope.scaling != OB_ROPE_LONG)
        ob_config_fail(reader, OB_EUNSUPPORTED, "RoPE scaling other than longrope is not defined for Phi-3");
    ob_config_windows(reader, true, (struct ob_window_rule){.every = 1}, config);
}

static const struct ob_family_gguf_key GGUF_KEYS[] = {
    {"attention.sliding_window", "sliding_window", OB_GGUF_KEY_INTEGER, 0},
    {"rope.scaling.original_context_length", "original_max_position_embeddings", OB_GGUF_KEY_INTEGER, 4096},
    {NULL},
};

static bool is_sliding_in_gguf(uint32_t layer) {
    (void)layer;
    return true;
}

static const struct ob_family_gguf GGUF = {
    .architecture = "phi3",
    .constants = "{\"model_type\": \"phi3\", \"hidden_act\": \"silu\"}",
    .keys = GGUF_KEYS,
    .activation = OB_ACTIVATION_SILU,
    .parts_also = OB_PART_HEAD,
    .is_sliding = is_sliding_in_gguf,
    .has_longrope = true,
};

const struct ob_family ob_family_phi3 = {
    .architecture = "Phi3ForCausalLM",
    .model_type = "phi3",
    .gguf = &GGUF,
    .optional_prefix = "model.",
    .keys = &KEYS,
    .base = {.norm = OB_NORM_RMS,
             .norm_epsilon = 1e-5f,
             .position = OB_POSITION_ROTARY,
             .rope = {.original_context = 4096},
             .activation = OB_ACTIVATION_SILU,
             .gated = true,
             .context = 4096},
    .tensors = TENSORS,
    .tensor_count = sizeof TENSORS / sizeof *TENSORS,
    .configure = configure,
};
