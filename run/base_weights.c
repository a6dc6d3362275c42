#include "run/base_weights.h"

#define PART 8192 /* elements decoded at a time */

enum ob_err ob_base_read(const struct ob_model *model, size_t tensor, int32_t exponent, uint64_t first,
                         size_t count, int32_t *ret_values, struct ob_error *error) {
    float values[PART];
    for (size_t at = 0; at < count; at += PART) {
        size_t part = count - at < PART ? count - at : PART;
        ob_model_read(model, tensor, first + at, part, values);
        enum ob_err failed = ob_spsa_fixed_point(exponent, first + at, part, values, ret_values + at, error);
        if (failed)
            return ob_fail_within(error, failed, "%s: tensor %s", model->path, model->tensors[tensor].name);
    }
    return OB_OK;
}

enum ob_err ob_base_load(struct ob_model *model, size_t tensor, int32_t exponent, int32_t *ret_values,
                         struct ob_error *error) {
    uint64_t elements = model->tensors[tensor].elements;
    enum ob_err failed = OB_OK;
    for (uint64_t at = 0; at < elements && !failed; at += OB_MODEL_RELEASE_ELEMENTS) {
        uint64_t left = elements - at;
        size_t count = left < OB_MODEL_RELEASE_ELEMENTS ? (size_t)left : (size_t)OB_MODEL_RELEASE_ELEMENTS;
        failed = ob_base_read(model, tensor, exponent, at, count, ret_values + at, error);
        ob_model_release(model, tensor);
    }
    return failed;
}
