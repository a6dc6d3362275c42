/* fuzz_model_parts - any bytes as a list of a model's files: what is accepted says the same when it is written again. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "run/model_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static struct ob_model_parts parts;
    static char again[OB_MODEL_PARTS_BYTES_MAX];
    struct ob_error error = {0};
    if (ob_model_parts_parse("input", (const char *)data, bytes, &parts, &error) != OB_OK) {
        assert(error.text[0] != 0);
        return 0;
    }
    for (size_t i = 0; i < parts.count; i++)
        assert(ob_model_parts_good_name(parts.parts[i].file) && parts.parts[i].bytes > 0);
    assert(ob_model_parts_write(&parts, again) == bytes && memcmp(again, data, bytes) == 0);
    return 0;
}
