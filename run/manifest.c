#include "run/manifest.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "model/families/adapter.h"
#include "model/families/select.h"

#define FORMAT "onebyte-manifest-1"

/* A reader of JSON members that remembers its first complaint. */
struct members {
    const char *file;
    struct ob_error *error;
    enum ob_err failed;
};

static json_t *member(struct members *in, const json_t *object, const char *key, json_type type) {
    json_t *value = json_object_get(object, key);
    if (value && json_typeof(value) == type)
        return value;
    if (!in->failed)
        in->failed = ob_fail(in->error, OB_EFORMAT, "%s: key \"%s\" is %s", in->file, key,
                             value ? "of the wrong type" : "missing");
    return NULL;
}

static int64_t integer(struct members *in, const json_t *object, const char *key, int64_t low, int64_t high) {
    const json_t *value = member(in, object, key, JSON_INTEGER);
    if (!value)
        return low;
    int64_t number = json_integer_value(value);
    if (number >= low && number <= high)
        return number;
    if (!in->failed)
        in->failed =
            ob_fail(in->error, OB_EFORMAT, "%s: key \"%s\" is %" PRId64 ", expected %" PRId64 " to %" PRId64,
                    in->file, key, number, low, high);
    return low;
}

static void hash_member(struct members *in, const json_t *object, const char *key, struct ob_hash *ret_hash) {
    const json_t *value = member(in, object, key, JSON_STRING);
    size_t used = 0;
    if (!value)
        return;
    const char *text = json_string_value(value);
    if (strlen(text) == 64 &&
        sodium_hex2bin(ret_hash->bytes, OB_HASH_BYTES, text, 64, NULL, &used, NULL) == 0 &&
        used == OB_HASH_BYTES)
        return;
    if (!in->failed)
        in->failed =
            ob_fail(in->error, OB_EFORMAT, "%s: key \"%s\" is not 64 hexadecimal digits", in->file, key);
}

static void name_member(struct members *in, const json_t *object, char ret_name[OB_NAME_MAX]) {
    const json_t *value = member(in, object, "name", JSON_STRING);
    if (!value)
        return;
    size_t length = json_string_length(value);
    if (length == 0 || length >= OB_NAME_MAX || strlen(json_string_value(value)) != length) {
        if (!in->failed)
            in->failed = ob_fail(in->error, OB_EFORMAT, "%s: a name is empty or longer than %d bytes",
                                 in->file, OB_NAME_MAX - 1);
        return;
    }
    memcpy(ret_name, json_string_value(value), length + 1);
}

static void read_tensor(struct members *in, const json_t *object, struct ob_manifest_tensor *tensor) {
    name_member(in, object, tensor->name);
    const json_t *shape = member(in, object, "shape", JSON_ARRAY);
    tensor->dims = shape ? (uint32_t)json_array_size(shape) : 0;
    if (shape && (tensor->dims < 1 || tensor->dims > 2) && !in->failed)
        in->failed = ob_fail(in->error, OB_EFORMAT, "%s: tensor %s has %u dimensions, expected 1 or 2",
                             in->file, tensor->name, tensor->dims);
    uint64_t elements = 1;
    for (uint32_t d = 0; d < tensor->dims && !in->failed; d++) {
        json_int_t size = json_integer_value(json_array_get(shape, d));
        if (size < 1 || size > 1 << 24)
            in->failed =
                ob_fail(in->error, OB_EFORMAT, "%s: tensor %s: dimension %u is %lld, expected 1 to %d",
                        in->file, tensor->name, d, (long long)size, 1 << 24);
        else
            elements *= tensor->shape[d] = (uint64_t)size;
    }
    if (elements > (uint64_t)1 << 40 && !in->failed)
        in->failed =
            ob_fail(in->error, OB_ETOOBIG, "%s: tensor %s has too many elements", in->file, tensor->name);
    tensor->layout.elements = elements;
    tensor->layout.exponent =
        (int32_t)integer(in, object, "exponent", OB_SPSA_EXPONENT_MIN, OB_SPSA_EXPONENT_MAX);
    tensor->layout.log2_scale = (int32_t)integer(in, object, "log2_scale", -16, 16);
}

