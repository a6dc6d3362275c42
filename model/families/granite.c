/* Granite (IBM 2024): Llama's parts, with multipliers at the embedding, the scores, the residual stream and the logits. */
#include "model/families/config_bias.h"
#include "model/families/config_rope.h"
#include "model/families/llama.h"

static double multiplier(struct ob_config_reader *reader, const char *key) {
    return ob_config_real(reader, key, 1e-6, 1e6, 1);
}

static void configure(struct ob_config_reader *reader, struct ob_model_config *config) {
    ob_config_rope(reader, 10000, 1, config);
    config->embedding_scale = (float)multiplier(reader, "embedding_multiplier");
    config->query_scale = (float)multiplier(reader, "attention_multiplier");
    config->residual_scale = (float)multiplier(reader, "residual_multiplier");
    config->logit_scale = (float)(1 / multiplier(reader, "logits_scaling"));
    ob_config_attention_bias(reader, false, config);
    ob_config_mlp_bias(reader, config);
}

static const struct ob_family_gguf_key GGUF_KEYS[] = {
    {"embedding_scale", "embedding_multiplier", OB_GGUF_KEY_REAL, 1},
    {"attention.scale", "attention_multiplier", OB_GGUF_KEY_REAL, 1},
    {"residual_scale", "residual_multiplier", OB_GGUF_KEY_REAL, 1},
    {"logit_scale", "logits_scaling", OB_GGUF_KEY_REAL, 1},
    {NULL},
};

static const struct ob_family_gguf GGUF = {
    .architecture = "granite",
    .constants = "{\"model_type\": \"granite\", \"hidden_act\": \"silu\"}",
    .keys = GGUF_KEYS,
    .activation = OB_ACTIVATION_SILU,
    .parts_also = OB_PART_HEAD,
    .permuted = true,
};

const struct ob_family ob_family_granite = {
    .architecture = "GraniteForCausalLM",
    .model_type = "granite",
    .gguf = &GGUF,
    OB_FAMILY_LIKE_LLAMA,
    .base = {.norm = OB_NORM_RMS,
             .norm_epsilon = 1e-6f,
             .position = OB_POSITION_ROTARY,
             .activation = OB_ACTIVATION_SILU,
             .gated = true,
             .context = 2048},
    .configure = configure,
};
