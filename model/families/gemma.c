/* Gemma 2 (Gemma Team 2024) and the text models of Gemma 3 (2025): Llama's layers with a norm after each part
 * as well, sliding windows between layers with full attention; Gemma 2 caps its scores and logits, Gemma 3
 * norms queries and keys and has two RoPE bases. */
#include <math.h>

#include "model/families/config_bias.h"
#include "model/families/config_rope.h"
#include "model/families/config_window.h"
#include "model/families/llama.h"

#define LAYER     "model.layers.%u."
#define ATTENTION LAYER "self_attn."

static const struct ob_family_tensor TENSORS[] = {
    {"model.embed_tokens.weight", OB_SLOT_TOKENS, OB_ROLE_EMBEDDING, {OB_DIM_V, OB_DIM_E}},
    {LAYER "input_layernorm.weight", OB_SLOT_NORM1, OB_ROLE_NORM, {OB_DIM_C}},
    {ATTENTION "q_proj.weight", OB_SLOT_Q, OB_ROLE_ATTENTION, {OB_DIM_HD, OB_DIM_C}},
    {ATTENTION "q_proj.bias", OB_SLOT_Q_BIAS, OB_ROLE_BIAS, {OB_DIM_HD}, OB_PART_QKV_BIAS},
    {ATTENTION "k_proj.weight", OB_SLOT_K, OB_ROLE_ATTENTION, {OB_DIM_KD, OB_DIM_C}},
    {ATTENTION "k_proj.bias", OB_SLOT_K_BIAS, OB_ROLE_BIAS, {OB_DIM_KD}, OB_PART_QKV_BIAS},
    {ATTENTION "v_proj.weight", OB_SLOT_V, OB_ROLE_ATTENTION, {OB_DIM_KD, OB_DIM_C}},
    {ATTENTION "v_proj.bias", OB_SLOT_V_BIAS, OB_ROLE_BIAS, {OB_DIM_KD}, OB_PART_QKV_BIAS},
    {ATTENTION "q_norm.weight", OB_SLOT_Q_NORM, OB_ROLE_NORM, {OB_DIM_D}, OB_PART_QK_NORM},
    {ATTENTION "k_norm.weight", OB_SLOT_K_NORM, OB_ROLE_NORM, {OB_DIM_D}, OB_PART_QK_NORM},
    {ATTENTION "o_proj.weight", OB_SLOT_O, OB_ROLE_ATTENTION, {OB_DIM_C, OB_DIM_HD}},
    {ATTENTION "o_proj.bias", OB_SLOT_O_BIAS, OB_ROLE_BIAS, {OB_DIM_C}, OB_PART_OUT_BIAS},
    {LAYER "post_attention_layernorm.weight", OB_SLOT_O_NORM, OB_ROLE_NORM, {OB_DIM_C}},
    {LAYER "pre_feedforward_layernorm.weight", OB_SLOT_NORM2, OB_ROLE_NORM, {OB_DIM_C}},
    {LAYER "mlp.gate_proj.weight", OB_SLOT_GATE, OB_ROLE_MLP, {OB_DIM_F, OB_DIM_C}},
    {LAYER "mlp.up_proj.weight", OB_SLOT_UP, OB_ROLE_MLP, {OB_DIM_F, OB_DIM_C}},
    {LAYER "mlp.down_proj.weight", OB_SLOT_DOWN, OB_ROLE_MLP, {OB_DIM_C, OB_DIM_F}},
    {LAYER "post_feedforward_layernorm.weight", OB_SLOT_DOWN_NORM, OB_ROLE_NORM, {OB_DIM_C}},
    {"model.norm.weight", OB_SLOT_FINAL_NORM, OB_ROLE_NORM, {OB_DIM_C}},
    {"lm_head.weight", OB_SLOT_HEAD, OB_ROLE_HEAD, {OB_DIM_V, OB_DIM_E}, OB_PART_HEAD},
};

static const struct ob_family_keys KEYS = {.vocabulary = "vocab_size",
                                           .width = "hidden_size",
                                           .layers = "num_hidden_layers",
                                           .heads = "num_attention_heads",
                                           .kv_heads = "num_key_value_heads",
                                           .head_width = "head_dim",
                                           .ff_width = "intermediate_size",
                                           .context = "max_position_embeddings",
                                           .norm_epsilon = "rms_norm_eps",
                                           .activation = "hidden_activation",
                                           .rope_theta = "rope_theta"};

#define LIKE_GEMMA                                                                                           \
    .optional_prefix = "model.", .keys = &KEYS, .tensors = TENSORS,                                          \
    .tensor_count = sizeof TENSORS / sizeof *TENSORS
#define GEMMA_BASE                                                                                           \
    .norm = OB_NORM_RMS, .norm_epsilon = 1e-6f, .zero_centered_gamma = true, .position = OB_POSITION_ROTARY, \
    .activation = OB_ACTIVATION_GELU_TANH, .gated = true, .head_width = 256, .tied = true

