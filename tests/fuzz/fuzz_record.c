/* fuzz_record - any bytes as a record, as a control entry and as what an invitation admits: what is accepted has
 * exactly one encoding, the one that came in. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "record/control.h"
#include "record/invited.h"
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

static void try_invited(const uint8_t *data, size_t bytes) {
    struct ob_control invitation, admission;
    struct ob_error error = {0};
    if (ob_invited_decode(data, bytes, &invitation, &admission, &error) != OB_OK) {
        assert(error.text[0] != 0);
        return;
    }
    assert(bytes <= OB_INVITED_BYTES_MAX);
    uint8_t again[OB_INVITED_BYTES_MAX], payload[OB_INVITATION_BYTES_MAX];
    size_t first = ob_control_encode(&invitation, again);
    assert(first + ob_control_encode(&admission, again + first) == bytes && memcmp(again, data, bytes) == 0);
    struct ob_invitation says = ob_control_invitation(&invitation);
    struct ob_admission_name name = ob_control_admission_name(&admission);
    uint16_t payload_bytes;
    assert(ob_invitation_fits(&says, name.text) && says.uses >= 1 && says.uses <= OB_INVITATION_USES_MAX);
    if (ob_invitation_encode(&says, payload, &payload_bytes, NULL) == OB_OK)
        assert(payload_bytes == invitation.payload_bytes &&
               memcmp(payload, invitation.payload, payload_bytes) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    try_invited(data, bytes);
    try_record(data, bytes);
    try_control(data, bytes);
    return 0;
}
