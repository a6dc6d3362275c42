/* fuzz_record - any bytes as a record and as a control entry: what is accepted has exactly one encoding, the
 * one that came in. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "record/control.h"
#include "record/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void try_record(const uint8_t *data, size_t bytes) {
    static const struct ob_record_bounds BOUNDS = {.max_rounds = 1000,
                                                   .max_machines = 16,
                                                   .samples_per_round = 512,
                                                   .exponent_min = -8,
                                                   .exponent_max = 8,
                                                   .profiles = 1};
    static const struct ob_run_id RUN = {{{1}}};
    struct ob_record record;
    struct ob_error error = {0};
    if (ob_record_decode(data, bytes, &BOUNDS, &record, &error) != OB_OK) {
        assert(error.text[0] != 0);
        return;
    }
    uint8_t again[OB_RECORD_BYTES_MAX], body[OB_RECORD_BODY_BYTES_MAX];
    assert(ob_record_encode(&record, again) == bytes && memcmp(again, data, bytes) == 0);
    assert(ob_record_body(&RUN, &record, body) <= sizeof body);
    assert(record.n >= 1 && record.n <= BOUNDS.samples_per_round && record.round.index < BOUNDS.max_rounds);
}

static void try_control(const uint8_t *data, size_t bytes) {
    struct ob_control control;
    struct ob_error error = {0};
    if (ob_control_decode(data, bytes, &control, &error) != OB_OK) {
        assert(error.text[0] != 0);
        return;
    }
    uint8_t *again = malloc(bytes);
    if (again == NULL)
        abort();
    assert(ob_control_encode(&control, again) == bytes && memcmp(again, data, bytes) == 0);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    try_record(data, bytes);
    try_control(data, bytes);
    return 0;
}
