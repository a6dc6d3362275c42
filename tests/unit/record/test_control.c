#include "tests/unit/record/fixture.h"

static size_t golden(uint8_t *ret_data) {
    return from_hex(GOLDEN_CONTROL, ret_data, FIXTURE_BYTES_MAX);
}

static void sign_goodbye_gives_golden_bytes(void **state) {
    (void)state;
    uint8_t expected[FIXTURE_BYTES_MAX], data[OB_CONTROL_BYTES_MAX], key[64];
    size_t bytes = golden(expected);
    struct ob_run_id run = fixture_run();
    uint8_t payload[8] = {0xec, 0x03}; /* 1004 */
    struct ob_control control = {
        .kind = OB_CONTROL_GOODBYE, .payload_bytes = 8, .sequence = 5, .payload = payload};
    from_hex(GOLDEN_MACHINE, control.signer.key, sizeof control.signer.key);
    control.subject = control.signer;
    fixture_secret_key(key);
    assert_int_equal(ob_control_sign(&run, &control, key, data), bytes);
    assert_memory_equal(data, expected, bytes);
}

static void decode_goodbye_gives_every_field(void **state) {
    (void)state;
    uint8_t data[FIXTURE_BYTES_MAX], again[OB_CONTROL_BYTES_MAX];
    size_t bytes = golden(data);
    struct ob_control control;
    assert_int_equal(ob_control_decode(data, bytes, &control, NULL), OB_OK);
    assert_int_equal(control.kind, OB_CONTROL_GOODBYE);
    assert_int_equal(control.sequence, 5);
    assert_int_equal(ob_control_goodbye_next(&control).index, 1004);
    struct ob_run_id run = fixture_run();
    assert_true(ob_control_verify(&run, &control));
    run.hash.bytes[0] ^= 1;
    assert_false(ob_control_verify(&run, &control));
    assert_int_equal(ob_control_encode(&control, again), bytes);
    assert_memory_equal(again, data, bytes);
}

