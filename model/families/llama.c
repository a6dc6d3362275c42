/* Llama (Touvron et al. 2023) and those built like it, Mistral (Jiang et al. 2023), Qwen2 and Qwen3 (Yang et
 * al. 2024, 2025), Gemma (Gemma Team 2024): RMS norms, rotary positions, grouped queries, a gated
 * feed-forward part. One table; what differs is which of its parts a model has. */
#include <math.h>

#include "model/families/config_bias.h"
#include "model/families/config_rope.h"
#include "model/families/config_window.h"
#include "model/families/llama.h"

const struct ob_family_keys ob_family_llama_keys = {.vocabulary = "vocab_size",
                                                    .width = "hidden_size",
                                                    .layers = "num_hidden_layers",
                                                    .heads = "num_attention_heads",
                                                    .kv_heads = "num_key_value_heads",
                                                    .head_width = "head_dim",
                                                    .ff_width = "intermediate_size",
                                                    .context = "max_position_embeddings",
                                                    .norm_epsilon = "rms_norm_eps",
                                                    .activation = "hidden_act",
                                                    .rope_theta = "rope_theta"};

#define LAYER     "model.layers.%u."
#define ATTENTION LAYER "self_attn."

const struct ob_family_tensor ob_family_llama_tensors[] = {
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
    {LAYER "post_attention_layernorm.weight", OB_SLOT_NORM2, OB_ROLE_NORM, {OB_DIM_C}},
    {LAYER "mlp.gate_proj.weight", OB_SLOT_GATE, OB_ROLE_MLP, {OB_DIM_F, OB_DIM_C}},
    {LAYER "mlp.gate_proj.bias", OB_SLOT_GATE_BIAS, OB_ROLE_BIAS, {OB_DIM_F}, OB_PART_MLP_BIAS},
    {LAYER "mlp.up_proj.weight", OB_SLOT_UP, OB_ROLE_MLP, {OB_DIM_F, OB_DIM_C}},
    {LAYER "mlp.up_proj.bias", OB_SLOT_UP_BIAS, OB_ROLE_BIAS, {OB_DIM_F}, OB_PART_MLP_BIAS},
    {LAYER "mlp.down_proj.weight", OB_SLOT_DOWN, OB_ROLE_MLP, {OB_DIM_C, OB_DIM_F}},
    {LAYER "mlp.down_proj.bias", OB_SLOT_DOWN_BIAS, OB_ROLE_BIAS, {OB_DIM_C}, OB_PART_MLP_BIAS},
    {"model.norm.weight", OB_SLOT_FINAL_NORM, OB_ROLE_NORM, {OB_DIM_C}},
    {"lm_head.weight", OB_SLOT_HEAD, OB_ROLE_HEAD, {OB_DIM_V, OB_DIM_E}, OB_PART_HEAD},
};

#define LLAMA_BASE .norm = OB_NORM_RMS, .norm_epsilon = 1e-6f, .position = OB_POSITION_ROTARY, .gated = true

static void configure_llama(struct ob_config_reader *reader, struct ob_model_config *config) {
    ob_config_rope(reader, 10000, 1, config);
    ob_config_attention_bias(reader, false, config);
    ob_config_mlp_bias(reader, config);
}

static const struct ob_family_gguf GGUF_LLAMA = {
    .architecture = "llama",
    .constants = "{\"model_type\": \"llama\", \"hidden_act\": \"silu\"}",
    .activation = OB_ACTIVATION_SILU,
    .parts_also = OB_PART_HEAD | OB_PART_QKV_BIAS | OB_PART_OUT_BIAS | OB_PART_MLP_BIAS,
    .permuted = true,
};

const struct ob_family ob_family_llama = {
    .architecture = "LlamaForCausalLM",
    .model_type = "llama",
    .gguf = &GGUF_LLAMA,
    OB_FAMILY_LIKE_LLAMA,
    .base = {LLAMA_BASE, .activation = OB_ACTIVATION_SILU, .context = 2048},
    .configure = configure_llama,
};

static void configure_mistral(struct ob_config_reader *reader, struct ob_model_config *config) {
    ob_config_rope(reader, 10000, 1, config);
    ob_config_windows(reader, true, (struct ob_window_rule){.every = 1, .window = 4096}, config);
}

