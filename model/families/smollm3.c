/* SmolLM3 (Hugging Face 2025): Llama's parts, with layers that have no positions (NoPE, Yang et al. 2025). */
#include "model/families/config_bias.h"
#include "model/families/config_rope.h"
#include "model/families/config_window.h"
#include "model/families/llama.h"

/* no_rope_layers: 1 for a layer with RoPE, 0 for one without; else every no_rope_layer_interval-th is without. */
static void read_nope(struct ob_config_reader *reader, struct ob_model_config *config) {
    const json_t *list = json_object_get(reader->root, "no_rope_layers");
    uint32_t interval = ob_config_size(reader, "no_rope_layer_interval", OB_LAYERS_MAX, 4);
    bool is_list = ob_config_is_set(reader, "no_rope_layers");
    if (is_list && json_array_size(list) != config->layers)
        ob_config_fail(reader, OB_EFORMAT, "no_rope_layers is no list of %u entries", config->layers);
    for (uint32_t layer = 0; layer < config->layers && !reader->failed; layer++) {
        const json_t *entry = json_array_get(list, layer);
        if (is_list && !json_is_integer(entry) && !json_is_boolean(entry))
            ob_config_fail(reader, OB_EFORMAT, "no_rope_layers: an entry is neither 0 nor 1");
        config->is_nope[layer] =
            is_list ? !json_is_true(entry) && json_integer_value(entry) == 0 : (layer + 1) % interval == 0;
    }
}

static void configure(struct ob_config_reader *reader, struct ob_model_config *config) {
    ob_config_rope(reader, 2000000, 1, config);
    read_nope(reader, config);
    ob_config_windows(reader, ob_config_bool(reader, "use_sliding_window", false),
                      (struct ob_window_rule){.every = 1}, config);
    for (uint32_t layer = 0; layer < config->layers && !ob_config_is_set(reader, "layer_types"); layer++)
        config->is_sliding[layer] = config->is_sliding[layer] && config->is_nope[layer];
    ob_config_attention_bias(reader, false, config);
    ob_config_mlp_bias(reader, config);
}

static bool is_nope_in_gguf(uint32_t layer) {
    return (layer + 1) % 4 == 0;
}

static const struct ob_family_gguf GGUF = {
    .architecture = "smollm3",
    .constants = "{\"model_type\": \"smollm3\", \"hidden_act\": \"silu\", \"no_rope_layer_interval\": 4}",
    .activation = OB_ACTIVATION_SILU,
    .parts_also = OB_PART_HEAD,
    .permuted = true,
    .is_nope = is_nope_in_gguf,
};

const struct ob_family ob_family_smollm3 = {
    .architecture = "SmolLM3ForCausalLM",
    .model_type = "smollm3",
    .gguf = &GGUF,
    OB_FAMILY_LIKE_LLAMA,
    .base = {.norm = OB_NORM_RMS,
             .norm_epsilon = 1e-6f,
             .position = OB_POSITION_ROTARY,
             .activation = OB_ACTIVATION_SILU,
             .gated = true,
             .tied = true,
             .context = 32768},
    .configure = configure,
};
