#include "record/evidence.h"

#include <string.h>

#include "base/cursor.h"

static const struct ob_record_bounds ANY = {.max_rounds = UINT32_MAX,
                                            .max_machines = UINT16_MAX,
                                            .samples_per_round = OB_SAMPLES_PER_ROUND_MAX,
                                            .exponent_min = INT8_MIN,
                                            .exponent_max = INT8_MAX,
                                            .profiles = UINT8_MAX};

static enum ob_err decode_two(const void *payload, size_t payload_bytes, struct ob_record records[static 2],
                              struct ob_error *error) {
    struct ob_reader reader = ob_reader_init(payload, payload_bytes);
    for (size_t i = 0; i < 2; i++) {
        uint16_t bytes = ob_read_u16(&reader);
        const uint8_t *data = ob_read_view(&reader, bytes);
        if (data == NULL)
            return ob_fail(error, OB_EFORMAT, "control: evidence is truncated");
        enum ob_err err = ob_record_decode(data, bytes, &ANY, &records[i], error);
        if (err != OB_OK)
            return ob_fail_within(error, err, "control: evidence");
    }
    if (reader.left != 0)
        return ob_fail(error, OB_EFORMAT, "control: evidence contains more than two records");
    return OB_OK;
}

static int compare_bodies(const struct ob_record *one, const struct ob_record *other) {
    uint8_t a[OB_RECORD_BYTES_MAX], b[OB_RECORD_BYTES_MAX];
    size_t a_bytes = ob_record_encode_unsigned(one, a), b_bytes = ob_record_encode_unsigned(other, b);
    int order = memcmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes);
    return order != 0 ? order : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

static bool conflict(const struct ob_record *one, const struct ob_record *other) {
    return ob_machine_equal(&one->machine, &other->machine) && ob_hash_equal(&one->prev, &other->prev) &&
           compare_bodies(one, other) != 0;
}

enum ob_err ob_evidence_decode(const void *payload, size_t bytes, struct ob_record ret_records[static 2],
                               struct ob_error *error) {
    struct ob_record records[2];
    enum ob_err err = decode_two(payload, bytes, records, error);
    if (err != OB_OK)
        return err;
    if (!conflict(&records[0], &records[1]))
        return ob_fail(error, OB_EREFUSED, "control: the two records of evidence do not conflict");
    if (compare_bodies(&records[0], &records[1]) > 0)
        return ob_fail(error, OB_EFORMAT, "control: the two records of evidence are in the wrong order");
    memcpy(ret_records, records, sizeof records);
    return OB_OK;
}

size_t ob_evidence_payload(const struct ob_record *one, const struct ob_record *other, uint8_t *ret_payload) {
    if (!conflict(one, other))
        return 0;
    bool swap = compare_bodies(one, other) > 0;
    const struct ob_record *records[2] = {swap ? other : one, swap ? one : other};
    size_t used = 0;
    for (size_t i = 0; i < 2; i++) {
        size_t bytes = ob_record_encode(records[i], ret_payload + used + 2);
        ob_store_u16(ret_payload + used, (uint16_t)bytes);
        used += 2 + bytes;
    }
    return used;
}
