#include "tests/unit/record/fixture.h"

static const uint8_t BYTES[4] = {0x01, 0x80, 0xff, 0x60};

static void sign_golden_gives_golden_bytes(void **state) {
    (void)state;
    uint8_t expected[FIXTURE_BYTES_MAX], data[OB_RECORD_BYTES_MAX], key[64], signature[64];
    size_t bytes = from_hex(GOLDEN_RECORD, expected, sizeof expected);
    struct ob_run_id run = fixture_run();
    struct ob_record record = fixture_record(BYTES);
    fixture_secret_key(key);
    ob_record_sign(&run, &record, key, signature);
    record.signature = signature;
    assert_int_equal(ob_record_bytes(&record), bytes);
    assert_int_equal(ob_record_encode(&record, data), bytes);
    assert_memory_equal(data, expected, bytes);
    assert_int_equal(ob_record_encode_unsigned(&record, data), bytes - OB_RECORD_SIGNATURE_BYTES);
}

static void hash_golden_is_golden(void **state) {
    (void)state;
    struct ob_hash expected;
    from_hex(GOLDEN_RECORD_HASH, expected.bytes, sizeof expected);
    struct ob_run_id run = fixture_run();
    struct ob_record record = fixture_record(BYTES);
    struct ob_hash hash = ob_record_hash(&run, &record);
    assert_memory_equal(hash.bytes, expected.bytes, OB_HASH_BYTES);
}

static void decode_golden_gives_every_field(void **state) {
    (void)state;
    uint8_t data[FIXTURE_BYTES_MAX];
    size_t bytes = from_hex(GOLDEN_RECORD, data, sizeof data);
    struct ob_record record, expected = fixture_record(BYTES);
    assert_int_equal(ob_record_decode(data, bytes, &FIXTURE_BOUNDS, &record, NULL), OB_OK);
    assert_true(ob_machine_equal(&record.machine, &expected.machine));
    assert_true(ob_hash_equal(&record.prev, &expected.prev));
    assert_int_equal(record.first.index, 1000);
    assert_int_equal(record.round.index, 77);
    assert_int_equal(record.live, 3);
    assert_int_equal(record.n, 4);
    assert_int_equal(record.exponent, -2);
    assert_int_equal(record.profile, 0);
    assert_memory_equal(record.bytes, BYTES, 4);
    assert_ptr_equal(record.signature, data + bytes - 64);
    struct ob_run_id run = fixture_run();
    assert_true(ob_record_verify(&run, &record));
}

static void verify_other_run_fails(void **state) {
    (void)state;
    uint8_t data[FIXTURE_BYTES_MAX];
    size_t bytes = from_hex(GOLDEN_RECORD, data, sizeof data);
    struct ob_record record;
    assert_int_equal(ob_record_decode(data, bytes, &FIXTURE_BOUNDS, &record, NULL), OB_OK);
    struct ob_run_id run = fixture_run();
    run.hash.bytes[31] ^= 1;
    assert_false(ob_record_verify(&run, &record));
}

static void decode_any_flipped_bit_breaks_signature_or_layout(void **state) {
    (void)state;
    uint8_t data[FIXTURE_BYTES_MAX];
    size_t bytes = from_hex(GOLDEN_RECORD, data, sizeof data);
    struct ob_run_id run = fixture_run();
    for (size_t bit = 0; bit < 8 * bytes; bit++) {
        struct ob_record record;
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (ob_record_decode(data, bytes, &FIXTURE_BOUNDS, &record, NULL) == OB_OK)
            assert_false(ob_record_verify(&run, &record));
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void decode_any_other_length_fails(void **state) {
    (void)state;
    uint8_t data[FIXTURE_BYTES_MAX] = {0};
    size_t bytes = from_hex(GOLDEN_RECORD, data, sizeof data);
    for (size_t length = 0; length <= bytes + 20; length++) {
        struct ob_record record = {.n = 999};
        struct ob_error error;
        if (length == bytes)
            continue;
        assert_int_equal(ob_record_decode(data, length, &FIXTURE_BOUNDS, &record, &error), OB_EFORMAT);
        assert_int_equal(record.n, 999); /* untouched */
    }
}

/* Encodes a changed record and decodes it: the error, and the field that its message names. */
static void expect_error(const struct ob_record *record, enum ob_err expected, const char *field) {
    static const uint8_t NO_SIGNATURE[64];
    uint8_t data[OB_RECORD_BYTES_MAX];
    struct ob_record whole = *record, decoded;
    struct ob_error error;
    whole.signature = NO_SIGNATURE;
    size_t bytes = ob_record_encode(&whole, data);
    assert_int_equal(ob_record_decode(data, bytes, &FIXTURE_BOUNDS, &decoded, &error), expected);
    if (expected != OB_OK)
        assert_non_null(strstr(error.text, field));
}

static void decode_each_bound_has_its_error(void **state) {
    (void)state;
    static const uint8_t ZEROS[17];
    struct ob_record good = fixture_record(BYTES), bad;
    expect_error(&good, OB_OK, "");
    bad = good, bad.n = 17, bad.bytes = ZEROS;
    expect_error(&bad, OB_ETOOBIG, "n is 17");
    bad = good, bad.live = 0;
    expect_error(&bad, OB_ETOOBIG, "live is 0");
    bad = good, bad.live = 9;
    expect_error(&bad, OB_ETOOBIG, "live is 9");
    bad = good, bad.live = 8;
    expect_error(&bad, OB_OK, "");
    bad = good, bad.round.index = 100;
    expect_error(&bad, OB_ETOOBIG, "round is 100");
    bad = good, bad.exponent = 4;
    expect_error(&bad, OB_ETOOBIG, "exponent is 4");
    bad = good, bad.exponent = -5;
    expect_error(&bad, OB_ETOOBIG, "exponent is -5");
    bad = good, bad.profile = 1;
    expect_error(&bad, OB_ETOOBIG, "profile is 1");
    bad = good, bad.first.index = OB_SAMPLE_END - 3;
    expect_error(&bad, OB_ETOOBIG, "2^63");
    bad = good, bad.first.index = UINT64_MAX;
    expect_error(&bad, OB_ETOOBIG, "2^63");
    bad = good, bad.first.index = OB_SAMPLE_END - 4;
    expect_error(&bad, OB_OK, "");
    bad = good, bad.first.index = 0;
    expect_error(&bad, OB_EFORMAT, "prev");
    bad = good, memset(bad.prev.bytes, 0, sizeof bad.prev.bytes);
    expect_error(&bad, OB_EFORMAT, "prev");
    bad.first.index = 0;
    expect_error(&bad, OB_OK, "");
}

static void decode_no_samples_fails(void **state) {
    (void)state;
    uint8_t data[FIXTURE_BYTES_MAX];
    size_t bytes = from_hex(GOLDEN_RECORD, data, sizeof data);
    struct ob_record record;
    struct ob_error error;
    data[46] = 0; /* n; and its four bytes are gone */
    assert_int_equal(ob_record_decode(data, bytes - 4, &FIXTURE_BOUNDS, &record, &error), OB_ETOOBIG);
    assert_non_null(strstr(error.text, "n is 0"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sign_golden_gives_golden_bytes),
        cmocka_unit_test(hash_golden_is_golden),
        cmocka_unit_test(decode_golden_gives_every_field),
        cmocka_unit_test(verify_other_run_fails),
        cmocka_unit_test(decode_any_flipped_bit_breaks_signature_or_layout),
        cmocka_unit_test(decode_any_other_length_fails),
        cmocka_unit_test(decode_each_bound_has_its_error),
        cmocka_unit_test(decode_no_samples_fails),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
