#include "model/families/basis.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/access.h"
#include "base/cursor.h"
#include "base/file.h"
#include "base/hex.h"
#include "model/formats/json_reader.h"
#include "model/formats/safetensors.h"

#define EXPONENT_KEY "exponent."

const char *const OB_BASIS_RULES[OB_BASIS_RULE_COUNT + 1] = {"orthonormal", "unit", "centred", "tamed", NULL};

struct ob_basis {
    struct ob_checkpoint *file;
    struct ob_basis_facts facts;
    int *exponents; /* of each of the file's tensors */
};

/* ---- reading ---- */

struct metadata {
    const char *path;
    const json_t *values;
    struct ob_error *error;
    enum ob_err failed;
};

static const char *text_of(struct metadata *m, const char *key) {
    const char *text = json_string_value(json_object_get(m->values, key));
    if (!text && !m->failed)
        m->failed =
            ob_fail(m->error, OB_EFORMAT, "%s: its metadata has no \"%s\"; it is no basis", m->path, key);
    return text ? text : "";
}

static void read_hash(struct metadata *m, const char *key, struct ob_hash *ret_hash) {
    const char *text = text_of(m, key);
    if (!m->failed && !ob_hex_decode(text, OB_HASH_BYTES, ret_hash->bytes))
        m->failed = ob_fail(m->error, OB_EFORMAT, "%s: \"%s\" is not 64 hexadecimal digits", m->path, key);
}

/* A whole number as ob_basis_write writes it: no sign but a minus, no space, no leading zero. */
static int64_t read_number(struct metadata *m, const char *key, int64_t low, int64_t high) {
    const char *text = text_of(m, key);
    char again[32], *end = NULL;
    long long number = strtoll(text, &end, 10);
    (void)snprintf(again, sizeof again, "%lld", number);
    if (!m->failed && (strcmp(text, again) != 0 || number < low || number > high))
        m->failed = ob_fail(m->error, OB_EFORMAT, "%s: \"%s\" is \"%.40s\", expected %lld to %lld", m->path,
                            key, text, (long long)low, (long long)high);
    return m->failed ? low : number;
}

static void read_facts(struct metadata *m, struct ob_basis_facts *facts) {
    const char *format = text_of(m, "format");
    if (!m->failed && strcmp(format, OB_BASIS_FORMAT) != 0)
        m->failed = ob_fail(m->error, OB_EUNSUPPORTED, "%s: format \"%.40s\", expected %s", m->path, format,
                            OB_BASIS_FORMAT);
    read_hash(m, "base_hash", &facts->base_hash);
    read_hash(m, "calibration", &facts->calibration);
    facts->calibration_rows = (uint64_t)read_number(m, "calibration_rows", 1, INT64_MAX);
    facts->rank = (uint32_t)read_number(m, "rank", 1, OB_ADAPTER_RANK_MAX);
    const char *rule = text_of(m, "rule");
    int i = 0;
    while (i < OB_BASIS_RULE_COUNT && strcmp(rule, OB_BASIS_RULES[i]) != 0)
        i++;
    facts->rule = (enum ob_basis_rule)i;
    if (!m->failed && i == OB_BASIS_RULE_COUNT)
        m->failed = ob_fail(m->error, OB_EUNSUPPORTED, "%s: rule \"%.40s\" is not known", m->path, rule);
}

static int32_t element(const struct ob_checkpoint_tensor *tensor, uint64_t i) {
    return (int32_t)ob_load_u32(tensor->data + 4 * i);
}

static enum ob_err check_tensor(const char *path, const struct ob_checkpoint_tensor *tensor, uint32_t rank,
                                struct ob_error *error) {
    if (tensor->dtype != OB_DTYPE_I32 || tensor->dims != 2 || tensor->shape[0] != rank ||
        tensor->shape[1] < 1 || tensor->shape[1] > 1 << 24)
        return ob_fail(error, OB_EFORMAT, "%s: tensor %s is not a matrix of I32 with %u rows", path,
                       tensor->name, rank);
    for (uint64_t i = 0; i < tensor->elements; i++) {
        int32_t m = element(tensor, i);
        if (m > OB_BASIS_MAGNITUDE_MAX || m < -OB_BASIS_MAGNITUDE_MAX)
            return ob_fail(error, OB_EFORMAT, "%s: tensor %s: element %" PRIu64 " is beyond 2^24", path,
                           tensor->name, i);
    }
    return OB_OK;
}

