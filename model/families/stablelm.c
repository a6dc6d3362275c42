/* StableLM (Stability AI 2023, 2024): Llama's parts with layer norms, and RoPE on a part of each head. */
#include "model/families/config_rope.h"
#include "model/families/family.h"

static const struct ob_family_keys KEYS = {.vocabulary = "vocab_size",
                                           .width = "hidden_size",
                                           .layers = "num_hidden_layers",
                                           .heads = "num_attention_heads",
                                           .kv_heads = "num_key_value_heads",
                                           .ff_width = "intermediate_size",
                                           .context = "max_position_embeddings",
                                           .norm_epsilon = "layer_norm_eps",
                                           .activation = "hidden_act",
                                           .rope_theta = "rope_theta",
                                           .rotary_part = "partial_rotary_factor"};

#define LAYER     "model.layers.%u."
#define ATTENTION LAYER "self_attn."

static const struct ob_family_tensor TENSORS[] = {
    {"model.embed_tokens.weight", OB_SLOT_TOKENS, OB_ROLE_EMBEDDING, {OB_DIM_V, OB_DIM_E}},
    {LAYER "input_layernorm.weight", OB_SLOT_NORM1, OB_ROLE_NORM, {OB_DIM_C}},
    {LAYER "input_layernorm.bias", OB_SLOT_NORM1_BIAS, OB_ROLE_BIAS, {OB_DIM_C}},
    {ATTENTION "q_proj.weight", OB_SLOT_Q, OB_ROLE_ATTENTION, {OB_DIM_HD, OB_DIM_C}},
    {ATTENTION "q_proj.bias", OB_SLOT_Q_BIAS, OB_ROLE_BIAS, {OB_DIM_HD}, OB_PART_QKV_BIAS},
    {ATTENTION "k_proj.weight", OB_SLOT_K, OB_ROLE_ATTENTION, {OB_DIM_KD, OB_DIM_C}},
    {ATTENTION "k_proj.bias", OB_SLOT_K_BIAS, OB_ROLE_BIAS, {OB_DIM_KD}, OB_PART_QKV_BIAS},
    {ATTENTION "v_proj.weight", OB_SLOT_V, OB_ROLE_ATTENTION, {OB_DIM_KD, OB_DIM_C}},
    {ATTENTION "v_proj.bias", OB_SLOT_V_BIAS, OB_ROLE_BIAS, {OB_DIM_KD}, OB_PART_QKV_BIAS},
    {ATTENTION "o_proj.weight", OB_SLOT_O, OB_ROLE_ATTENTION, {OB_DIM_C, OB_DIM_HD}},
    {LAYER "post_attention_layernorm.weight", OB_SLOT_NORM2, OB_ROLE_NORM, {OB_DIM_C}},
    {LAYER "post_attention_layernorm.bias", OB_SLOT_NORM2_BIAS, OB_ROLE_BIAS, {OB_DIM_C}},
    {LAYER "mlp.gate_proj.weight", OB_SLOT_GATE, OB_ROLE_MLP, {OB_DIM_F, OB_DIM_C}},
    {LAYER "mlp.up_proj.weight", OB_SLOT_UP, OB_ROLE_MLP, {OB_DIM_F, OB_DIM_C}},
    {LAYER "mlp.down_proj.weight", OB_SLOT_DOWN, OB_ROLE_MLP, {OB_DIM_C, OB_DIM_F}},
    {"model.norm.weight", OB_SLOT_FINAL_NORM, OB_ROLE_NORM, {OB_DIM_C}},
    {"model.norm.bias", OB_SLOT_FINAL_NORM_BIAS, OB_ROLE_BIAS, {OB_DIM_C}},
    {"lm_head.weight", OB_SLOT_HEAD, OB_ROLE_HEAD, {OB_DIM_V, OB_DIM_E}, OB_PART_HEAD},
};

static void configure(struct ob_config_reader *reader, struct ob_model_config *config) {
    ob_config_rope(reader, 10000, 0.25, config);
    if (ob_config_bool(reader, "use_qkv_bias", false))
        config->parts |= OB_PART_QKV_BIAS;
    ob_config_refuse_true(reader, "use_parallel_residual");
    ob_config_refuse_true(reader, "qk_layernorm");
}

static const struct ob_family_gguf GGUF = {
    .architecture = "stablelm",
    .constants = "{\"model_type\": \"stablelm\", \"hidden_act\": \"silu\"}",
    .qkv_bias = "use_qkv_bias",
    .activation = OB_ACTIVATION_SILU,
    .parts_also = OB_PART_HEAD | OB_PART_QKV_BIAS,
};

const struct ob_family ob_family_stablelm = {
    .architecture = "StableLmForCausalLM",
    .model_type = "stablelm",
    .gguf = &GGUF,
    .optional_prefix = "model.",
    .keys = &KEYS,
    .base = {.norm = OB_NORM_LAYER,
             .norm_epsilon = 1e-5f,
             .position = OB_POSITION_ROTARY,
             .activation = OB_ACTIVATION_SILU,
             .gated = true,
             .context = 4096},
    .tensors = TENSORS,
    .tensor_count = sizeof TENSORS / sizeof *TENSORS,
    .configure = configure,
};
