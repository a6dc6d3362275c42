#include "model/families/config_rope.h"

#include <math.h>
#include <string.h>

/* One dictionary of RoPE parameters on its way into `rope`. */
struct reading {
    struct ob_config_reader in; /* over the dictionary */
    const struct ob_config_reader *whole;
    const struct ob_model_config *config;
    bool is_nested; /* one of several dictionaries: it alone counts */
    struct ob_rope *rope;
};

static const json_t *object_of(const json_t *root, const char *key) {
    const json_t *value = json_object_get(root, key);
    return json_is_object(value) ? value : NULL;
}

/* ---- what the types need ---- */

static double need(struct reading *r, const char *key, double low, double high) {
    if (!ob_config_is_set(&r->in, key))
        ob_config_fail(&r->in, OB_EFORMAT, "RoPE parameters: key \"%s\" is missing", key);
    return ob_config_real(&r->in, key, low, high, 1);
}

/* The context that the model was trained with: stated outside, in the dictionary, or the present one. */
static double original_context(struct reading *r) {
    static const char KEY[] = "original_max_position_embeddings";
    struct ob_config_reader outside = *r->whole;
    double context = ob_config_real(&r->in, KEY, 1, 1e9, (double)r->config->context);
    double of_family = r->config->family->base.rope.original_context; /* goes before the dictionary's */
    if (!r->is_nested)
        context = ob_config_real(&outside, KEY, 1, 1e9, of_family > 0 ? of_family : context);
    if (outside.failed && !r->in.failed)
        r->in.failed = outside.failed;
    return context;
}

static void read_linear(struct reading *r) {
    r->rope->factor = need(r, "factor", 1, 1e6);
}

static void read_llama3(struct reading *r) {
    r->rope->factor = need(r, "factor", 1, 1e6);
    r->rope->low = need(r, "low_freq_factor", 1e-3, 1e6);
    r->rope->high = need(r, "high_freq_factor", 1e-3, 1e6);
    r->rope->original_context = original_context(r);
    if (!(r->rope->high > r->rope->low))
        ob_config_fail(&r->in, OB_EFORMAT, "high_freq_factor is not above low_freq_factor");
}

static double mscale(double scale, double by) {
    return scale <= 1 ? 1 : 0.1 * by * log(scale) + 1;
}

struct yarn_range {
    double fast, slow; /* rotations within the original context */
    bool truncate;
};

/* The index of the frequency that makes so many rotations. */
static double index_of_rotations(const struct ob_rope *rope, uint32_t rotary_width, double rotations) {
    return rotary_width * log(rope->original_context / (rotations * 2 * M_PI)) / (2 * log(rope->theta));
}

/* Fills low and high. */
static void place_ramp(struct ob_rope *rope, uint32_t rotary_width, struct yarn_range range) {
    double low = index_of_rotations(rope, rotary_width, range.fast),
           high = index_of_rotations(rope, rotary_width, range.slow);
    rope->low = fmax(range.truncate ? floor(low) : low, 0);
    rope->high = fmin(range.truncate ? ceil(high) : high, rotary_width - 1.0);
    if (!(rope->high > rope->low) && !(rope->high < rope->low))
        rope->high += 0.001;
}

bool ob_rope_has_yarn_defaults(const struct ob_rope *rope, uint32_t rotary_width) {
    struct ob_rope usual = *rope;
    place_ramp(&usual, rotary_width, (struct yarn_range){32, 1, true});
    return fabs(usual.low - rope->low) < 1e-9 && fabs(usual.high - rope->high) < 1e-9 &&
           fabs(mscale(rope->factor, 1) - rope->attention_factor) < 1e-6;
}

