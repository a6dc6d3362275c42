/* OPT (Zhang et al. 2022): learned positions from row 2 on, layer norms before each part, or after it as in
 * the 350M model, ReLU, biases, an embedding that may be narrower than the layers. */
#include "model/families/family.h"

static const struct ob_family_keys KEYS = {.vocabulary = "vocab_size",
                                           .width = "hidden_size",
                                           .layers = "num_hidden_layers",
                                           .heads = "num_attention_heads",
                                           .ff_width = "ffn_dim",
                                           .context = "max_position_embeddings",
                                           .activation = "activation_function"};

#define LAYER     "model.decoder.layers.%u."
#define ATTENTION LAYER "self_attn."

static const struct ob_family_tensor TENSORS[] = {
    {"model.decoder.embed_tokens.weight", OB_SLOT_TOKENS, OB_ROLE_EMBEDDING, {OB_DIM_V, OB_DIM_E}},
    {"model.decoder.embed_positions.weight", OB_SLOT_POSITIONS, OB_ROLE_POSITION, {OB_DIM_P, OB_DIM_C}},
    {"model.decoder.project_in.weight",
     OB_SLOT_PROJECT_IN,
     OB_ROLE_EMBEDDING,
     {OB_DIM_C, OB_DIM_E},
     OB_PART_PROJECTIONS},
    {LAYER "self_attn_layer_norm.weight", OB_SLOT_NORM1, OB_ROLE_NORM, {OB_DIM_C}},
    {LAYER "self_attn_layer_norm.bias", OB_SLOT_NORM1_BIAS, OB_ROLE_BIAS, {OB_DIM_C}},
    {ATTENTION "q_proj.weight", OB_SLOT_Q, OB_ROLE_ATTENTION, {OB_DIM_HD, OB_DIM_C}},
    {ATTENTION "q_proj.bias", OB_SLOT_Q_BIAS, OB_ROLE_BIAS, {OB_DIM_HD}, OB_PART_QKV_BIAS},
    {ATTENTION "k_proj.weight", OB_SLOT_K, OB_ROLE_ATTENTION, {OB_DIM_KD, OB_DIM_C}},
    {ATTENTION "k_proj.bias", OB_SLOT_K_BIAS, OB_ROLE_BIAS, {OB_DIM_KD}, OB_PART_QKV_BIAS},
    {ATTENTION "v_proj.weight", OB_SLOT_V, OB_ROLE_ATTENTION, {OB_DIM_KD, OB_DIM_C}},
    {ATTENTION "v_proj.bias", OB_SLOT_V_BIAS, OB_ROLE_BIAS, {OB_DIM_KD}, OB_PART_QKV_BIAS},
    {ATTENTION "out_proj.weight", OB_SLOT_O, OB_ROLE_ATTENTION, {OB_DIM_C, OB_DIM_HD}},
    {ATTENTION "out_proj.bias", OB_SLOT_O_BIAS, OB_ROLE_BIAS, {OB_DIM_C}, OB_PART_OUT_BIAS},
    {LAYER "final_layer_norm.weight", OB_SLOT_NORM2, OB_ROLE_NORM, {OB_DIM_C}},
    {LAYER "final_layer_norm.bias", OB_SLOT_NORM2_BIAS, OB_ROLE_BIAS, {OB_DIM_C}},
    {LAYER "fc1.weight", OB_SLOT_UP, OB_ROLE_MLP, {OB_DIM_F, OB_DIM_C}},
    {LAYER "fc1.bias", OB_SLOT_UP_BIAS, OB_ROLE_BIAS, {OB_DIM_F}, OB_PART_MLP_BIAS},
    {LAYER "fc2.weight", OB_SLOT_DOWN, OB_ROLE_MLP, {OB_DIM_C, OB_DIM_F}},
    {LAYER "fc2.bias", OB_SLOT_DOWN_BIAS, OB_ROLE_BIAS, {OB_DIM_C}, OB_PART_MLP_BIAS},
    {"model.decoder.final_layer_norm.weight",
     OB_SLOT_FINAL_NORM,
     OB_ROLE_NORM,
     {OB_DIM_C},
     OB_PART_FINAL_NORM},
    {"model.decoder.final_layer_norm.bias",
     OB_SLOT_FINAL_NORM_BIAS,
     OB_ROLE_BIAS,
     {OB_DIM_C},
     OB_PART_FINAL_NORM},
    {"model.decoder.project_out.weight",
     OB_SLOT_PROJECT_OUT,
     OB_ROLE_HEAD,
     {OB_DIM_E, OB_DIM_C},
     OB_PART_PROJECTIONS},
    {"lm_head.weight", OB_SLOT_HEAD, OB_ROLE_HEAD, {OB_DIM_V, OB_DIM_E}, OB_PART_HEAD},
};

static void configure(struct ob_config_reader *reader, struct ob_model_config *config) {
    config->embedding_width = ob_config_size(reader, "word_embed_proj_dim", 1u << 16, config->width);
    if (config->embedding_width != config->width)
        config->parts |= OB_PART_PROJECTIONS;
    if (ob_config_bool(reader, "enable_bias", true))
        config->parts |= OB_PART_QKV_BIAS | OB_PART_OUT_BIAS | OB_PART_MLP_BIAS;
    if (!ob_config_bool(reader, "do_layer_norm_before", true))
        config->block = OB_BLOCK_POST_NORM;
    else if (!ob_config_bool(reader, "_remove_final_layer_norm", false))
        config->parts |= OB_PART_FINAL_NORM;
    ob_config_refuse_false(reader, "layer_norm_elementwise_affine");
}

const struct ob_family ob_family_opt = {
    .architecture = "OPTForCausalLM",
    .model_type = "opt",
    .pre_tokenizer = "gpt-2",
    .optional_prefix = "model.",
    .keys = &KEYS,
    .base = {.norm = OB_NORM_LAYER,
             .norm_epsilon = 1e-5f,
             .position = OB_POSITION_LEARNED,
             .position_offset = 2,
             .activation = OB_ACTIVATION_RELU,
             .tied = true},
    .tensors = TENSORS,
    .tensor_count = sizeof TENSORS / sizeof *TENSORS,
    .configure = configure,
};
