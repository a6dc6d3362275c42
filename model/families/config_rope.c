/* Rotary angles and windows, as several families state them. */
#include <string.h>

#include "model/families/config_internal.h"

static const json_t *object_of(const struct ob_config_reader *reader, const char *key) {
    const json_t *value = json_object_get(reader->root, key);
    return json_is_object(value) ? value : NULL;
}

/* The scaling of one set of angles: {rope_type or type, factor, …}; NULL: plain. */
static void read_scaling(struct ob_config_reader *reader, const json_t *object, struct ob_rope *rope) {
    struct ob_config_reader in = {.root = object, .path = reader->path, .error = reader->error};
    const char *type = ob_config_text(&in, "rope_type");
    type = type ? type : ob_config_text(&in, "type");
    rope->scaling = OB_ROPE_PLAIN;
    if (type && strcmp(type, "linear") == 0) {
        rope->scaling = OB_ROPE_LINEAR;
        rope->factor = ob_config_real(&in, "factor", 1, 1e6, 1);
    } else if (type && strcmp(type, "llama3") == 0) {
        rope->scaling = OB_ROPE_LLAMA3;
        rope->factor = ob_config_real(&in, "factor", 1, 1e6, 8);
        rope->low = ob_config_real(&in, "low_freq_factor", 1e-3, 1e6, 1);
        rope->high = ob_config_real(&in, "high_freq_factor", 1e-3, 1e6, 4);
        rope->original_context = ob_config_real(&in, "original_max_position_embeddings", 1, 1e9, 8192);
        if (!(rope->high > rope->low))
            ob_config_fail(&in, OB_EFORMAT, "high_freq_factor is not above low_freq_factor");
    } else if (type && strcmp(type, "default") != 0) {
        ob_config_fail(&in, OB_EUNSUPPORTED,
                       "rope_type \"%.40s\" is not supported (default, linear and llama3 are)", type);
    } else if (!type && json_object_size(object) > 0 && json_object_get(object, "factor")) {
        ob_config_fail(&in, OB_EFORMAT, "rope_scaling has no rope_type");
    }
    if (in.failed && !reader->failed)
        reader->failed = in.failed;
}

/* Newer files keep everything in rope_parameters, once or for each kind of layer. */
static const json_t *parameters_of(const struct ob_config_reader *reader, const char *kind) {
    const json_t *all = object_of(reader, "rope_parameters");
    const json_t *own = json_object_get(all, kind);
    return json_is_object(own) ? own : all;
}

static double read_parameter(struct ob_config_reader *reader, const json_t *object, const char *key,
                             double low, double high, double otherwise) {
    struct ob_config_reader in = {.root = object, .path = reader->path, .error = reader->error};
    double value = ob_config_real(&in, key, low, high, otherwise);
    if (in.failed && !reader->failed)
        reader->failed = in.failed;
    return value;
}

void ob_config_rope(struct ob_config_reader *reader, const struct ob_rope_keys *keys,
                    struct ob_model_config *config) {
    const json_t *parameters = parameters_of(reader, "full_attention");
    double theta = ob_config_real(reader, keys->theta, 1, 1e12, keys->theta_default);
    double part = keys->part ? ob_config_real(reader, keys->part, 0, 1, keys->part_default) : 1;
    config->rope.theta = read_parameter(reader, parameters, "rope_theta", 1, 1e12, theta);
    part = read_parameter(reader, parameters, "partial_rotary_factor", 0, 1, part);
    if (!keys->part && part != 1)
        ob_config_fail(reader, OB_EUNSUPPORTED, "partial_rotary_factor %g is not supported here", part);
    config->rotary_width = (uint32_t)(part * (double)config->head_width);
    if (!parameters && ob_config_is_set(reader, "rope_scaling") && !object_of(reader, "rope_scaling"))
        ob_config_fail(reader, OB_EFORMAT, "key \"rope_scaling\" is no object");
    read_scaling(reader, parameters ? parameters : object_of(reader, "rope_scaling"), &config->rope);
    config->rope_windowed = config->rope;
}

void ob_config_rope_windowed(struct ob_config_reader *reader, const char *key, double fallback,
                             struct ob_model_config *config) {
    const json_t *own = json_object_get(object_of(reader, "rope_parameters"), "sliding_attention");
    double theta = ob_config_real(reader, key, 1, 1e12, fallback);
    config->rope_windowed = (struct ob_rope){.theta = theta};
    if (own) {
        config->rope_windowed.theta = read_parameter(reader, own, "rope_theta", 1, 1e12, theta);
        read_scaling(reader, own, &config->rope_windowed);
    }
}

static bool rule_holds(const struct ob_window_rule *rule, uint32_t layer) {
    if (rule->full_each)
        return (layer + 1) % rule->full_each != 0;
    return layer >= rule->first && (layer - rule->first) % rule->every == 0;
}

static void read_layer_types(struct ob_config_reader *reader, const json_t *types,
                             struct ob_model_config *config) {
    if (!json_is_array(types) || json_array_size(types) != config->layers) {
        ob_config_fail(reader, OB_EFORMAT, "layer_types is no list of %u entries", config->layers);
        return;
    }
    for (uint32_t layer = 0; layer < config->layers; layer++) {
        const char *type = json_string_value(json_array_get(types, layer));
        config->windowed[layer] = type && strcmp(type, "sliding_attention") == 0;
        if (!config->windowed[layer] && (!type || strcmp(type, "full_attention") != 0))
            ob_config_fail(reader, OB_EUNSUPPORTED, "layer_types: \"%.40s\" is not supported",
                           type ? type : "(no text)");
    }
}

void ob_config_windows(struct ob_config_reader *reader, bool enabled, struct ob_window_rule rule,
                       struct ob_model_config *config) {
    bool none = !enabled || (rule.window == 0 && !ob_config_is_set(reader, "sliding_window")) ||
                ob_config_is_null(reader, "sliding_window");
    if (none)
        return;
    config->window = ob_config_size(reader, "sliding_window", 1u << 24, rule.window);
    if (ob_config_is_set(reader, "layer_types")) {
        read_layer_types(reader, json_object_get(reader->root, "layer_types"), config);
        return;
    }
    for (uint32_t layer = 0; layer < config->layers; layer++)
        config->windowed[layer] = rule_holds(&rule, layer);
}
