/* OLMo 2 (OLMo Team 2024): norms after each part and none before, queries and keys normed over all heads together. */
#include "model/families/config_bias.h"
#include "model/families/config_rope.h"
#include "model/families/llama.h"

#define LAYER     "model.layers.%u."
#define ATTENTION LAYER "self_attn."

static const struct ob_family_tensor TENSORS[] = {
    {"model.embed_tokens.weight", OB_SLOT_TOKENS, OB_ROLE_EMBEDDING, {OB_DIM_V, OB_DIM_E}},
    {ATTENTION "q_proj.weight", OB_SLOT_Q, OB_ROLE_ATTENTION, {OB_DIM_HD, OB_DIM_C}},
    {ATTENTION "q_proj.bias", OB_SLOT_Q_BIAS, OB_ROLE_BIAS, {OB_DIM_HD}, OB_PART_QKV_BIAS},
    {ATTENTION "k_proj.weight", OB_SLOT_K, OB_ROLE_ATTENTION, {OB_DIM_KD, OB_DIM_C}},
    {ATTENTION "k_proj.bias", OB_SLOT_K_BIAS, OB_ROLE_BIAS, {OB_DIM_KD}, OB_PART_QKV_BIAS},
    {ATTENTION "v_proj.weight", OB_SLOT_V, OB_ROLE_ATTENTION, {OB_DIM_KD, OB_DIM_C}},
    {ATTENTION "v_proj.bias", OB_SLOT_V_BIAS, OB_ROLE_BIAS, {OB_DIM_KD}, OB_PART_QKV_BIAS},
    {ATTENTION "q_norm.weight", OB_SLOT_Q_NORM, OB_ROLE_NORM, {OB_DIM_HD}},
    {ATTENTION "k_norm.weight", OB_SLOT_K_NORM, OB_ROLE_NORM, {OB_DIM_KD}},
    {ATTENTION "o_proj.weight", OB_SLOT_O, OB_ROLE_ATTENTION, {OB_DIM_C, OB_DIM_HD}},
    {ATTENTION "o_proj.bias", OB_SLOT_O_BIAS, OB_ROLE_BIAS, {OB_DIM_C}, OB_PART_OUT_BIAS},
    {LAYER "post_attention_layernorm.weight", OB_SLOT_O_NORM, OB_ROLE_NORM, {OB_DIM_C}},
    {LAYER "mlp.gate_proj.weight", OB_SLOT_GATE, OB_ROLE_MLP, {OB_DIM_F, OB_DIM_C}},
    {LAYER "mlp.up_proj.weight", OB_SLOT_UP, OB_ROLE_MLP, {OB_DIM_F, OB_DIM_C}},
    {LAYER "mlp.down_proj.weight", OB_SLOT_DOWN, OB_ROLE_MLP, {OB_DIM_C, OB_DIM_F}},
    {LAYER "post_feedforward_layernorm.weight", OB_SLOT_DOWN_NORM, OB_ROLE_NORM, {OB_DIM_C}},
    {"model.norm.weight", OB_SLOT_FINAL_NORM, OB_ROLE_NORM, {OB_DIM_C}},
    {"lm_head.weight", OB_SLOT_HEAD, OB_ROLE_HEAD, {OB_DIM_V, OB_DIM_E}, OB_PART_HEAD},
};

static void configure(struct ob_config_reader *reader, struct ob_model_config *config) {
    ob_config_rope(reader, 10000, 1, config);
    ob_config_attention_bias(reader, false, config);
}

static const struct ob_family_gguf GGUF = {
    .architecture = "olmo2",
    .constants = "{\"model_type\": \"olmo2\", \"hidden_act\": \"silu\"}",
    .activation = OB_ACTIVATION_SILU,
    .parts_also = OB_PART_HEAD,
};

const struct ob_family ob_family_olmo2 = {
    .architecture = "Olmo2ForCausalLM",
    .model_type = "olmo2",
    .gguf = &GGUF,
    .optional_prefix = "model.",
    .keys = &ob_family_llama_keys,
    .base = {.norm = OB_NORM_RMS,
             .norm_epsilon = 1e-5f,
             .position = OB_POSITION_ROTARY,
             .qk_norm_whole = true,
             .activation = OB_ACTIVATION_SILU,
             .gated = true,
             .context = 2048},
    .tensors = TENSORS,
    .tensor_count = sizeof TENSORS / sizeof *TENSORS,
    .configure = configure,
};