static enum ob_err read_tensors(struct ob_basis *basis, struct metadata *m) {
    basis->exponents = calloc(basis->file->count + 1, sizeof *basis->exponents);
    if (!basis->exponents)
        return ob_fail(m->error, OB_ENOMEM, "%s: out of memory", m->path);
    if (basis->file->count == 0 || json_object_size(m->values) != 6 + basis->file->count)
        return ob_fail(m->error, OB_EFORMAT, "%s: its metadata do not fit its tensors", m->path);
    for (size_t i = 0; i < basis->file->count && !m->failed; i++) {
        char key[OB_NAME_MAX + sizeof EXPONENT_KEY];
        (void)snprintf(key, sizeof key, EXPONENT_KEY "%s", basis->file->tensors[i].name);
        basis->exponents[i] = (int)read_number(m, key, -OB_BASIS_EXPONENT_MAX, OB_BASIS_EXPONENT_MAX);
        if (!m->failed)
            m->failed = check_tensor(m->path, &basis->file->tensors[i], basis->facts.rank, m->error);
    }
    return m->failed;
}

/* The reader of the file has verified that its header is within it and is an object. */
static enum ob_err read_basis(struct ob_basis *basis, const char *path, struct ob_error *error) {
    const struct ob_mapping *mapping = &basis->file->mappings[0];
    const uint8_t *bytes = mapping->data;
    json_t *header = NULL;
    enum ob_err failed =
        ob_json_read((const char *)bytes + 8, (size_t)ob_load_u64(bytes), OB_JSON_STRICT, &header, error);
    if (failed)
        return ob_fail_within(error, failed, "%s", path);
    struct metadata m = {.path = path, .values = json_object_get(header, "__metadata__"), .error = error};
    read_facts(&m, &basis->facts);
    if (!m.failed)
        m.failed = read_tensors(basis, &m);
    json_decref(header);
    return m.failed;
}

enum ob_err ob_basis_open(const char *path, struct ob_basis **ret_basis, struct ob_error *error) {
    struct stat info;
    if (stat(path, &info) == 0 && (uint64_t)info.st_size > OB_BASIS_BYTES_MAX)
        return ob_fail(error, OB_ETOOBIG, "%s: larger than a basis may be (%llu bytes)", path,
                       OB_BASIS_BYTES_MAX);
    struct ob_basis *basis = calloc(1, sizeof *basis);
    if (!basis)
        return ob_fail(error, OB_ENOMEM, "%s: out of memory", path);
    enum ob_err failed = ob_safetensors_open(path, &basis->file, error);
    if (!failed)
        failed = read_basis(basis, path, error);
    if (failed) {
        ob_basis_free(basis);
        return failed;
    }
    *ret_basis = basis;
    return OB_OK;
}

void ob_basis_free(struct ob_basis *basis) {
    if (!basis)
        return;
    ob_checkpoint_free(basis->file);
    free(basis->exponents);
    free(basis);
}

const struct ob_basis_facts *ob_basis_facts(const struct ob_basis *basis) {
    return &basis->facts;
}

const uint8_t *ob_basis_bytes(const struct ob_basis *basis, size_t *ret_bytes) {
    *ret_bytes = basis->file->mappings[0].bytes;
    return basis->file->mappings[0].data;
}

size_t ob_basis_count(const struct ob_basis *basis) {
    return basis->file->count;
}

int64_t ob_basis_find(const struct ob_basis *basis, const char *name, uint64_t *ret_in) {
    int64_t tensor = ob_checkpoint_find(basis->file, name);
    if (tensor >= 0)
        *ret_in = basis->file->tensors[tensor].shape[1];
    return tensor;
}

void ob_basis_read(const struct ob_basis *basis, size_t tensor, uint64_t first, size_t count,
                   float *ret_values) {
    const struct ob_checkpoint_tensor *t = &basis->file->tensors[tensor];
    assert(first + count <= t->elements);
    float unit = ldexpf(1.0f, -basis->exponents[tensor]);
    for (size_t i = 0; i < count; i++)
        ret_values[i] = (float)element(t, first + i) * unit;
}

/* ---- writing ---- */

/* The largest f with |value| · 2^f <= 2^24 throughout. */
static enum ob_err exponent_of(const struct ob_basis_tensor *tensor, uint32_t rank, int *ret_exponent,
                               struct ob_error *error) {
    double largest = 0;
    for (uint64_t i = 0; i < rank * tensor->in; i++) {
        if (!isfinite(tensor->values[i]))
            return ob_fail(error, OB_ENOTFINITE,
                           "basis tensor %s: element %" PRIu64 " is not a finite number", tensor->name, i);
        largest = fmax(largest, fabs(tensor->values[i]));
    }
    int exponent = OB_BASIS_EXPONENT_MAX;
    while (ldexp(largest, exponent) > OB_BASIS_MAGNITUDE_MAX && exponent > -OB_BASIS_EXPONENT_MAX)
        exponent--;
    *ret_exponent = exponent;
    return ldexp(largest, exponent) <= OB_BASIS_MAGNITUDE_MAX
               ? OB_OK
               : ob_fail(error, OB_ENOTFINITE, "basis tensor %s: its largest element is %g", tensor->name,
                         largest);
}