static void read_tensors(struct members *in, const json_t *root, struct ob_manifest *manifest) {
    const json_t *list = member(in, root, "tensors", JSON_ARRAY);
    size_t count = list ? json_array_size(list) : 0;
    if (in->failed)
        return;
    if (count < 1 || count > OB_TENSORS_MAX) {
        in->failed = ob_fail(in->error, OB_EFORMAT, "%s: %zu tensors, expected 1 to %d", in->file, count,
                             OB_TENSORS_MAX);
        return;
    }
    manifest->tensors = calloc(count, sizeof *manifest->tensors);
    if (!manifest->tensors) {
        in->failed = ob_fail(in->error, OB_ENOMEM, "%s: out of memory", in->file);
        return;
    }
    manifest->tensor_count = count;
    for (size_t i = 0; i < count && !in->failed; i++)
        read_tensor(in, json_array_get(list, i), &manifest->tensors[i]);
}

static void read_rates(struct members *in, const json_t *update, struct ob_manifest *manifest) {
    const json_t *list = member(in, update, "rates_q48", JSON_ARRAY);
    size_t count = list ? json_array_size(list) : 0;
    if (in->failed)
        return;
    if (count < 1 || count > OB_RATES_MAX) {
        in->failed =
            ob_fail(in->error, OB_EFORMAT, "%s: %zu rates, expected 1 to %d", in->file, count, OB_RATES_MAX);
        return;
    }
    manifest->rates = calloc(count, sizeof *manifest->rates);
    if (!manifest->rates) {
        in->failed = ob_fail(in->error, OB_ENOMEM, "%s: out of memory", in->file);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(list, i);
        json_int_t rate = json_integer_value(value);
        if (!json_is_integer(value) || rate < 0 || rate >= (json_int_t)1 << 48) {
            in->failed =
                ob_fail(in->error, OB_EFORMAT, "%s: rate number %zu is outside 0 to 2^48 - 1", in->file, i);
            return;
        }
        manifest->rates[i] = (uint64_t)rate;
    }
    manifest->rule.rates = manifest->rates;
    manifest->rule.rate_count = count;
}

static void read_update(struct members *in, const json_t *root, struct ob_manifest *manifest) {
    const json_t *update = member(in, root, "update", JSON_OBJECT);
    const json_t *combine = member(in, update, "combine", JSON_STRING);
    if (in->failed)
        return;
    int kind = ob_spsa_combine_from_name(json_string_value(combine));
    if (kind < 0) {
        in->failed =
            ob_fail(in->error, OB_EUNSUPPORTED, "%s: combine \"%s\" is not one of capped, sum, sqrt, mean",
                    in->file, json_string_value(combine));
        return;
    }
    manifest->rule.combine = (enum ob_spsa_combine)kind;
    manifest->rule.s0 = (uint32_t)integer(in, update, "s0", 1, 1 << 24);
    manifest->rule.rounds_per_rate = (uint32_t)integer(in, update, "rounds_per_rate", 1, OB_ROUNDS_MAX);
    read_rates(in, update, manifest);
}

static void read_bounds(struct members *in, const json_t *root, struct ob_manifest *manifest) {
    const json_t *bounds = member(in, root, "bounds", JSON_OBJECT);
    const json_t *byte = member(in, root, "byte", JSON_OBJECT);
    struct ob_record_bounds *b = &manifest->bounds;
    b->max_rounds = (uint32_t)integer(in, bounds, "max_rounds", 1, OB_ROUNDS_MAX);
    b->max_machines = (uint16_t)integer(in, bounds, "max_machines", 1, OB_MACHINES_MAX);
    b->samples_per_round = (uint16_t)integer(in, bounds, "samples_per_round", 1, OB_SAMPLES_PER_ROUND_MAX);
    b->exponent_min = (int8_t)integer(in, byte, "exponent_min", -OB_EXPONENT_LIMIT, OB_EXPONENT_LIMIT);
    b->exponent_max = (int8_t)integer(in, byte, "exponent_max", b->exponent_min, OB_EXPONENT_LIMIT);
    b->profiles = 1;
    manifest->rule.code.c0 = (int32_t)integer(in, byte, "c0", -1024, 1024);
    manifest->rule.code.code_max = (uint8_t)integer(in, byte, "code_max", 1, 127);
}

