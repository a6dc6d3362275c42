#include "model/families/config_read.h"

#include <math.h>
#include <string.h>

#include "base/limits.h"
#include "model/families/family_list.h"

static enum ob_activation read_activation(struct ob_config_reader *reader, const char *key,
                                          enum ob_activation fallback) {
    static const struct {
        const char *name;
        enum ob_activation activation;
    } NAMES[] = {{"gelu_new", OB_ACTIVATION_GELU_TANH},  {"gelu_pytorch_tanh", OB_ACTIVATION_GELU_TANH},
                 {"gelu_fast", OB_ACTIVATION_GELU_TANH}, {"gelu", OB_ACTIVATION_GELU_ERF},
                 {"relu", OB_ACTIVATION_RELU},           {"silu", OB_ACTIVATION_SILU},
                 {"swish", OB_ACTIVATION_SILU}};
    const char *name = ob_config_text(reader, key);
    for (size_t i = 0; name && i < sizeof NAMES / sizeof *NAMES; i++)
        if (strcmp(name, NAMES[i].name) == 0)
            return NAMES[i].activation;
    if (ob_config_is_set(reader, key))
        ob_config_fail(reader, OB_EUNSUPPORTED, "%s \"%.40s\" is not supported", key,
                       name ? name : "(no text)");
    return fallback;
}

/* A size whose key the family may not have. */
static uint32_t size_or(struct ob_config_reader *reader, const char *key, uint32_t high, uint32_t otherwise) {
    return key ? ob_config_size(reader, key, high, otherwise) : otherwise;
}

static void read_sizes(struct ob_config_reader *reader, struct ob_model_config *c) {
    const struct ob_family_keys *keys = c->family->keys;
    c->vocabulary = ob_config_size(reader, keys->vocabulary, 1u << 22, -1);
    c->width = c->embedding_width = ob_config_size(reader, keys->width, 1u << 16, -1);
    c->layers = ob_config_size(reader, keys->layers, OB_LAYERS_MAX, -1);
    c->heads = ob_config_size(reader, keys->heads, 1024, -1);
    c->kv_heads = size_or(reader, keys->kv_heads, 1024, c->heads);
    bool own_width = keys->head_width && ob_config_is_set(reader, keys->head_width);
    uint32_t head_width = c->head_width ? c->head_width : c->width / c->heads;
    if (!own_width && !c->head_width && c->width % c->heads != 0)
        ob_config_fail(reader, OB_EFORMAT, "%s %u is not a multiple of %s %u", keys->width, c->width,
                       keys->heads, c->heads);
    c->head_width = size_or(reader, keys->head_width, 1u << 12, head_width);
    uint32_t widths = c->family->keys->ff_widths;
    c->ff_width = ob_config_size(reader, keys->ff_width, 1u << 20, widths ? (int64_t)widths * c->width : -1);
    c->context = ob_config_size(reader, keys->context, 1u << 24, c->context ? (int64_t)c->context : -1);
}

static void read_common(struct ob_config_reader *reader, struct ob_model_config *c) {
    const struct ob_family_keys *keys = c->family->keys;
    read_sizes(reader, c);
    if (keys->norm_epsilon)
        c->norm_epsilon = (float)ob_config_real(reader, keys->norm_epsilon, 0, 1, (double)c->norm_epsilon);
    c->activation = read_activation(reader, keys->activation, c->activation);
    c->tied = ob_config_bool(reader, "tie_word_embeddings", c->tied);
    c->bos = ob_config_token(reader, "bos_token_id");
    c->eos = ob_config_token(reader, "eos_token_id");
    c->rotary_width = c->head_width;
    c->embedding_scale = c->residual_scale = c->logit_scale = 1;
    c->query_scale = 1.0f / sqrtf((float)c->head_width);
    if (!c->tied)
        c->parts |= OB_PART_HEAD;
}

static void check(struct ob_config_reader *reader, const struct ob_model_config *c) {
    if (c->heads % c->kv_heads != 0)
        ob_config_fail(reader, OB_EFORMAT, "%u heads are not a multiple of %u key/value heads", c->heads,
                       c->kv_heads);
    if ((uint64_t)c->heads * c->head_width > 1u << 20)
        ob_config_fail(reader, OB_ETOOBIG, "the attention is wider than 2^20");
    if (c->position == OB_POSITION_ROTARY && (c->rotary_width % 2 != 0 || c->rotary_width == 0))
        ob_config_fail(reader, OB_EUNSUPPORTED, "RoPE needs an even number of elements, not %u",
                       c->rotary_width);
}

/* Why an architecture is not supported, by the keys that such models have; NULL: nothing to add. */
static const char *reason_of(const json_t *root) {
    static const struct {
        const char *key, *reason;
    } REASONS[] = {
        {"num_local_experts", "mixtures of experts are not supported"},
        {"num_experts", "mixtures of experts are not supported"},
        {"n_routed_experts", "mixtures of experts are not supported"},
        {"num_experts_per_tok", "mixtures of experts are not supported"},
        {"state_size", "state-space models are not supported"},
        {"ssm_cfg", "state-space models are not supported"},
        {"mamba_d_state", "state-space models are not supported"},
        {"linear_num_value_heads", "linear attention is not supported"},
        {"is_encoder_decoder", "models with an encoder are not supported"},
        {"vision_config", "models with images are not supported: give the text model alone"},
    };
    for (size_t i = 0; i < sizeof REASONS / sizeof *REASONS; i++) {
        const json_t *value = json_object_get(root, REASONS[i].key);
        if (value && !json_is_null(value) && !json_is_false(value))
            return REASONS[i].reason;
    }
    return NULL;
}

/* model_type decides, as for AutoModelForCausalLM: architectures may be missing, or name the base model or another
 * task. Where model_type is missing or not known, the first of architectures does. */
static enum ob_err find_family(const json_t *root, const char *path, const struct ob_family **ret_family,
                               struct ob_error *error) {
    char names[OB_ERROR_TEXT_MAX];
    const char *type = json_string_value(json_object_get(root, "model_type"));
    const char *architecture = json_string_value(json_array_get(json_object_get(root, "architectures"), 0));
    const struct ob_family *family = type ? ob_family_find_type(type) : NULL;
    family = family == NULL && architecture ? ob_family_find(architecture) : family;
    if (family == NULL && type == NULL && architecture == NULL)
        return ob_fail(error, OB_EFORMAT, "%s: has neither \"model_type\" nor \"architectures\"", path);
    const char *reason = reason_of(root);
    if (family == NULL)
        return ob_fail(error, OB_EUNSUPPORTED, "%s: %s %.80s is not supported; %s%s", path,
                       architecture ? "architecture" : "model_type", architecture ? architecture : type,
                       reason ? reason : "these are: ", reason ? "" : ob_family_names(names, sizeof names));
    *ret_family = family;
    return OB_OK;
}

enum ob_err ob_model_config_read(const json_t *root, const char *path, struct ob_model_config *ret_config,
                                 struct ob_error *error) {
    const struct ob_family *family = NULL;
    enum ob_err failed = find_family(root, path, &family, error);
    if (failed)
        return failed;
    struct ob_config_reader reader = {.root = root, .path = path, .error = error};
    struct ob_model_config config = family->base;
    config.family = family;
    read_common(&reader, &config);
    if (!reader.failed)
        family->configure(&reader, &config);
    if (!reader.failed)
        check(&reader, &config);
    if (!reader.failed)
        *ret_config = config;
    return reader.failed;
}