static void read_yarn(struct reading *r) {
    struct ob_rope *rope = r->rope;
    rope->original_context = original_context(r);
    rope->factor = (double)r->config->context / rope->original_context; /* when it is null */
    if (!ob_config_is_null(&r->in, "factor"))
        rope->factor = need(r, "factor", 1e-3, 1e6);
    double by = ob_config_real(&r->in, "mscale", 0, 1e6, 0),
           all = ob_config_real(&r->in, "mscale_all_dim", 0, 1e6, 0);
    double inferred =
        by > 0 && all > 0 ? mscale(rope->factor, by) / mscale(rope->factor, all) : mscale(rope->factor, 1);
    rope->attention_factor = ob_config_real(&r->in, "attention_factor", 0, 1e6, inferred);
    struct yarn_range range = {.fast = ob_config_real(&r->in, "beta_fast", 0, 1e6, 0),
                               .slow = ob_config_real(&r->in, "beta_slow", 0, 1e6, 0),
                               .truncate = ob_config_bool(&r->in, "truncate", true)};
    range.fast = range.fast > 0 ? range.fast : 32;
    range.slow = range.slow > 0 ? range.slow : 1;
    place_ramp(rope, r->config->rotary_width, range);
}

static void read_factors(struct reading *r, const char *key, float *ret_factors) {
    size_t count = r->config->rotary_width / 2;
    const json_t *list = json_object_get(r->in.root, key);
    if (count > OB_ROPE_FACTORS_MAX || !json_is_array(list) || json_array_size(list) != count) {
        ob_config_fail(&r->in, OB_EFORMAT, "RoPE parameters: key \"%s\" is not a list of %zu factors", key,
                       count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        double factor = json_number_value(json_array_get(list, i));
        ret_factors[i] = (float)factor;
        if (!(factor >= 1e-6 && factor <= 1e6))
            ob_config_fail(&r->in, OB_EFORMAT,
                           "RoPE parameters: key \"%s\" holds something else than factors", key);
    }
}

static void read_longrope(struct reading *r) {
    struct ob_rope *rope = r->rope;
    rope->original_context = original_context(r);
    double factor =
        ob_config_real(&r->in, "factor", 1e-3, 1e6, (double)r->config->context / rope->original_context);
    double inferred = factor <= 1 ? 1 : sqrt(1 + log(factor) / log(rope->original_context));
    rope->attention_factor = ob_config_real(&r->in, "attention_factor", 0, 1e6, inferred);
    read_factors(r, "short_factor", rope->short_factors);
    read_factors(r, "long_factor", rope->long_factors);
}

static void read_dynamic(struct reading *r) {
    (void)need(r, "factor", 1, 1e6);
}

static void read_default(struct reading *r) {
    (void)r;
}

static const struct rope_type {
    const char *name;
    enum ob_rope_scaling scaling;
    void (*read)(struct reading *r);
} TYPES[] = {
    {"default", OB_ROPE_DEFAULT, read_default}, {"linear", OB_ROPE_LINEAR, read_linear},
    {"llama3", OB_ROPE_LLAMA3, read_llama3},    {"yarn", OB_ROPE_YARN, read_yarn},
    {"longrope", OB_ROPE_LONG, read_longrope},  {"su", OB_ROPE_LONG, read_longrope}, /* its first name */
    {"dynamic", OB_ROPE_DEFAULT, read_dynamic},
};

/* ---- a dictionary ---- */

static void read_scaling(struct reading *r) {
    const char *name = ob_config_text(&r->in, "rope_type");
    name = name ? name : ob_config_text(&r->in, "type");
    name = name ? name : "default";
    r->rope->attention_factor = 1;
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++)
        if (strcmp(TYPES[i].name, name) == 0) {
            r->rope->scaling = TYPES[i].scaling;
            TYPES[i].read(r);
            return;
        }
    ob_config_fail(
        &r->in, OB_EUNSUPPORTED,
        "rope_type \"%.40s\" is not supported (default, linear, dynamic, llama3, yarn and longrope are)",
        name);
}

/* Older files say "factor" and no type: they mean nothing to transformers either, and are not what anybody wants. */
static void check_type(struct ob_config_reader *in) {
    if (ob_config_is_set(in, "factor") && !ob_config_text(in, "rope_type") && !ob_config_text(in, "type"))
        ob_config_fail(in, OB_EFORMAT, "RoPE parameters: a factor without rope_type");
}