static void read_direction(struct members *in, const json_t *root, struct ob_manifest *manifest) {
    const json_t *direction = member(in, root, "direction", JSON_OBJECT);
    const json_t *kind = member(in, direction, "distribution", JSON_STRING);
    const json_t *epsilon = member(in, direction, "epsilon", JSON_REAL);
    if (in->failed)
        return;
    if (strcmp(json_string_value(kind), "rademacher") != 0) {
        in->failed =
            ob_fail(in->error, OB_EUNSUPPORTED, "%s: distribution \"%s\" is not supported (rademacher is)",
                    in->file, json_string_value(kind));
        return;
    }
    manifest->epsilon = (float)json_real_value(epsilon);
    if (!(manifest->epsilon >= 1e-9f && manifest->epsilon <= 1.0f))
        in->failed = ob_fail(in->error, OB_EFORMAT, "%s: epsilon %g is outside 1e-9 to 1", in->file,
                             json_real_value(epsilon));
}

static void read_lora(struct members *in, const json_t *root, struct ob_manifest *manifest) {
    if (!json_object_get(root, "lora"))
        return;
    const json_t *lora = member(in, root, "lora", JSON_OBJECT);
    manifest->lora_rank = (uint32_t)integer(in, lora, "rank", 1, OB_ADAPTER_RANK_MAX);
    manifest->lora_alpha = json_real_value(member(in, lora, "alpha", JSON_REAL));
    if (!in->failed && !(manifest->lora_alpha >= 1e-3 && manifest->lora_alpha <= 1e6))
        in->failed =
            ob_fail(in->error, OB_EFORMAT, "%s: key \"alpha\" is outside 0.001 to 1000000", in->file);
}

static void read_root(struct members *in, const json_t *root, struct ob_manifest *manifest) {
    struct ob_hash nonce;
    const json_t *format = member(in, root, "format", JSON_STRING);
    if (!in->failed && strcmp(json_string_value(format), FORMAT) != 0)
        in->failed = ob_fail(in->error, OB_EUNSUPPORTED, "%s: format \"%s\" is not %s", in->file,
                             json_string_value(format), FORMAT);
    name_member(in, root, manifest->name);
    hash_member(in, root, "nonce", &nonce);
    hash_member(in, root, "base_hash", &manifest->base_hash);
    struct ob_hash authority = {{0}};
    hash_member(in, root, "authority", &authority);
    memcpy(manifest->authority.key, authority.bytes, OB_KEY_BYTES);
    if (!in->failed && sodium_is_zero(authority.bytes, OB_HASH_BYTES))
        in->failed = ob_fail(in->error, OB_EFORMAT, "%s: key \"authority\" is not a key", in->file);
    read_direction(in, root, manifest);
    read_bounds(in, root, manifest);
    read_update(in, root, manifest);
    read_lora(in, root, manifest);
    read_tensors(in, root, manifest);
}

enum ob_err ob_manifest_parse(const char *bytes, size_t count, const char *name,
                              struct ob_manifest **ret_manifest, struct ob_error *error) {
    if (count > OB_MANIFEST_BYTES_MAX)
        return ob_fail(error, OB_ETOOBIG, "%s: longer than %u bytes", name, OB_MANIFEST_BYTES_MAX);
    json_error_t complaint;
    json_t *root = json_loadb(bytes, count, JSON_REJECT_DUPLICATES, &complaint);
    if (!root)
        return ob_fail(error, OB_EFORMAT, "%s: line %d: %s", name, complaint.line, complaint.text);
    struct ob_manifest *manifest = calloc(1, sizeof *manifest);
    if (manifest)
        manifest->bytes = malloc(count + 1);
    if (!manifest || !manifest->bytes) {
        json_decref(root);
        ob_manifest_free(manifest);
        return ob_fail(error, OB_ENOMEM, "%s: out of memory", name);
    }
    memcpy(manifest->bytes, bytes, count);
    manifest->bytes[count] = 0;
    manifest->byte_count = count;
    crypto_generichash(manifest->run.hash.bytes, OB_HASH_BYTES, (const unsigned char *)bytes, count, NULL, 0);
    manifest->rule.run = manifest->run;
    struct members in = {.file = name, .error = error};
    read_root(&in, root, manifest);
    json_decref(root);
    if (in.failed) {
        ob_manifest_free(manifest);
        return in.failed;
    }
    *ret_manifest = manifest;
    return OB_OK;
}

enum ob_err ob_manifest_read(const char *path, struct ob_manifest **ret_manifest, struct ob_error *error) {
    char *bytes = NULL;
    size_t count = 0;
    enum ob_err failed = ob_file_read(path, OB_MANIFEST_BYTES_MAX, &bytes, &count, error);
    if (failed)
        return failed;
    failed = ob_manifest_parse(bytes, count, path, ret_manifest, error);
    free(bytes);
    return failed;
}

