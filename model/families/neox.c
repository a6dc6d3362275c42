/* GPT-NeoX (Black et al. 2022) and Pythia (Biderman et al. 2023): attention and feed-forward part in
 * parallel, rotary positions on the first part of each head, queries, keys and values fused head by head. */
#include "model/families/config_bias.h"
#include "model/families/config_rope.h"
#include "model/families/family.h"

static const struct ob_family_keys KEYS = {.vocabulary = "vocab_size",
                                           .width = "hidden_size",
                                           .layers = "num_hidden_layers",
                                           .heads = "num_attention_heads",
                                           .ff_width = "intermediate_size",
                                           .context = "max_position_embeddings",
                                           .norm_epsilon = "layer_norm_eps",
                                           .activation = "hidden_act",
                                           .rope_theta = "rotary_emb_base",
                                           .rotary_part = "rotary_pct"};

#define LAYER     "gpt_neox.layers.%u."
#define ATTENTION LAYER "attention."

static const struct ob_family_tensor TENSORS[] = {
    {"gpt_neox.embed_in.weight", OB_SLOT_TOKENS, OB_ROLE_EMBEDDING, {OB_DIM_V, OB_DIM_E}},
    {LAYER "input_layernorm.weight", OB_SLOT_NORM1, OB_ROLE_NORM, {OB_DIM_C}},
    {LAYER "input_layernorm.bias", OB_SLOT_NORM1_BIAS, OB_ROLE_BIAS, {OB_DIM_C}},
    {ATTENTION "query_key_value.weight", OB_SLOT_QKV, OB_ROLE_ATTENTION, {OB_DIM_QKV, OB_DIM_C}},
    {ATTENTION "query_key_value.bias", OB_SLOT_QKV_BIAS, OB_ROLE_BIAS, {OB_DIM_QKV}, OB_PART_QKV_BIAS},
    {ATTENTION "dense.weight", OB_SLOT_O, OB_ROLE_ATTENTION, {OB_DIM_C, OB_DIM_HD}},
    {ATTENTION "dense.bias", OB_SLOT_O_BIAS, OB_ROLE_BIAS, {OB_DIM_C}, OB_PART_OUT_BIAS},
    {LAYER "post_attention_layernorm.weight", OB_SLOT_NORM2, OB_ROLE_NORM, {OB_DIM_C}},
    {LAYER "post_attention_layernorm.bias", OB_SLOT_NORM2_BIAS, OB_ROLE_BIAS, {OB_DIM_C}},
    {LAYER "mlp.dense_h_to_4h.weight", OB_SLOT_UP, OB_ROLE_MLP, {OB_DIM_F, OB_DIM_C}},
    {LAYER "mlp.dense_h_to_4h.bias", OB_SLOT_UP_BIAS, OB_ROLE_BIAS, {OB_DIM_F}},
    {LAYER "mlp.dense_4h_to_h.weight", OB_SLOT_DOWN, OB_ROLE_MLP, {OB_DIM_C, OB_DIM_F}},
    {LAYER "mlp.dense_4h_to_h.bias", OB_SLOT_DOWN_BIAS, OB_ROLE_BIAS, {OB_DIM_C}},
    {"gpt_neox.final_layer_norm.weight", OB_SLOT_FINAL_NORM, OB_ROLE_NORM, {OB_DIM_C}},
    {"gpt_neox.final_layer_norm.bias", OB_SLOT_FINAL_NORM_BIAS, OB_ROLE_BIAS, {OB_DIM_C}},
    {"embed_out.weight", OB_SLOT_HEAD, OB_ROLE_HEAD, {OB_DIM_V, OB_DIM_E}, OB_PART_HEAD},
};

static const char *const BUFFERS[] = {".attention.bias", ".attention.masked_bias", NULL};

static void configure(struct ob_config_reader *reader, struct ob_model_config *config) {
    ob_config_rope(reader, 10000, 0.25, config);
    if (!ob_config_bool(reader, "use_parallel_residual", true))
        config->block = OB_BLOCK_SEQUENTIAL;
    ob_config_attention_bias(reader, true, config);
}

static const struct ob_family_gguf_key GGUF_KEYS[] = {
    {"use_parallel_residual", "use_parallel_residual", OB_GGUF_KEY_BOOL, 1},
    {NULL},
};

static const struct ob_family_gguf GGUF = {
    .architecture = "gptneox",
    .constants = "{\"model_type\": \"gpt_neox\", \"hidden_act\": \"gelu\", \"attention_bias\": true}",
    .keys = GGUF_KEYS,
    .activation = OB_ACTIVATION_GELU_ERF,
    .parts = OB_PART_QKV_BIAS | OB_PART_OUT_BIAS,
    .parts_also = OB_PART_HEAD,
    .regrouped = true,
};

const struct ob_family ob_family_neox = {
    .architecture = "GPTNeoXForCausalLM",
    .model_type = "gpt_neox",
    .tokenizer_class = "GPTNeoXTokenizer",
    .pre_tokenizer = "olmo",
    .gguf = &GGUF,
    .optional_prefix = "gpt_neox.",
    .keys = &KEYS,
    .base = {.block = OB_BLOCK_PARALLEL,
             .norm = OB_NORM_LAYER,
             .norm_epsilon = 1e-5f,
             .position = OB_POSITION_ROTARY,
             .qkv_by_head = true,
             .activation = OB_ACTIVATION_GELU_ERF},
    .tensors = TENSORS,
    .tensor_count = sizeof TENSORS / sizeof *TENSORS,
    .head_alias = "lm_head.weight",
    .buffers = BUFFERS,
    .configure = configure,
};
