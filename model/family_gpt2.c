/* GPT-2 (Radford et al. 2019), GPT2LMHeadModel: learned positions, layer norms, fused queries, keys and
 * values, a head that is the token embedding. Its matrices are (in, out). */
#include <string.h>

#include "model/config_json.h"
#include "model/family.h"

static const struct ob_family_tensor TENSORS[] = {
    {"transformer.wte.weight", OB_SLOT_TOKENS, OB_ROLE_HEAD, false, {OB_DIM_V, OB_DIM_C}},
    {"transformer.wpe.weight", OB_SLOT_POSITIONS, OB_ROLE_POSITION, false, {OB_DIM_P, OB_DIM_C}},
    {"transformer.h.%u.ln_1.weight", OB_SLOT_NORM1, OB_ROLE_NORM, true, {OB_DIM_C}},
    {"transformer.h.%u.ln_1.bias", OB_SLOT_NORM1_BIAS, OB_ROLE_BIAS, true, {OB_DIM_C}},
    {"transformer.h.%u.attn.c_attn.weight", OB_SLOT_QKV, OB_ROLE_ATTENTION, true, {OB_DIM_C, OB_DIM_QKV}},
    {"transformer.h.%u.attn.c_attn.bias", OB_SLOT_QKV_BIAS, OB_ROLE_BIAS, true, {OB_DIM_QKV}},
    {"transformer.h.%u.attn.c_proj.weight", OB_SLOT_O, OB_ROLE_ATTENTION, true, {OB_DIM_HD, OB_DIM_C}},
    {"transformer.h.%u.attn.c_proj.bias", OB_SLOT_O_BIAS, OB_ROLE_BIAS, true, {OB_DIM_C}},
    {"transformer.h.%u.ln_2.weight", OB_SLOT_NORM2, OB_ROLE_NORM, true, {OB_DIM_C}},
    {"transformer.h.%u.ln_2.bias", OB_SLOT_NORM2_BIAS, OB_ROLE_BIAS, true, {OB_DIM_C}},
    {"transformer.h.%u.mlp.c_fc.weight", OB_SLOT_UP, OB_ROLE_MLP, true, {OB_DIM_C, OB_DIM_F}},
    {"transformer.h.%u.mlp.c_fc.bias", OB_SLOT_UP_BIAS, OB_ROLE_BIAS, true, {OB_DIM_F}},
    {"transformer.h.%u.mlp.c_proj.weight", OB_SLOT_DOWN, OB_ROLE_MLP, true, {OB_DIM_F, OB_DIM_C}},
    {"transformer.h.%u.mlp.c_proj.bias", OB_SLOT_DOWN_BIAS, OB_ROLE_BIAS, true, {OB_DIM_C}},
    {"transformer.ln_f.weight", OB_SLOT_FINAL_NORM, OB_ROLE_NORM, false, {OB_DIM_C}},
    {"transformer.ln_f.bias", OB_SLOT_FINAL_NORM_BIAS, OB_ROLE_BIAS, false, {OB_DIM_C}},
};

static bool read_activation(const char *name, enum ob_activation *ret_activation) {
    static const struct {
        const char *name;
        enum ob_activation activation;
    } NAMES[] = {{"gelu_new", OB_ACTIVATION_GELU_TANH},
                 {"gelu_pytorch_tanh", OB_ACTIVATION_GELU_TANH},
                 {"gelu", OB_ACTIVATION_GELU_ERF},
                 {"relu", OB_ACTIVATION_RELU},
                 {"silu", OB_ACTIVATION_SILU}};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (strcmp(name, NAMES[i].name) == 0) {
            *ret_activation = NAMES[i].activation;
            return true;
        }
    return false;
}

static enum ob_err configure(const json_t *root, const char *path, struct ob_model_config *c,
                             struct ob_error *error) {
    struct ob_config_reader r = {.root = root, .path = path, .error = error};
    const char *activation = ob_config_text(&r, "activation_function");
    c->vocabulary = ob_config_size(&r, "vocab_size", 1u << 22, -1);
    c->width = ob_config_size(&r, "n_embd", 1u << 16, -1);
    c->layers = ob_config_size(&r, "n_layer", 200, -1);
    c->heads = ob_config_size(&r, "n_head", 1024, -1);
    c->kv_heads = c->heads;
    c->head_width = c->width / c->heads;
    c->ff_width = ob_config_size(&r, "n_inner", 1u << 20, 4 * (int64_t)c->width);
    c->context = ob_config_size(&r, "n_positions", 1u << 20, -1);
    c->norm = OB_NORM_LAYER;
    c->norm_epsilon = (float)ob_config_real(&r, "layer_norm_epsilon", 0, 1, 1e-5);
    c->position = OB_POSITION_LEARNED;
    c->tied = true;
    c->bos = ob_config_token(&r, "bos_token_id");
    c->eos = ob_config_token(&r, "eos_token_id");
    ob_config_refuse_true(&r, "scale_attn_by_inverse_layer_idx");
    ob_config_refuse_true(&r, "add_cross_attention");
    if (r.failed)
        return r.failed;
    if (!ob_config_bool(&r, "tie_word_embeddings", true) || !ob_config_bool(&r, "scale_attn_weights", true))
        return ob_fail(error, OB_EUNSUPPORTED,
                       "%s: an untied head or unscaled attention is not supported for GPT-2", path);
    if (c->width % c->heads != 0)
        return ob_fail(error, OB_EFORMAT, "%s: n_embd %u is no multiple of n_head %u", path, c->width,
                       c->heads);
    if (!read_activation(activation ? activation : "gelu_new", &c->activation))
        return ob_fail(error, OB_EUNSUPPORTED, "%s: activation_function \"%.40s\" is not supported", path,
                       activation);
    return r.failed;
}

static bool ends_with(const char *name, const char *end) {
    size_t length = strlen(name), tail = strlen(end);
    return length >= tail && strcmp(name + length - tail, end) == 0;
}

static bool ignores(const char *name) {
    return ends_with(name, ".attn.bias") || ends_with(name, ".attn.masked_bias") ||
           strcmp(name, "lm_head.weight") == 0;
}

const struct ob_family ob_family_gpt2 = {
    .architecture = "GPT2LMHeadModel",
    .optional_prefix = "transformer.",
    .input_major = true,
    .tensors = TENSORS,
    .tensor_count = sizeof TENSORS / sizeof *TENSORS,
    .configure = configure,
    .ignores = ignores,
};