/* Fills *rope from a dictionary (NULL: nothing is said); rotary_width must be set. */
static void read_rope(struct ob_config_reader *reader, const json_t *dictionary, bool is_nested, double theta,
                      const struct ob_model_config *config, struct ob_rope *rope) {
    struct reading r = {
        .in = {.root = dictionary, .path = reader->path, .error = reader->error, .failed = reader->failed},
        .whole = reader,
        .config = config,
        .is_nested = is_nested,
        .rope = rope};
    *rope = (struct ob_rope){.theta = ob_config_real(&r.in, "rope_theta", 1, 1e12, theta)};
    check_type(&r.in);
    read_scaling(&r);
    rope->attention_factor =
        (double)(float)rope->attention_factor; /* as it multiplies, and as GGUF keeps it */
    reader->failed = r.in.failed;
}

/* rope_scaling if it says anything, else rope_parameters; NULL: neither. */
static const json_t *dictionary_of(struct ob_config_reader *reader) {
    static const char *const KEYS[] = {"rope_scaling", "rope_parameters"};
    for (size_t i = 0; i < 2; i++) {
        const json_t *dictionary = object_of(reader->root, KEYS[i]);
        if (ob_config_is_set(reader, KEYS[i]) && !dictionary)
            ob_config_fail(reader, OB_EFORMAT, "key \"%s\" is not an object", KEYS[i]);
        if (json_object_size(dictionary) > 0)
            return dictionary;
    }
    return NULL;
}

static double part_of(struct ob_config_reader *reader, const json_t *dictionary, const char *key,
                      double part) {
    struct ob_config_reader in = {.root = dictionary, .path = reader->path, .error = reader->error};
    part = key ? ob_config_real(reader, key, 0, 1, part) : part;
    part = ob_config_real(&in, "partial_rotary_factor", 0, 1, part);
    if (!key && part != 1)
        ob_config_fail(&in, OB_EUNSUPPORTED, "partial_rotary_factor %g is not supported here", part);
    reader->failed = reader->failed ? reader->failed : in.failed;
    return part;
}

void ob_config_rope(struct ob_config_reader *reader, double theta, double part,
                    struct ob_model_config *config) {
    const struct ob_family_keys *keys = config->family->keys;
    const json_t *all = dictionary_of(reader), *nested = object_of(all, "full_attention");
    const json_t *dictionary = nested ? nested : all;
    part = part_of(reader, dictionary, keys->rotary_part, part);
    config->rotary_width = (uint32_t)(part * (double)config->head_width);
    theta = ob_config_real(reader, keys->rope_theta, 1, 1e12, theta);
    read_rope(reader, dictionary, nested != NULL, theta, config, &config->rope);
    config->rope_sliding = config->rope;
}

void ob_config_rope_by_layer(struct ob_config_reader *reader, double theta, const char *sliding_key,
                             double sliding_theta, struct ob_model_config *config) {
    const json_t *parameters = object_of(reader->root, "rope_parameters"),
                 *scaling = object_of(reader->root, "rope_scaling");
    const json_t *full = object_of(parameters, "full_attention"),
                 *sliding = object_of(parameters, "sliding_attention");
    json_t *both = json_object();
    bool ok = both && json_object_update(both, full ? (json_t *)full : both) == 0 &&
              json_object_update(both, scaling ? (json_t *)scaling : both) == 0;
    if (!ok)
        ob_config_fail(reader, OB_ENOMEM, "out of memory");
    if (parameters && !full && scaling)
        ob_config_fail(reader, OB_EFORMAT, "rope_scaling, and rope_parameters without full_attention");
    if (ob_config_is_set(reader, "rope_scaling") && !scaling)
        ob_config_fail(reader, OB_EFORMAT, "key \"rope_scaling\" is not an object");
    theta = ob_config_real(reader, config->family->keys->rope_theta, 1, 1e12, theta);
    sliding_theta = ob_config_real(reader, sliding_key, 1, 1e12, sliding_theta);
    (void)part_of(reader, both, NULL, 1);
    read_rope(reader, both, true, theta, config, &config->rope);
    read_rope(reader, sliding, true, sliding_theta, config, &config->rope_sliding);
    json_decref(both);
}
