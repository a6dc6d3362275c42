/* fuzz_delta - any bytes as a delta. Its last 32 bytes are made the right hash, so that the fuzzer gets past
 * it. */
#include <stdlib.h>
#include <string.h>

#include "record/hash.h"
#include "run/delta.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static enum ob_err see(void *count, const struct ob_record *record, struct ob_error *error) {
    (void)error;
    *(uint64_t *)count += record->n;
    return OB_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    uint8_t *copy = malloc(bytes + 1);
    if (copy == NULL)
        abort();
    memcpy(copy, data, bytes);
    if (bytes >= OB_HASH_BYTES) {
        struct ob_hash hash = ob_hash_of(copy, bytes - OB_HASH_BYTES);
        memcpy(copy + bytes - OB_HASH_BYTES, hash.bytes, OB_HASH_BYTES);
    }
    struct ob_delta *delta = NULL;
    if (ob_delta_parse(copy, bytes, "delta", NULL, &delta, NULL) == OB_OK) {
        uint64_t samples = 0;
        if (ob_delta_each(delta, see, &samples, NULL) != OB_OK || samples != delta->samples)
            abort(); /* what was checked must be readable */
    }
    ob_delta_free(delta);
    free(copy);
    return 0;
}