const struct ob_family ob_family_mistral = {
    .architecture = "MistralForCausalLM",
    .model_type = "mistral",
    .gguf = &GGUF_LLAMA, /* GGUF keeps it under that name too */
    OB_FAMILY_LIKE_LLAMA,
    .base = {LLAMA_BASE, .activation = OB_ACTIVATION_SILU, .context = 131072},
    .configure = configure_mistral,
};

/* Windows only where they are asked for, and then from layer max_window_layers on. */
static void configure_qwen_windows(struct ob_config_reader *reader, struct ob_model_config *config) {
    uint32_t first = 28;
    if (ob_config_is_set(reader, "max_window_layers"))
        first = ob_config_size_from_zero(reader, "max_window_layers", OB_LAYERS_MAX);
    ob_config_windows(reader, ob_config_bool(reader, "use_sliding_window", false),
                      (struct ob_window_rule){.first = first, .every = 1, .window = 4096}, config);
}

static void configure_qwen2(struct ob_config_reader *reader, struct ob_model_config *config) {
    config->parts |= OB_PART_QKV_BIAS;
    ob_config_rope(reader, 10000, 1, config);
    configure_qwen_windows(reader, config);
}

static const struct ob_family_gguf GGUF_QWEN2 = {
    .architecture = "qwen2",
    .constants = "{\"model_type\": \"qwen2\", \"hidden_act\": \"silu\", \"use_sliding_window\": false}",
    .activation = OB_ACTIVATION_SILU,
    .parts = OB_PART_QKV_BIAS,
    .parts_also = OB_PART_HEAD,
};

const struct ob_family ob_family_qwen2 = {
    .architecture = "Qwen2ForCausalLM",
    .model_type = "qwen2",
    .tokenizer_class = "Qwen2Tokenizer",
    .pre_tokenizer = "qwen2",
    .gguf = &GGUF_QWEN2,
    OB_FAMILY_LIKE_LLAMA,
    .base = {LLAMA_BASE, .activation = OB_ACTIVATION_SILU, .context = 32768},
    .configure = configure_qwen2,
};

static void configure_qwen3(struct ob_config_reader *reader, struct ob_model_config *config) {
    config->parts |= OB_PART_QK_NORM;
    ob_config_attention_bias(reader, false, config);
    ob_config_rope(reader, 10000, 1, config);
    configure_qwen_windows(reader, config);
}

static const struct ob_family_gguf GGUF_QWEN3 = {
    .architecture = "qwen3",
    .constants = "{\"model_type\": \"qwen3\", \"hidden_act\": \"silu\", \"use_sliding_window\": false}",
    .activation = OB_ACTIVATION_SILU,
    .parts = OB_PART_QK_NORM,
    .parts_also = OB_PART_HEAD,
};

const struct ob_family ob_family_qwen3 = {
    .architecture = "Qwen3ForCausalLM",
    .model_type = "qwen3",
    .pre_tokenizer = "qwen2",
    .gguf = &GGUF_QWEN3,
    OB_FAMILY_LIKE_LLAMA,
    .base = {LLAMA_BASE, .activation = OB_ACTIVATION_SILU, .context = 32768, .head_width = 128},
    .configure = configure_qwen3,
};

static void configure_gemma(struct ob_config_reader *reader, struct ob_model_config *config) {
    config->embedding_scale = sqrtf((float)config->width);
    ob_config_rope(reader, 10000, 1, config);
    ob_config_attention_bias(reader, false, config);
    ob_config_refuse_true(reader, "use_bidirectional_attention");
}

static const struct ob_family_gguf GGUF_GEMMA = {
    .architecture = "gemma",
    .constants = "{\"model_type\": \"gemma\", \"hidden_act\": \"gelu_pytorch_tanh\"}",
    .activation = OB_ACTIVATION_GELU_TANH,
};

const struct ob_family ob_family_gemma = {
    .architecture = "GemmaForCausalLM",
    .model_type = "gemma",
    .gguf = &GGUF_GEMMA,
    OB_FAMILY_LIKE_LLAMA,
    .base = {LLAMA_BASE, .context = 8192, .head_width = 256, .zero_centered_gamma = true,
             .activation = OB_ACTIVATION_GELU_TANH, .tied = true},
    .configure = configure_gemma,
};