static void decode_any_flipped_bit_breaks_signature_or_layout(void **state) {
    (void)state;
    uint8_t data[FIXTURE_BYTES_MAX];
    size_t bytes = golden(data);
    struct ob_run_id run = fixture_run();
    for (size_t bit = 0; bit < 8 * bytes; bit++) {
        struct ob_control control;
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (ob_control_decode(data, bytes, &control, NULL) == OB_OK)
            assert_false(ob_control_verify(&run, &control));
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void decode_any_other_length_fails(void **state) {
    (void)state;
    uint8_t data[FIXTURE_BYTES_MAX] = {0};
    size_t bytes = golden(data);
    for (size_t length = 0; length <= bytes + 20; length++) {
        struct ob_control control;
        if (length != bytes)
            assert_int_equal(ob_control_decode(data, length, &control, NULL), OB_EFORMAT);
    }
}

static void expect_error(size_t offset, uint8_t value, enum ob_err expected) {
    uint8_t data[FIXTURE_BYTES_MAX];
    size_t bytes = golden(data);
    struct ob_control control;
    struct ob_error error;
    data[offset] = value;
    assert_int_equal(ob_control_decode(data, bytes, &control, &error), expected);
    assert_true(strncmp(error.text, "control: ", 9) == 0);
}

static void decode_each_rule_has_its_error(void **state) {
    (void)state;
    expect_error(0, OB_CONTROL_LAST + 1, OB_EUNSUPPORTED);
    expect_error(0, 0, OB_EUNSUPPORTED);
    expect_error(1, 1, OB_EFORMAT);
    expect_error(2, 9, OB_EFORMAT);     /* length */
    expect_error(36, 0, OB_EREFUSED);   /* subject is another than the signer */
    expect_error(83, 0x81, OB_ETOOBIG); /* sample */
}

static void decode_long_payload_fails(void **state) {
    (void)state;
    uint8_t data[OB_CONTROL_HEADER_BYTES + 256 + 64] = {1, 0, 0x00, 0x01};
    struct ob_control control;
    assert_int_equal(ob_control_decode(data, sizeof data, &control, NULL), OB_ETOOBIG);
    data[2] = 0xff, data[3] = 0x00; /* 255 fits, but a goodbye has 8 */
    assert_int_equal(ob_control_decode(data, sizeof data - 1, &control, NULL), OB_EFORMAT);
}

static size_t make_record_data(uint32_t round, uint8_t *ret_data) {
    static const uint8_t BYTES[4] = {1, 2, 3, 4};
    struct ob_run_id run = fixture_run();
    struct ob_record record = fixture_record(BYTES);
    uint8_t key[64], signature[64];
    fixture_secret_key(key);
    record.round.index = round;
    record.signature = signature;
    ob_record_sign(&run, &record, key, signature);
    return ob_record_encode(&record, ret_data);
}

static struct ob_record decode_record(const uint8_t *data, size_t bytes) {
    struct ob_record record;
    assert_int_equal(ob_record_decode(data, bytes, &FIXTURE_BOUNDS, &record, NULL), OB_OK);
    return record;
}

static void evidence_is_the_same_in_either_order(void **state) {
    (void)state;
    uint8_t a[OB_RECORD_BYTES_MAX], b[OB_RECORD_BYTES_MAX];
    uint8_t one[OB_CONTROL_BYTES_MAX], other[OB_CONTROL_BYTES_MAX];
    struct ob_record first = decode_record(a, make_record_data(7, a));
    struct ob_record second = decode_record(b, make_record_data(8, b)); /* equal bytes, another round */
    size_t bytes = ob_evidence_encode(&first, &second, one);
    assert_true(bytes > 0);
    assert_int_equal(ob_evidence_encode(&second, &first, other), bytes);
    assert_memory_equal(one, other, bytes);
    assert_int_equal(ob_evidence_encode(&first, &first, other), 0);
    struct ob_control control;
    struct ob_run_id run = fixture_run();
    assert_int_equal(ob_control_decode(one, bytes, &control, NULL), OB_OK);
    assert_int_equal(ob_control_cut(&control).index, first.first.index);
    assert_true(ob_control_verify(&run, &control));
    for (size_t bit = 0; bit < 8 * bytes; bit++) {
        one[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (ob_control_decode(one, bytes, &control, NULL) == OB_OK)
            assert_false(ob_control_verify(&run, &control));
        one[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void certificate_check_names_what_is_wrong(void **state) {
    (void)state;
    uint8_t payload[OB_CONTROL_PLAIN_MAX], entry[OB_CONTROL_PLAIN_BYTES_MAX], key[64];
    struct ob_run_id run = fixture_run(), other_run = run;
    struct ob_certificate certificate = {.run = run, .expiry_s = 100, .last_round = 5, .name = "alice"};
    struct ob_control control = {.kind = OB_CONTROL_CERTIFICATE, .subject = {{9}}, .payload = payload};
    struct ob_machine_id nobody = {{8}};
    struct ob_error error;
    from_hex(GOLDEN_MACHINE, control.signer.key, sizeof control.signer.key);
    fixture_secret_key(key);
    assert_int_equal(ob_certificate_encode(&certificate, payload, &control.payload_bytes, NULL), OB_OK);
    size_t bytes = ob_control_sign(&run, &control, key, entry);
    const struct ob_machine_id *authority = &control.signer, *machine = &control.subject;
    assert_int_equal(
        ob_certificate_check(entry, bytes, &run, authority, machine, 99, &OB_VERIFIER_ED25519, &error),
        OB_OK);
    assert_int_equal(
        ob_certificate_check(entry, bytes, &run, authority, machine, 100, &OB_VERIFIER_ED25519, &error),
        OB_ETIMEOUT);
    assert_non_null(strstr(error.text, "alice"));
    other_run.hash.bytes[0] ^= 1;
    assert_int_equal(
        ob_certificate_check(entry, bytes, &other_run, authority, machine, 0, &OB_VERIFIER_ED25519, &error),
        OB_EMISMATCH);
    assert_int_equal(
        ob_certificate_check(entry, bytes, &run, authority, &nobody, 0, &OB_VERIFIER_ED25519, &error),
        OB_EMISMATCH);
    assert_int_equal(
        ob_certificate_check(entry, bytes, &run, &nobody, machine, 0, &OB_VERIFIER_ED25519, &error),
        OB_EREFUSED);
    entry[bytes - 1] ^= 1;
    assert_int_equal(
        ob_certificate_check(entry, bytes, &run, authority, machine, 0, &OB_VERIFIER_ED25519, &error),
        OB_EREFUSED);
    certificate.name[0] = '\n';
    assert_int_equal(ob_certificate_encode(&certificate, payload, &control.payload_bytes, NULL), OB_EUSAGE);
}

static void certificate_encode_refuses_a_name_that_is_not_utf8(void **state) {
    static const char *const GOOD[] = {"alice", "Zoë", "名前", "\xf0\x9f\xa6\x8a", "\xed\x9f\xbf"};
    static const char *const BAD[] = {"Zo\xeb",       "\xc3",         "\xc0\x80",
                                      "\xe0\x80\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80",
                                      "\x80",         "a\xf0\x9f\xa6"};
    (void)state;
    uint8_t payload[OB_CERTIFICATE_BYTES_MAX];
    uint16_t bytes;
    struct ob_error error;
    for (size_t i = 0; i < sizeof GOOD / sizeof GOOD[0]; i++) {
        struct ob_certificate certificate = {0};
        strcpy(certificate.name, GOOD[i]);
        assert_int_equal(ob_certificate_encode(&certificate, payload, &bytes, &error), OB_OK);
    }
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        struct ob_certificate certificate = {0};
        strcpy(certificate.name, BAD[i]);
        assert_int_equal(ob_certificate_encode(&certificate, payload, &bytes, &error), OB_EUSAGE);
        assert_non_null(strstr(error.text, "UTF-8"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sign_goodbye_gives_golden_bytes),
        cmocka_unit_test(decode_goodbye_gives_every_field),
        cmocka_unit_test(decode_any_flipped_bit_breaks_signature_or_layout),
        cmocka_unit_test(decode_any_other_length_fails),
        cmocka_unit_test(decode_each_rule_has_its_error),
        cmocka_unit_test(decode_long_payload_fails),
        cmocka_unit_test(evidence_is_the_same_in_either_order),
        cmocka_unit_test(certificate_check_names_what_is_wrong),
        cmocka_unit_test(certificate_encode_refuses_a_name_that_is_not_utf8),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