void ob_manifest_free(struct ob_manifest *manifest) {
    if (!manifest)
        return;
    free(manifest->rates);
    free(manifest->tensors);
    free(manifest->bytes);
    free(manifest);
}

int ob_schedule_from_name(const char *name) {
    static const char *const NAMES[] = {"constant", "linear", "cosine"};
    for (int i = 0; i < 3; i++)
        if (strcmp(name, NAMES[i]) == 0)
            return i;
    return -1;
}

struct ob_manifest_options ob_manifest_defaults(void) {
    struct ob_manifest_options options = {
        .name = "run",
        .learning_rate = 2e-5,
        .warm_up = 0.02,
        .schedule = OB_SCHEDULE_LINEAR,
        .epsilon = 1e-3,
        .combine = OB_SPSA_CAPPED,
        .s0 = 64,
        .rounds = 10000,
        .samples_per_round = 8,
        .max_machines = 1024,
    };
    /* norms and biases 8, head 4, matrices 1: the prototype's rule */
    options.log2_scale[OB_ROLE_NORM] = 3;
    options.log2_scale[OB_ROLE_BIAS] = 3;
    options.log2_scale[OB_ROLE_HEAD] = 2;
    return options;
}

static double rate_at(const struct ob_manifest_options *options, double progress) {
    if (progress < options->warm_up)
        return options->learning_rate * progress / options->warm_up;
    double rest = (progress - options->warm_up) / (1.0 - options->warm_up);
    switch (options->schedule) {
    case OB_SCHEDULE_LINEAR:
        return options->learning_rate * (1.0 - rest);
    case OB_SCHEDULE_COSINE:
        return options->learning_rate * 0.5 * (1.0 + cos(M_PI * rest));
    case OB_SCHEDULE_CONSTANT:
        break;
    }
    return options->learning_rate;
}

/* The schedule as a table: libm is used here, once, by the one who creates the run; the table is the run's.
 */
static json_t *rates_json(const struct ob_manifest_options *options, uint32_t *ret_rounds_per_rate) {
    uint32_t per = (options->rounds + OB_RATES_MAX - 1) / OB_RATES_MAX;
    uint32_t count = (options->rounds + per - 1) / per;
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++) {
        double rate = rate_at(options, ((double)i + 0.5) / (double)count);
        json_array_append_new(list, json_integer((json_int_t)llround(ldexp(rate, 48))));
    }
    *ret_rounds_per_rate = per;
    return list;
}

static enum ob_err largest_magnitude(const struct ob_model *model, size_t tensor, float *ret_largest,
                                     struct ob_error *error) {
    float values[4096], largest = 0;
    uint64_t elements = model->tensors[tensor].elements;
    for (uint64_t at = 0; at < elements; at += 4096) {
        size_t count = elements - at < 4096 ? (size_t)(elements - at) : 4096;
        ob_model_read(model, tensor, at, count, values);
        for (size_t i = 0; i < count; i++) {
            if (!isfinite(values[i]))
                return ob_fail(error, OB_ENOTFINITE,
                               "%s: tensor %s: element %" PRIu64 " is not a finite number", model->path,
                               model->tensors[tensor].name, at + i);
            if (fabsf(values[i]) > largest)
                largest = fabsf(values[i]);
        }
    }
    *ret_largest = largest;
    return OB_OK;
}

static void append_tensor(json_t *list, const struct ob_model_tensor *tensor, int32_t exponent,
                          const struct ob_manifest_options *options) {
    json_t *shape = json_array();
    for (uint32_t d = 0; d < tensor->dims; d++)
        json_array_append_new(shape, json_integer((json_int_t)tensor->shape[d]));
    json_array_append_new(list,
                          json_pack("{s:s, s:o, s:i, s:i}", "name", tensor->name, "shape", shape, "exponent",
                                    (int)exponent, "log2_scale", (int)options->log2_scale[tensor->role]));
}

static enum ob_err append_selected(const struct ob_model *model, const bool *selected,
                                   const struct ob_manifest_options *options, json_t *list,
                                   struct ob_error *error) {
    for (size_t i = 0; i < model->tensor_count; i++) {
        float largest = 0;
        enum ob_err failed = selected[i] ? largest_magnitude(model, i, &largest, error) : OB_OK;
        if (failed)
            return failed;
        if (selected[i])
            append_tensor(list, &model->tensors[i], ob_spsa_exponent_for(largest), options);
    }
    return OB_OK;
}

