#include "model/families/config_window.h"

#include <string.h>

static bool rule_holds(const struct ob_window_rule *rule, uint32_t layer) {
    if (rule->full_each)
        return (layer + 1) % rule->full_each != 0;
    return layer >= rule->first && (layer - rule->first) % rule->every == 0;
}

static void read_layer_types(struct ob_config_reader *reader, const json_t *types,
                             struct ob_model_config *config) {
    if (!json_is_array(types) || json_array_size(types) != config->layers) {
        ob_config_fail(reader, OB_EFORMAT, "layer_types is not a list of %u entries", config->layers);
        return;
    }
    for (uint32_t layer = 0; layer < config->layers; layer++) {
        const char *type = json_string_value(json_array_get(types, layer));
        config->is_sliding[layer] = type && strcmp(type, "sliding_attention") == 0;
        if (!config->is_sliding[layer] && (!type || strcmp(type, "full_attention") != 0))
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
    config->sliding_window = ob_config_size(reader, "sliding_window", 1u << 24, rule.window);
    if (ob_config_is_set(reader, "layer_types")) {
        read_layer_types(reader, json_object_get(reader->root, "layer_types"), config);
        return;
    }
    for (uint32_t layer = 0; layer < config->layers; layer++)
        config->is_sliding[layer] = rule_holds(&rule, layer);
}
