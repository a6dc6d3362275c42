#include "record/record.h"

#include <assert.h>

#include "base/cursor.h"
#include "record/hash.h"
#include "record/sign.h"

#define LABEL_BYTES (sizeof OB_RECORD_LABEL - 1)

static_assert(LABEL_BYTES == 16, "the label's length is part of the format");
static_assert(OB_RECORD_HEADER_BYTES == 32 + 8 + 4 + 2 + 2 + 1 + 1 + 32, "fields of the header");
static_assert(OB_RECORD_BODY_BYTES_MAX ==
                  LABEL_BYTES + OB_HASH_BYTES + OB_RECORD_HEADER_BYTES + OB_SAMPLES_PER_ROUND_MAX,
              "the longest signed body");

static bool hash_is_zero(const struct ob_hash *hash) {
    static const struct ob_hash ZERO = {{0}};
    return ob_hash_equal(hash, &ZERO);
}

static enum ob_err check_bounds(const struct ob_record *record, const struct ob_record_bounds *bounds,
                                struct ob_error *error) {
    if (record->n < 1 || record->n > bounds->samples_per_round)
        return ob_fail(error, OB_ETOOBIG, "record: n is %u, must be 1 to %u", record->n,
                       bounds->samples_per_round);
    if (record->live < 1 || record->live > bounds->max_machines)
        return ob_fail(error, OB_ETOOBIG, "record: live is %u, must be 1 to %u", record->live,
                       bounds->max_machines);
    if (record->round.index >= bounds->max_rounds)
        return ob_fail(error, OB_ETOOBIG, "record: round is %u, the run ends before %u", record->round.index,
                       bounds->max_rounds);
    if (record->exponent < bounds->exponent_min || record->exponent > bounds->exponent_max)
        return ob_fail(error, OB_ETOOBIG, "record: exponent is %d, must be %d to %d", record->exponent,
                       bounds->exponent_min, bounds->exponent_max);
    if (record->profile >= bounds->profiles)
        return ob_fail(error, OB_ETOOBIG, "record: profile is %u, the run has %u", record->profile,
                       bounds->profiles);
    if (record->first.index > OB_SAMPLE_END - record->n)
        return ob_fail(error, OB_ETOOBIG, "record: first sample %llu is beyond 2^63",
                       (unsigned long long)record->first.index);
    if (hash_is_zero(&record->prev) != (record->first.index == 0))
        return ob_fail(error, OB_EFORMAT, "record: prev must be zeros exactly when first is 0");
    return OB_OK;
}

enum ob_err ob_record_decode(const void *data, size_t bytes, const struct ob_record_bounds *bounds,
                             struct ob_record *ret_record, struct ob_error *error) {
    assert(bounds->samples_per_round <= OB_SAMPLES_PER_ROUND_MAX);
    struct ob_reader reader = ob_reader_init(data, bytes);
    struct ob_record record = {0};
    ob_read_bytes(&reader, record.machine.key, OB_KEY_BYTES);
    record.first.index = ob_read_u64(&reader);
    record.round.index = ob_read_u32(&reader);
    record.live = ob_read_u16(&reader);
    record.n = ob_read_u16(&reader);
    record.exponent = (int8_t)ob_read_u8(&reader);
    record.profile = ob_read_u8(&reader);
    ob_read_bytes(&reader, record.prev.bytes, OB_HASH_BYTES);
    record.bytes = ob_read_view(&reader, record.n);
    record.signature = ob_read_view(&reader, OB_RECORD_SIGNATURE_BYTES);
    if (reader.failed || reader.left != 0)
        return ob_fail(error, OB_EFORMAT, "record: %zu bytes, expected 146 + one for each sample", bytes);
    enum ob_err err = check_bounds(&record, bounds, error);
    if (err != OB_OK)
        return err;
    *ret_record = record;
    return OB_OK;
}

size_t ob_record_encode_unsigned(const struct ob_record *record, uint8_t *ret_data) {
    assert(record->n >= 1 && record->n <= OB_SAMPLES_PER_ROUND_MAX);
    struct ob_writer writer = ob_writer_init(ret_data, OB_RECORD_HEADER_BYTES + (size_t)record->n);
    ob_write_bytes(&writer, record->machine.key, OB_KEY_BYTES);
    ob_write_u64(&writer, record->first.index);
    ob_write_u32(&writer, record->round.index);
    ob_write_u16(&writer, record->live);
    ob_write_u16(&writer, record->n);
    ob_write_u8(&writer, (uint8_t)record->exponent);
    ob_write_u8(&writer, record->profile);
    ob_write_bytes(&writer, record->prev.bytes, OB_HASH_BYTES);
    ob_write_bytes(&writer, record->bytes, record->n);
    assert(!writer.failed && writer.used == writer.capacity);
    return writer.used;
}

size_t ob_record_encode(const struct ob_record *record, uint8_t *ret_data) {
    assert(record->signature != NULL);
    size_t used = ob_record_encode_unsigned(record, ret_data);
    memcpy(ret_data + used, record->signature, OB_RECORD_SIGNATURE_BYTES);
    return used + OB_RECORD_SIGNATURE_BYTES;
}

size_t ob_record_body(const struct ob_run_id *run, const struct ob_record *record, uint8_t *ret_body) {
    memcpy(ret_body, OB_RECORD_LABEL, LABEL_BYTES);
    memcpy(ret_body + LABEL_BYTES, run->hash.bytes, OB_HASH_BYTES);
    size_t before = LABEL_BYTES + OB_HASH_BYTES;
    return before + ob_record_encode_unsigned(record, ret_body + before);
}

struct ob_hash ob_record_hash(const struct ob_run_id *run, const struct ob_record *record) {
    uint8_t body[OB_RECORD_BODY_BYTES_MAX];
    size_t bytes = ob_record_body(run, record, body);
    return ob_hash_of(body, bytes);
}

void ob_record_sign(const struct ob_run_id *run, const struct ob_record *record,
                    const uint8_t secret_key[static 64],
                    uint8_t ret_signature[static OB_RECORD_SIGNATURE_BYTES]) {
    uint8_t body[OB_RECORD_BODY_BYTES_MAX], key[OB_SECRET_KEY_BYTES];
    size_t bytes = ob_record_body(run, record, body);
    memcpy(key, secret_key, sizeof key);
    ob_record_ed25519_sign(key, body, bytes, ret_signature);
    explicit_bzero(key, sizeof key);
}

bool ob_record_verify(const struct ob_run_id *run, const struct ob_record *record) {
    assert(record->signature != NULL);
    uint8_t body[OB_RECORD_BODY_BYTES_MAX];
    size_t bytes = ob_record_body(run, record, body);
    return ob_record_ed25519_verify(NULL, &record->machine, body, bytes, record->signature);
}
