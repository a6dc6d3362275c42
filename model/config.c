#include "model/config.h"

#include <math.h>
#include <string.h>

#include "model/config_json.h"
#include "model/documents.h"
#include "model/family.h"

uint32_t ob_config_size(struct ob_config_reader *reader, const char *key, uint32_t high, int64_t fallback) {
    const json_t *value = json_object_get(reader->root, key);
    if ((!value || json_is_null(value)) && fallback >= 0)
        return (uint32_t)fallback;
    json_int_t number = json_integer_value(value);
    if (json_is_integer(value) && number >= 1 && number <= (json_int_t)high)
        return (uint32_t)number;
    if (!reader->failed)
        reader->failed = ob_fail(reader->error, OB_EFORMAT, "%s: key \"%s\" is %s, expected 1 to %u",
                                 reader->path, key, value ? "out of range or no number" : "missing", high);
    return 1;
}

double ob_config_real(struct ob_config_reader *reader, const char *key, double low, double high,
                      double fallback) {
    const json_t *value = json_object_get(reader->root, key);
    if (!value || json_is_null(value))
        return fallback;
    double number = json_number_value(value);
    if (json_is_number(value) && number >= low && number <= high)
        return number;
    if (!reader->failed)
        reader->failed = ob_fail(reader->error, OB_EFORMAT, "%s: key \"%s\" is not a number from %g to %g",
                                 reader->path, key, low, high);
    return fallback;
}

bool ob_config_bool(struct ob_config_reader *reader, const char *key, bool fallback) {
    const json_t *value = json_object_get(reader->root, key);
    if (!value || json_is_null(value))
        return fallback;
    if (!json_is_boolean(value) && !reader->failed)
        reader->failed =
            ob_fail(reader->error, OB_EFORMAT, "%s: key \"%s\" is not true or false", reader->path, key);
    return json_is_true(value);
}

int32_t ob_config_token(struct ob_config_reader *reader, const char *key) {
    const json_t *value = json_object_get(reader->root, key);
    if (json_is_array(value))
        value = json_array_get(value, 0);
    json_int_t number = json_integer_value(value);
    return json_is_integer(value) && number >= 0 && number < INT32_MAX ? (int32_t)number : -1;
}

const char *ob_config_text(struct ob_config_reader *reader, const char *key) {
    return json_string_value(json_object_get(reader->root, key));
}

void ob_config_refuse_true(struct ob_config_reader *reader, const char *key) {
    if (ob_config_bool(reader, key, false) && !reader->failed)
        reader->failed =
            ob_fail(reader->error, OB_EUNSUPPORTED, "%s: \"%s\": true is not supported", reader->path, key);
}

void ob_config_refuse_set(struct ob_config_reader *reader, const char *key) {
    const json_t *value = json_object_get(reader->root, key);
    if (value && !json_is_null(value) && !reader->failed)
        reader->failed =
            ob_fail(reader->error, OB_EUNSUPPORTED, "%s: \"%s\" is not supported", reader->path, key);
}

static enum ob_err check(const struct ob_model_config *c, const char *path, struct ob_error *error) {
    if (c->heads % c->kv_heads != 0)
        return ob_fail(error, OB_EFORMAT, "%s: %u heads do not divide among %u key/value heads", path,
                       c->heads, c->kv_heads);
    if ((uint64_t)c->heads * c->head_width > 1u << 20)
        return ob_fail(error, OB_ETOOBIG, "%s: the attention is wider than 2^20", path);
    if (c->position == OB_POSITION_ROTARY && c->head_width % 2 != 0)
        return ob_fail(error, OB_EUNSUPPORTED, "%s: rotary positions need an even head width, not %u", path,
                       c->head_width);
    return OB_OK;
}

static enum ob_err configure(const json_t *root, const char *path, struct ob_model_config *config,
                             struct ob_error *error) {
    const char *architecture = json_string_value(json_array_get(json_object_get(root, "architectures"), 0));
    if (!architecture)
        return ob_fail(error, OB_EFORMAT, "%s: key \"architectures\" is missing", path);
    config->family = ob_family_find(architecture);
    if (!config->family)
        return ob_fail(error, OB_EUNSUPPORTED,
                       "%s: architecture %.80s is not supported (GPT2LMHeadModel and LlamaForCausalLM are)",
                       path, architecture);
    enum ob_err failed = config->family->configure(root, path, config, error);
    return failed ? failed : check(config, path, error);
}

enum ob_err ob_model_config_read(const char *model, struct ob_model_config *ret_config,
                                 struct ob_error *error) {
    struct ob_document document = {0};
    enum ob_err failed = ob_document_load(model, "config.json", &document, error);
    if (failed)
        return failed;
    struct ob_model_config config = {.bos = -1, .eos = -1};
    failed = configure(document.root, document.name, &config, error);
    ob_document_done(&document);
    if (!failed)
        *ret_config = config;
    return failed;
}