static json_t *metadata_json(const struct ob_basis_facts *facts) {
    char base[OB_HEX_HASH_MAX], calibration[OB_HEX_HASH_MAX], rank[16], rows[32];
    ob_hex_encode(facts->base_hash.bytes, OB_HASH_BYTES, base);
    ob_hex_encode(facts->calibration.bytes, OB_HASH_BYTES, calibration);
    (void)snprintf(rank, sizeof rank, "%u", facts->rank);
    (void)snprintf(rows, sizeof rows, "%" PRIu64, facts->calibration_rows);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "format", OB_BASIS_FORMAT, "base_hash", base, "rule",
                     OB_BASIS_RULES[facts->rule], "rank", rank, "calibration", calibration,
                     "calibration_rows", rows);
}

static json_t *header_json(const struct ob_basis_facts *facts, const struct ob_basis_tensor *tensors,
                           const int *exponents, size_t count) {
    json_t *header = json_object(), *metadata = metadata_json(facts);
    uint64_t at = 0;
    for (size_t i = 0; i < count; i++) {
        char key[OB_NAME_MAX + sizeof EXPONENT_KEY], exponent[16];
        (void)snprintf(key, sizeof key, EXPONENT_KEY "%s", tensors[i].name);
        (void)snprintf(exponent, sizeof exponent, "%d", exponents[i]);
        json_object_set_new(metadata, key, json_string(exponent));
    }
    json_object_set_new(header, "__metadata__", metadata);
    for (size_t i = 0; i < count; i++) {
        uint64_t end = at + 4 * facts->rank * tensors[i].in;
        json_object_set_new(header, tensors[i].name,
                            json_pack("{s:s, s:[I, I], s:[I, I]}", "dtype", "I32", "shape",
                                      (json_int_t)facts->rank, (json_int_t)tensors[i].in, "data_offsets",
                                      (json_int_t)at, (json_int_t)end));
        at = end;
    }
    return header;
}

static void write_tensor(struct ob_output *out, const struct ob_basis_tensor *tensor, uint32_t rank,
                         int exponent) {
    uint8_t bytes[4 * 1024];
    uint64_t elements = rank * tensor->in;
    for (uint64_t at = 0; at < elements; at += 1024) {
        size_t count = elements - at < 1024 ? (size_t)(elements - at) : 1024;
        for (size_t i = 0; i < count; i++)
            ob_store_u32(bytes + 4 * i, (uint32_t)(int32_t)lrint(ldexp(tensor->values[at + i], exponent)));
        ob_output_write(out, bytes, 4 * count);
    }
}

static enum ob_err write_file(const char *path, const char *header, const struct ob_basis_facts *facts,
                              const struct ob_basis_tensor *tensors, const int *exponents, size_t count,
                              struct ob_error *error) {
    struct ob_output out;
    struct stat info;
    char folder[OB_PATH_MAX];
    const char *slash = strrchr(path, '/');
    int length =
        snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
    if (length >= (int)sizeof folder)
        return ob_fail(error, OB_EUSAGE, "%.60s...: the path is too long", path);
    if (stat(path, &info) == 0)
        return ob_fail(error, OB_EBUSY, "%s: already exists; choose another name or remove it", path);
    enum ob_err failed = ob_output_open(&out, folder, slash ? slash + 1 : path, error);
    if (failed)
        return failed;
    size_t bytes = strlen(header), padding = (8 - bytes % 8) % 8;
    uint8_t size[8];
    ob_store_u64(size, bytes + padding);
    ob_output_write(&out, size, sizeof size);
    ob_output_write(&out, header, bytes);
    ob_output_write(&out, "        ", padding);
    for (size_t i = 0; i < count; i++)
        write_tensor(&out, &tensors[i], facts->rank, exponents[i]);
    return ob_output_close(&out, OB_OK);
}

enum ob_err ob_basis_write(const char *path, const struct ob_basis_facts *facts,
                           const struct ob_basis_tensor *tensors, size_t count, struct ob_error *error) {
    int *exponents = calloc(count, sizeof *exponents);
    enum ob_err failed = exponents ? OB_OK : ob_fail(error, OB_ENOMEM, "%s: out of memory", path);
    for (size_t i = 0; i < count && !failed; i++)
        failed = exponent_of(&tensors[i], facts->rank, &exponents[i], error);
    json_t *header = failed ? NULL : header_json(facts, tensors, exponents, count);
    char *text = header ? json_dumps(header, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    json_decref(header);
    if (!failed)
        failed = text ? write_file(path, text, facts, tensors, exponents, count, error)
                      : ob_fail(error, OB_ENOMEM, "%s: out of memory", path);
    free(text);
    free(exponents);
    return failed;
}
