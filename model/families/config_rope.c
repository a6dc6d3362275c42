#include "model/families/config_rope.h"

#include <string.h>

static const json_t *object_of(const struct ob_config_reader *reader, const char *key) {
    const json_t *value = json_object_get(reader->root, key);
    return json_is_object(value) ? value : NULL;
}

/* The scaling of one set of frequencies: {rope_type or type, factor, …}; NULL: none. */
static void read_scaling(struct ob_config_reader *reader, const json_t *object, struct ob_rope *rope) {
    struct ob_config_reader in = {.root = object, .path = reader->path, .error = reader->error};
    const char *type = ob_config_text(&in, "rope_type");
    type = type ? type : ob_config_text(&in, "type");
    rope->scaling = OB_ROPE_DEFAULT;
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

void ob_config_rope(struct ob_config_reader *reader, double theta, double part,
                    struct ob_model_config *config) {
    const struct ob_family_keys *keys = config->family->keys;
    const json_t *parameters = parameters_of(reader, "full_attention");
    theta = ob_config_real(reader, keys->rope_theta, 1, 1e12, theta);
    part = keys->rotary_part ? ob_config_real(reader, keys->rotary_part, 0, 1, part) : part;
    config->rope.theta = read_parameter(reader, parameters, "rope_theta", 1, 1e12, theta);
    part = read_parameter(reader, parameters, "partial_rotary_factor", 0, 1, part);
    if (!keys->rotary_part && part != 1)
        ob_config_fail(reader, OB_EUNSUPPORTED, "partial_rotary_factor %g is not supported here", part);
    config->rotary_width = (uint32_t)(part * (double)config->head_width);
    if (!parameters && ob_config_is_set(reader, "rope_scaling") && !object_of(reader, "rope_scaling"))
        ob_config_fail(reader, OB_EFORMAT, "key \"rope_scaling\" is no object");
    read_scaling(reader, parameters ? parameters : object_of(reader, "rope_scaling"), &config->rope);
    config->rope_sliding = config->rope;
}

void ob_config_rope_sliding(struct ob_config_reader *reader, const char *key, double fallback,
                            struct ob_model_config *config) {
    const json_t *own = json_object_get(object_of(reader, "rope_parameters"), "sliding_attention");
    double theta = ob_config_real(reader, key, 1, 1e12, fallback);
    config->rope_sliding = (struct ob_rope){.theta = theta};
    if (own) {
        config->rope_sliding.theta = read_parameter(reader, own, "rope_theta", 1, 1e12, theta);
        read_scaling(reader, own, &config->rope_sliding);
    }
}