/* The base tensors that are trained; then, with adapters, theirs. */
static enum ob_err tensors_json(struct ob_model *model, const struct ob_manifest_options *options,
                                json_t *list, struct ob_error *error) {
    static const char *const ALL[] = {"all"}, *const ATTENTION[] = {"attention"};
    bool chosen = options->trainable_count > 0, aimed = options->lora_target_count > 0;
    bool *selected = calloc(model->tensor_count, sizeof *selected);
    enum ob_err failed = selected ? OB_OK : ob_fail(error, OB_ENOMEM, "out of memory");
    if (!failed && (chosen || !options->lora_rank))
        failed = ob_model_select(model, chosen ? options->trainable : ALL,
                                 chosen ? options->trainable_count : 1, selected, error);
    if (!failed)
        failed = append_selected(model, selected, options, list, error);
    if (!failed && options->lora_rank) {
        failed = ob_model_select(model, aimed ? options->lora_targets : ATTENTION,
                                 aimed ? options->lora_target_count : 1, selected, error);
        if (!failed)
            failed = ob_model_adapt(model, options->lora_rank, options->lora_alpha, selected, error);
        for (size_t i = 0; !failed && i < model->adapter_count; i++)
            append_tensor(list, &model->tensors[model->tensor_count + i], OB_ADAPTER_EXPONENT, options);
    }
    free(selected);
    return failed;
}

static json_t *manifest_json(const struct ob_manifest_options *options, const char *base_hash,
                             json_t *tensors) {
    uint8_t nonce[32];
    char nonce_hex[65], authority_hex[65];
    randombytes_buf(nonce, sizeof nonce);
    sodium_bin2hex(authority_hex, sizeof authority_hex, options->authority.key, OB_KEY_BYTES);
    sodium_bin2hex(nonce_hex, sizeof nonce_hex, nonce, sizeof nonce);
    uint32_t per = 1;
    json_t *rates = rates_json(options, &per);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:{s:s, s:f}, s:{s:i, s:i, s:i, s:i}, s:{s:s, s:i, s:i, s:o},"
                     " s:{s:i, s:i, s:i}, s:O}",
                     "format", FORMAT, "name", options->name, "nonce", nonce_hex, "authority", authority_hex,
                     "base_hash", base_hash, "direction", "distribution", "rademacher", "epsilon",
                     options->epsilon, "byte", "c0", OB_SPSA_C0_DEFAULT, "code_max", OB_SPSA_CODE_MAX_DEFAULT,
                     "exponent_min", -16, "exponent_max", 16, "update", "combine",
                     ob_spsa_combine_name(options->combine), "s0", (int)options->s0, "rounds_per_rate",
                     (int)per, "rates_q48", rates, "bounds", "max_rounds", (int)options->rounds,
                     "max_machines", (int)options->max_machines, "samples_per_round",
                     (int)options->samples_per_round, "tensors", tensors);
}

enum ob_err ob_manifest_create(struct ob_model *model, const struct ob_manifest_options *options,
                               const char *path, struct ob_error *error) {
    struct ob_hash hash;
    char hash_hex[65];
    enum ob_err failed = ob_model_hash(model, &hash, error);
    if (failed)
        return failed;
    sodium_bin2hex(hash_hex, sizeof hash_hex, hash.bytes, sizeof hash.bytes);
    json_t *tensors = json_array();
    failed = tensors_json(model, options, tensors, error);
    json_t *root = failed ? NULL : manifest_json(options, hash_hex, tensors);
    json_decref(tensors);
    if (failed)
        return failed;
    if (root && options->lora_rank)
        json_object_set_new(
            root, "lora",
            json_pack("{s:i, s:f}", "rank", (int)options->lora_rank, "alpha", options->lora_alpha));
    char *text = root ? json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(root);
    if (!text)
        return ob_fail(error, OB_ENOMEM, "%s: out of memory", path);
    struct ob_manifest *check = NULL;
    failed = ob_manifest_parse(text, strlen(text), path, &check, error);
    ob_manifest_free(check);
    if (!failed)
        failed = ob_file_write_new(path, text, strlen(text), 0644, error);
    free(text);
    return failed;
}