static void configure(struct ob_config_reader *reader, struct ob_model_config *config) {
    config->embedding_scale = sqrtf((float)config->width);
    config->query_scale =
        (float)(1.0 / sqrt(ob_config_real(reader, "query_pre_attn_scalar", 1e-3, 1e6, 256)));
    ob_config_attention_bias(reader, false, config);
    ob_config_refuse_true(reader, "use_bidirectional_attention");
}

/* null: no cap */
static float read_cap(struct ob_config_reader *reader, const char *key, double otherwise) {
    if (ob_config_is_null(reader, key))
        return 0;
    return (float)ob_config_real(reader, key, 1e-3, 1e6, otherwise);
}

static void configure_gemma2(struct ob_config_reader *reader, struct ob_model_config *config) {
    configure(reader, config);
    ob_config_rope(reader, 10000, 1, config);
    config->attention_softcap = read_cap(reader, "attn_logit_softcapping", 50);
    config->logit_softcap = read_cap(reader, "final_logit_softcapping", 30);
    ob_config_windows(reader, true, (struct ob_window_rule){.every = 2, .window = 4096}, config);
}

/* llama.cpp's choice, by the number of layers of the one model that differs. */
static double gemma2_query_scalar(uint32_t layers, uint32_t width, uint32_t heads, uint32_t head_width) {
    return layers == 46 ? (double)width / heads : head_width;
}

static bool gemma2_is_sliding(uint32_t layer) {
    return layer % 2 == 0;
}

static const struct ob_family_gguf_key GEMMA2_KEYS[] = {
    {"attention.sliding_window", "sliding_window", OB_GGUF_KEY_INTEGER, 4096},
    {"attn_logit_softcapping", "attn_logit_softcapping", OB_GGUF_KEY_REAL, 50},
    {"final_logit_softcapping", "final_logit_softcapping", OB_GGUF_KEY_REAL, 30},
    {NULL},
};

static const struct ob_family_gguf GGUF_GEMMA2 = {
    .architecture = "gemma2",
    .constants = "{\"model_type\": \"gemma2\", \"hidden_activation\": \"gelu_pytorch_tanh\"}",
    .keys = GEMMA2_KEYS,
    .is_sliding = gemma2_is_sliding,
    .query_scalar = gemma2_query_scalar,
    .activation = OB_ACTIVATION_GELU_TANH,
};

const struct ob_family ob_family_gemma2 = {
    .architecture = "Gemma2ForCausalLM",
    .model_type = "gemma2",
    .gguf = &GGUF_GEMMA2,
    LIKE_GEMMA,
    .base = {GEMMA_BASE, .context = 8192},
    .configure = configure_gemma2,
};

static void configure_gemma3(struct ob_config_reader *reader, struct ob_model_config *config) {
    configure(reader, config);
    config->parts |= OB_PART_QK_NORM;
    ob_config_rope_by_layer(reader, 1000000, "rope_local_base_freq", 10000, config);
    config->attention_softcap = read_cap(reader, "attn_logit_softcapping", 0);
    config->logit_softcap = read_cap(reader, "final_logit_softcapping", 0);
    uint32_t pattern = ob_config_size(reader, "sliding_window_pattern", OB_LAYERS_MAX, 6);
    ob_config_windows(reader, true, (struct ob_window_rule){.full_each = pattern, .window = 4096}, config);
}

static double gemma3_query_scalar(uint32_t layers, uint32_t width, uint32_t heads, uint32_t head_width) {
    return layers == 62 ? (double)width / heads : head_width;
}

static bool gemma3_is_sliding(uint32_t layer) {
    return (layer + 1) % 6 != 0;
}

static const struct ob_family_gguf_key GEMMA3_KEYS[] = {
    {"attention.sliding_window", "sliding_window", OB_GGUF_KEY_INTEGER, 4096},
    {"rope.freq_base_swa", "rope_local_base_freq", OB_GGUF_KEY_REAL, NAN},
    {"final_logit_softcapping", "final_logit_softcapping", OB_GGUF_KEY_REAL, NAN},
    {NULL},
};

static const struct ob_family_gguf GGUF_GEMMA3 = {
    .architecture = "gemma3",
    .constants = "{\"model_type\": \"gemma3_text\", \"hidden_activation\": \"gelu_pytorch_tanh\"}",
    .keys = GEMMA3_KEYS,
    .is_sliding = gemma3_is_sliding,
    .query_scalar = gemma3_query_scalar,
    .sliding_theta = 10000,
    .activation = OB_ACTIVATION_GELU_TANH,
    .parts = OB_PART_QK_NORM,
};

const struct ob_family ob_family_gemma3 = {
    .architecture = "Gemma3ForCausalLM",
    .model_type = "gemma3_text",
    .gguf = &GGUF_GEMMA3,
    LIKE_GEMMA,
    .base = {GEMMA_BASE, .context = 131072},
    .configure = configure_gemma3,
};
