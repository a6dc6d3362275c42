#include "run/manifest_create.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hex.h"
#include "model/families/adapter.h"
#include "model/families/select.h"

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
    enum ob_err failed =
        selected ? OB_OK : ob_fail(error, OB_ENOMEM, "%s: not enough memory for its tensors", model->path);
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
        for (size_t i = options->basis ? 1 : 0; !failed && i < model->adapter_count;
             i += options->basis ? 2 : 1)
            append_tensor(list, &model->tensors[model->tensor_count + i], OB_ADAPTER_EXPONENT, options);
    }
    free(selected);
    return failed;
}

/* The c0 with which the largest code is at least OB_MANIFEST_LOUDEST times the typical estimate, and hardly more. */
static int c0_for(double typical) {
    if (!(typical > 0))
        return OB_SPSA_C0_DEFAULT;
    double octaves = log2(OB_MANIFEST_LOUDEST * typical);
    double c0 = OB_SPSA_CODE_MAX_DEFAULT - ceil(OB_SPSA_CODES_PER_OCTAVE * octaves);
    return (int)fmin(fmax(c0, -1024), 1024);
}

static json_t *manifest_json(const struct ob_manifest_options *options, const char *base_hash,
                             json_t *tensors) {
    uint8_t nonce[32];
    char nonce_hex[OB_HEX_MAX(sizeof nonce)], authority_hex[OB_HEX_HASH_MAX];
    randombytes_buf(nonce, sizeof nonce);
    ob_hex_encode(options->authority.key, OB_KEY_BYTES, authority_hex);
    ob_hex_encode(nonce, sizeof nonce, nonce_hex);
    uint32_t per = 1;
    json_t *rates = rates_json(options, &per);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:{s:s, s:f}, s:{s:i, s:i, s:i, s:i}, s:{s:s, s:i, s:i, s:o},"
                     " s:{s:i, s:i, s:i}, s:O}",
                     "format", OB_MANIFEST_FORMAT, "name", options->name, "nonce", nonce_hex, "authority",
                     authority_hex, "base_hash", base_hash, "direction", "distribution",
                     ob_spsa_distribution_name(options->distribution), "epsilon", options->epsilon, "byte",
                     "c0", c0_for(options->typical), "code_max", OB_SPSA_CODE_MAX_DEFAULT, "exponent_min",
                     -options->exponents, "exponent_max", (int)options->exponents, "update", "combine",
                     ob_spsa_combine_name(options->combine), "s0", (int)options->s0, "rounds_per_rate",
                     (int)per, "rates_q48", rates, "bounds", "max_rounds", (int)options->rounds,
                     "max_machines", (int)options->max_machines, "samples_per_round",
                     (int)options->samples_per_round, "tensors", tensors);
}

static json_t *lora_json(const struct ob_manifest_options *options) {
    json_t *lora = json_pack("{s:i, s:f}", "rank", (int)options->lora_rank, "alpha", options->lora_alpha);
    char name[OB_HEX_HASH_MAX];
    if (options->basis)
        json_object_set_new(lora, "basis",
                            json_string(ob_hex_encode(options->basis->bytes, OB_HASH_BYTES, name)));
    return lora;
}

static json_t *found_json(const struct ob_rate_found *f) {
    return json_pack("{s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:i, s:i, s:s, s:f}", "passes",
                     (json_int_t)f->passes, "epsilon", f->epsilon, "loss", f->loss, "curvature", f->curvature,
                     "curvature_error", f->curvature_error, "square", f->square, "signal", f->signal,
                     "signal_error", f->signal_error, "rows_per_sample", (int)f->rows_per_sample, "machines",
                     (int)f->machines, "bound", f->bound, "walk_share", f->walk_share);
}

enum ob_err ob_manifest_create(struct ob_model *model, const struct ob_manifest_options *options,
                               const char *path, struct ob_error *error) {
    struct ob_hash hash;
    char hash_hex[OB_HEX_HASH_MAX];
    enum ob_err failed = ob_model_hash(model, options->progress, &hash, error);
    if (failed)
        return failed;
    ob_hex_encode(hash.bytes, OB_HASH_BYTES, hash_hex);
    json_t *tensors = json_array();
    failed = tensors_json(model, options, tensors, error);
    json_t *root = failed ? NULL : manifest_json(options, hash_hex, tensors);
    json_decref(tensors);
    if (failed)
        return failed;
    if (root && options->lora_rank)
        json_object_set_new(root, "lora", lora_json(options));
    if (root && options->found.passes > 0)
        json_object_set_new(root, "rate_found", found_json(&options->found));
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
