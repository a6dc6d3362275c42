#include "run/manifest.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hex.h"
#include "model/families/adapter.h"

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
    if (!value || ob_hex_decode(json_string_value(value), OB_HASH_BYTES, ret_hash->bytes))
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
        in->failed = ob_fail(in->error, OB_ETOOBIG, "%s: tensor %s has more than 2^40 elements", in->file,
                             tensor->name);
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
    int distribution = ob_spsa_distribution_from_name(json_string_value(kind));
    if (distribution < 0) {
        in->failed = ob_fail(in->error, OB_EUNSUPPORTED,
                             "%s: distribution \"%s\" is not supported; expected rademacher or gaussian",
                             in->file, json_string_value(kind));
        return;
    }
    manifest->rule.distribution = (enum ob_spsa_distribution)distribution;
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

static void read_basis(struct members *in, const json_t *root, struct ob_manifest *manifest) {
    const json_t *lora = json_object_get(root, "lora");
    if (in->failed || !json_object_get(lora, "basis"))
        return;
    hash_member(in, lora, "basis", &manifest->basis);
    manifest->has_basis = true;
    if (!in->failed)
        in->failed = ob_basis_path(in->file, manifest->basis_path, in->error);
}

/* A block counter has 32 bits. */
static void check_sizes(struct members *in, const struct ob_manifest *manifest) {
    uint64_t most = (uint64_t)ob_spsa_block_elements(manifest->rule.distribution) << 32;
    for (size_t i = 0; i < manifest->tensor_count && !in->failed; i++)
        if (manifest->tensors[i].layout.elements > most)
            in->failed = ob_fail(
                in->error, OB_ETOOBIG, "%s: tensor %s has more elements than %s directions reach", in->file,
                manifest->tensors[i].name, ob_spsa_distribution_name(manifest->rule.distribution));
}

static void read_root(struct members *in, const json_t *root, struct ob_manifest *manifest) {
    struct ob_hash nonce;
    const json_t *format = member(in, root, "format", JSON_STRING);
    if (!in->failed && strcmp(json_string_value(format), OB_MANIFEST_FORMAT) != 0)
        in->failed = ob_fail(in->error, OB_EUNSUPPORTED, "%s: format \"%s\", expected %s", in->file,
                             json_string_value(format), OB_MANIFEST_FORMAT);
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
    read_basis(in, root, manifest);
    read_tensors(in, root, manifest);
    check_sizes(in, manifest);
}

enum ob_err ob_manifest_parse(const char *bytes, size_t count, const char *name,
                              struct ob_manifest **ret_manifest, struct ob_error *error) {
    if (count > OB_MANIFEST_BYTES_MAX)
        return ob_fail(error, OB_ETOOBIG, "%s: larger than %u bytes", name, OB_MANIFEST_BYTES_MAX);
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

enum ob_err ob_basis_path(const char *path, char ret_path[static OB_PATH_MAX], struct ob_error *error) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
    size_t stem = dot && dot > name ? (size_t)(dot - path) : strlen(path);
    if (stem + sizeof OB_BASIS_SUFFIX > OB_PATH_MAX)
        return ob_fail(error, OB_EUSAGE, "%.60s...: the path is too long", path);
    memmove(ret_path, path, stem);
    memcpy(ret_path + stem, OB_BASIS_SUFFIX, sizeof OB_BASIS_SUFFIX);
    return OB_OK;
}

void ob_manifest_free(struct ob_manifest *manifest) {
    if (!manifest)
        return;
    free(manifest->rates);
    free(manifest->tensors);
    free(manifest->bytes);
    free(manifest);
}
