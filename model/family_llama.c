/* Llama (Touvron et al. 2023), LlamaForCausalLM: RMS norms, rotary positions, grouped queries, SwiGLU, a head
 * of its own or the token embedding. Matrices are (out, in). */
#include <string.h>

#include "model/config_json.h"
#include "model/family.h"

static const struct ob_family_tensor TENSORS[] = {
    {"model.embed_tokens.weight", OB_SLOT_TOKENS, OB_ROLE_EMBEDDING, false, {OB_DIM_V, OB_DIM_C}},
    {"model.layers.%u.input_layernorm.weight", OB_SLOT_NORM1, OB_ROLE_NORM, true, {OB_DIM_C}},
    {"model.layers.%u.self_attn.q_proj.weight", OB_SLOT_Q, OB_ROLE_ATTENTION, true, {OB_DIM_HD, OB_DIM_C}},
    {"model.layers.%u.self_attn.k_proj.weight", OB_SLOT_K, OB_ROLE_ATTENTION, true, {OB_DIM_KD, OB_DIM_C}},
    {"model.layers.%u.self_attn.v_proj.weight", OB_SLOT_V, OB_ROLE_ATTENTION, true, {OB_DIM_KD, OB_DIM_C}},
    {"model.layers.%u.self_attn.o_proj.weight", OB_SLOT_O, OB_ROLE_ATTENTION, true, {OB_DIM_C, OB_DIM_HD}},
    {"model.layers.%u.post_attention_layernorm.weight", OB_SLOT_NORM2, OB_ROLE_NORM, true, {OB_DIM_C}},
    {"model.layers.%u.mlp.gate_proj.weight", OB_SLOT_GATE, OB_ROLE_MLP, true, {OB_DIM_F, OB_DIM_C}},
    {"model.layers.%u.mlp.up_proj.weight", OB_SLOT_UP, OB_ROLE_MLP, true, {OB_DIM_F, OB_DIM_C}},
    {"model.layers.%u.mlp.down_proj.weight", OB_SLOT_DOWN, OB_ROLE_MLP, true, {OB_DIM_C, OB_DIM_F}},
    {"model.norm.weight", OB_SLOT_FINAL_NORM, OB_ROLE_NORM, false, {OB_DIM_C}},
    {"lm_head.weight", OB_SLOT_HEAD, OB_ROLE_HEAD, false, {OB_DIM_V, OB_DIM_C}},
};

static void refuse_options(struct ob_config_reader *r) {
    ob_config_refuse_true(r, "attention_bias");
    ob_config_refuse_true(r, "mlp_bias");
    ob_config_refuse_set(r, "rope_scaling");
    const char *activation = ob_config_text(r, "hidden_act");
    if (activation && strcmp(activation, "silu") != 0 && !r->failed)
        r->failed = ob_fail(r->error, OB_EUNSUPPORTED, "%s: hidden_act \"%.40s\" is not supported", r->path,
                            activation);
}

static enum ob_err configure(const json_t *root, const char *path, struct ob_model_config *c,
                             struct ob_error *error) {
    struct ob_config_reader r = {.root = root, .path = path, .error = error};
    c->vocabulary = ob_config_size(&r, "vocab_size", 1u << 22, -1);
    c->width = ob_config_size(&r, "hidden_size", 1u << 16, -1);
    c->layers = ob_config_size(&r, "num_hidden_layers", 200, -1);
    c->heads = ob_config_size(&r, "num_attention_heads", 1024, -1);
    c->kv_heads = ob_config_size(&r, "num_key_value_heads", 1024, c->heads);
    c->head_width = ob_config_size(&r, "head_dim", 1u << 12, c->width / c->heads);
    c->ff_width = ob_config_size(&r, "intermediate_size", 1u << 20, -1);
    c->context = ob_config_size(&r, "max_position_embeddings", 1u << 24, 2048);
    c->norm = OB_NORM_RMS;
    c->norm_epsilon = (float)ob_config_real(&r, "rms_norm_eps", 0, 1, 1e-6);
    c->position = OB_POSITION_ROTARY;
    const json_t *rope = json_object_get(root, "rope_parameters"); /* where newer files keep it */
    struct ob_config_reader nested = {
        .root = json_object_get(rope, "rope_theta") ? rope : root, .path = path, .error = error};
    c->rope_theta = (float)ob_config_real(&nested, "rope_theta", 1, 1e12, 10000);
    c->activation = OB_ACTIVATION_SILU;
    c->gated = true;
    c->tied = ob_config_bool(&r, "tie_word_embeddings", false);
    c->bos = ob_config_token(&r, "bos_token_id");
    c->eos = ob_config_token(&r, "eos_token_id");
    const char *rope_type = json_string_value(json_object_get(rope, "rope_type"));
    if (rope_type && strcmp(rope_type, "default") != 0 && !r.failed)
        r.failed =
            ob_fail(error, OB_EUNSUPPORTED, "%s: rope_type \"%.40s\" is not supported", path, rope_type);
    refuse_options(&r);
    return r.failed ? r.failed : nested.failed;
}

static bool ignores(const char *name) {
    size_t length = strlen(name);
    return length > 20 && strcmp(name + length - 20, ".rotary_emb.inv_freq") == 0;
}

const struct ob_family ob_family_llama = {
    .architecture = "LlamaForCausalLM",
    .optional_prefix = "model.",
    .input_major = false,
    .tensors = TENSORS,
    .tensor_count = sizeof TENSORS / sizeof *TENSORS,
    .configure = configure,
    .ignores = ignores,
};
