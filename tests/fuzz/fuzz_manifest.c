/* fuzz_manifest - any bytes as a manifest: what is accepted keeps the bounds that the rest of the program
 * counts on. */
#include <assert.h>
#include <stdint.h>

#include "run/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check(const struct ob_manifest *manifest) {
    const struct ob_record_bounds *bounds = &manifest->bounds;
    assert(bounds->samples_per_round >= 1 && bounds->samples_per_round <= OB_SAMPLES_PER_ROUND_MAX);
    assert(bounds->max_machines >= 1 && bounds->max_machines <= OB_MACHINES_MAX);
    assert(bounds->max_rounds >= 1 && bounds->max_rounds <= OB_ROUNDS_MAX);
    assert(bounds->exponent_min <= bounds->exponent_max);
    assert(manifest->epsilon > 0.0f);
    assert(manifest->rule.rate_count >= 1 && manifest->rule.rounds_per_rate >= 1);
    assert(manifest->tensor_count >= 1 && manifest->tensor_count <= OB_TENSORS_MAX);
    for (size_t i = 0; i < manifest->tensor_count; i++) {
        const struct ob_spsa_tensor *layout = &manifest->tensors[i].layout;
        assert(layout->elements >= 1 && layout->elements < (uint64_t)1 << 41);
        assert(layout->exponent >= OB_SPSA_EXPONENT_MIN && layout->exponent <= OB_SPSA_EXPONENT_MAX);
        assert(layout->log2_scale >= -16 && layout->log2_scale <= 16);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct ob_manifest *manifest = NULL;
    struct ob_error error = {0};
    if (ob_manifest_parse((const char *)data, bytes, "input", &manifest, &error) != OB_OK) {
        assert(error.text[0] != 0);
        return 0;
    }
    check(manifest);
    ob_manifest_free(manifest);
    return 0;
}
