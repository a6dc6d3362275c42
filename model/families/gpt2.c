/* GPT-2 (Radford et al. 2019): learned positions, layer norms, fused queries, keys and values, a head that is
 * the token embedding. Its matrices are (in, out). */
#include "model/families/family.h"

static const struct ob_family_keys KEYS = {.vocabulary = "vocab_size",
                                           .width = "n_embd",
                                           .layers = "n_layer",
                                           .heads = "n_head",
                                           .ff_width = "n_inner",
                                           .context = "n_positions",
                                           .norm_epsilon = "layer_norm_epsilon",
                                           .activation = "activation_function",
                                           .ff_widths = 4};

static const struct ob_family_tensor TENSORS[] = {
    {"transformer.wte.weight", OB_SLOT_TOKENS, OB_ROLE_EMBEDDING, {OB_DIM_V, OB_DIM_E}},
    {"transformer.wpe.weight", OB_SLOT_POSITIONS, OB_ROLE_POSITION, {OB_DIM_P, OB_DIM_C}},
    {"transformer.h.%u.ln_1.weight", OB_SLOT_NORM1, OB_ROLE_NORM, {OB_DIM_C}},
    {"transformer.h.%u.ln_1.bias", OB_SLOT_NORM1_BIAS, OB_ROLE_BIAS, {OB_DIM_C}},
    {"transformer.h.%u.attn.c_attn.weight", OB_SLOT_QKV, OB_ROLE_ATTENTION, {OB_DIM_C, OB_DIM_QKV}},
    {"transformer.h.%u.attn.c_attn.bias", OB_SLOT_QKV_BIAS, OB_ROLE_BIAS, {OB_DIM_QKV}},
    {"transformer.h.%u.attn.c_proj.weight", OB_SLOT_O, OB_ROLE_ATTENTION, {OB_DIM_HD, OB_DIM_C}},
    {"transformer.h.%u.attn.c_proj.bias", OB_SLOT_O_BIAS, OB_ROLE_BIAS, {OB_DIM_C}},
    {"transformer.h.%u.ln_2.weight", OB_SLOT_NORM2, OB_ROLE_NORM, {OB_DIM_C}},
    {"transformer.h.%u.ln_2.bias", OB_SLOT_NORM2_BIAS, OB_ROLE_BIAS, {OB_DIM_C}},
    {"transformer.h.%u.mlp.c_fc.weight", OB_SLOT_UP, OB_ROLE_MLP, {OB_DIM_C, OB_DIM_F}},
    {"transformer.h.%u.mlp.c_fc.bias", OB_SLOT_UP_BIAS, OB_ROLE_BIAS, {OB_DIM_F}},
    {"transformer.h.%u.mlp.c_proj.weight", OB_SLOT_DOWN, OB_ROLE_MLP, {OB_DIM_F, OB_DIM_C}},
    {"transformer.h.%u.mlp.c_proj.bias", OB_SLOT_DOWN_BIAS, OB_ROLE_BIAS, {OB_DIM_C}},
    {"transformer.ln_f.weight", OB_SLOT_FINAL_NORM, OB_ROLE_NORM, {OB_DIM_C}},
    {"transformer.ln_f.bias", OB_SLOT_FINAL_NORM_BIAS, OB_ROLE_BIAS, {OB_DIM_C}},
    {"lm_head.weight", OB_SLOT_HEAD, OB_ROLE_HEAD, {OB_DIM_V, OB_DIM_E}, OB_PART_HEAD},
};

static const char *const BUFFERS[] = {".attn.bias", ".attn.masked_bias", NULL};

static void configure(struct ob_config_reader *reader, struct ob_model_config *config) {
    (void)config;
    ob_config_refuse_true(reader, "scale_attn_by_inverse_layer_idx");
    ob_config_refuse_true(reader, "add_cross_attention");
    ob_config_refuse_false(reader, "scale_attn_weights");
}

static const struct ob_family_gguf GGUF = {
    .architecture = "gpt2",
    .constants = "{\"model_type\": \"gpt2\", \"activation_function\": \"gelu_new\"}",
    .activation = OB_ACTIVATION_GELU_TANH,
    .parts_also = OB_PART_HEAD,
};

const struct ob_family ob_family_gpt2 = {
    .architecture = "GPT2LMHeadModel",
    .model_type = "gpt2",
    .tokenizer_class = "GPT2Tokenizer",
    .pre_tokenizer = "gpt-2",
    .gguf = &GGUF,
    .optional_prefix = "transformer.",
    .input_major = true,
    .keys = &KEYS,
    .base = {.context = 1024,
             .norm = OB_NORM_LAYER,
             .norm_epsilon = 1e-5f,
             .position = OB_POSITION_LEARNED,
             .activation = OB_ACTIVATION_GELU_TANH,
             .tied = true},
    .tensors = TENSORS,
    .tensor_count = sizeof TENSORS / sizeof *TENSORS,
    .buffers = BUFFERS,
    .configure = configure,
};
