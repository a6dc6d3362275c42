#include "tests/unit/cmocka_all.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "record/control.h"
#include "record/record.h"

static const struct ob_record_bounds BOUNDS = {.max_rounds = 1000,
                                               .max_machines = 64,
                                               .samples_per_round = 16,
                                               .exponent_min = -4,
                                               .exponent_max = 4,
                                               .profiles = 1};
/* From an independent implementation (Python: cryptography, hashlib). */
#define GOLDEN_RECORD                                                                                        \
    "fd1724385aa0c75b64fb78cd602fa1d991fdebf76b13c58ed702eac835e9f618280000000000"                           \
    "00000700000003000500fe000404040404040404040404040404040404040404040404040404"                           \
    "040404040404018060ff004c9761e101168e326d1f19948ee02214deb93a2cc91ec608011a35"                           \
    "ba9391a1d9fd6b68de0f7bbeb6e81b83191de9a515781b08204332dc9f4dd48742e3766f0b"
#define GOLDEN_HASH "20aa124861c93719d634f00629b9ba2d2d00aea3f476d6c258e9351487126974"

static const uint8_t BYTES[5] = {1, 0x80, 96, 255, 0};

struct fixture {
    struct ob_run_id run;
    uint8_t secret[64];
    struct ob_record record;
    uint8_t data[OB_RECORD_BYTES_MAX];
    size_t bytes;
};

/* A fixed key and a fixed record: Ed25519 is deterministic, so its bytes are a golden vector. */
static void make(struct fixture *f) {
    uint8_t seed[32], signature[64];
    memset(seed, 9, sizeof seed);
    memset(&f->run, 3, sizeof f->run);
    f->record = (struct ob_record){.first = {40},
                                   .round = {7},
                                   .live = 3,
                                   .n = 5,
                                   .exponent = -2,
                                   .bytes = BYTES,
                                   .signature = signature};
    crypto_sign_seed_keypair(f->record.machine.key, f->secret, seed);
    memset(f->record.prev.bytes, 4, OB_HASH_BYTES);
    ob_record_sign(&f->run, &f->record, f->secret, signature);
    f->bytes = ob_record_encode(&f->record, f->data);
    assert_int_equal(f->bytes, OB_RECORD_OVERHEAD_BYTES + 5);
    assert_int_equal(ob_record_decode(f->data, f->bytes, &BOUNDS, &f->record, NULL), OB_OK);
}

static void golden_record(void **state) {
    (void)state;
    struct fixture f;
    char text[2 * 151 + 1];
    make(&f);
    sodium_bin2hex(text, sizeof text, f.data, f.bytes);
    assert_string_equal(text, GOLDEN_RECORD);
    struct ob_hash hash = ob_record_hash(&f.run, &f.record);
    sodium_bin2hex(text, sizeof text, hash.bytes, 32);
    assert_string_equal(text, GOLDEN_HASH);
}

static void decode_round_trips(void **state) {
    (void)state;
    struct fixture f;
    make(&f);
    assert_int_equal(f.record.first.index, 40);
    assert_int_equal(f.record.round.index, 7);
    assert_int_equal(f.record.exponent, -2);
    assert_memory_equal(f.record.bytes, BYTES, 5);
    assert_true(ob_record_verify(&f.run, &f.record));
    uint8_t again[OB_RECORD_BYTES_MAX];
    assert_int_equal(ob_record_encode(&f.record, again), f.bytes);
    assert_memory_equal(again, f.data, f.bytes);
}

static void every_flipped_bit_is_noticed(void **state) {
    (void)state;
    struct fixture f;
    make(&f);
    for (size_t bit = 0; bit < f.bytes * 8; bit++) {
        struct ob_record record;
        f.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        if (ob_record_decode(f.data, f.bytes, &BOUNDS, &record, NULL) == OB_OK)
            assert_false(ob_record_verify(&f.run, &record));
        f.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    f.run.hash.bytes[0] ^= 1; /* the same record in another run */
    assert_false(ob_record_verify(&f.run, &f.record));
}

static void every_other_length_is_refused(void **state) {
    (void)state;
    struct fixture f;
    struct ob_record record;
    make(&f);
    for (size_t bytes = 0; bytes < sizeof f.data; bytes++)
        if (bytes != f.bytes)
            assert_int_equal(ob_record_decode(f.data, bytes, &BOUNDS, &record, NULL), OB_EFORMAT);
}

static void assert_refused(struct fixture *f, const char *word) {
    uint8_t data[OB_RECORD_BYTES_MAX];
    struct ob_record record;
    struct ob_error error = {0};
    size_t bytes = ob_record_encode(&f->record, data);
    assert_int_not_equal(ob_record_decode(data, bytes, &BOUNDS, &record, &error), OB_OK);
    assert_non_null(strstr(error.text, word));
}

static void every_bound_is_checked(void **state) {
    (void)state;
    struct fixture f;
    uint8_t many[17] = {0};
    make(&f), f.record.n = 17, f.record.bytes = many, assert_refused(&f, "n");
    make(&f), f.data[46] = 0; /* n = 0, with the length that fits it */
    assert_int_not_equal(ob_record_decode(f.data, OB_RECORD_OVERHEAD_BYTES, &BOUNDS, &f.record, NULL), OB_OK);
    make(&f), f.record.live = 0, assert_refused(&f, "live");
    make(&f), f.record.live = 65, assert_refused(&f, "live");
    make(&f), f.record.round.index = 1000, assert_refused(&f, "round");
    make(&f), f.record.exponent = 5, assert_refused(&f, "exponent");
    make(&f), f.record.exponent = -5, assert_refused(&f, "exponent");
    make(&f), f.record.profile = 1, assert_refused(&f, "profile");
    make(&f), f.record.first.index = UINT64_MAX - 2, assert_refused(&f, "first");
    make(&f), f.record.first.index = 0, assert_refused(&f, "prev");
    make(&f), memset(f.record.prev.bytes, 0, 32), assert_refused(&f, "prev");
}

static void control_round_trips_and_notices_damage(void **state) {
    (void)state;
    struct fixture f;
    make(&f);
    uint8_t payload[8] = {45}, data[OB_CONTROL_BYTES_MAX];
    struct ob_control goodbye = {.kind = OB_CONTROL_GOODBYE,
                                 .payload_bytes = 8,
                                 .signer = f.record.machine,
                                 .subject = f.record.machine,
                                 .sequence = 12,
                                 .payload = payload};
    size_t bytes = ob_control_sign(&f.run, &goodbye, f.secret, data);
    struct ob_control control;
    assert_int_equal(ob_control_decode(data, bytes, &control, NULL), OB_OK);
    assert_int_equal(control.sequence, 12);
    assert_true(ob_control_verify(&f.run, &control));
    for (size_t bit = 0; bit < bytes * 8; bit++) {
        data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        if (ob_control_decode(data, bytes, &control, NULL) == OB_OK)
            assert_false(ob_control_verify(&f.run, &control));
        data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    for (size_t cut = 0; cut < bytes; cut++)
        assert_int_not_equal(ob_control_decode(data, cut, &control, NULL), OB_OK);
}

static int setup(void **state) {
    (void)state;
    return sodium_init() < 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_record),
        cmocka_unit_test(decode_round_trips),
        cmocka_unit_test(every_flipped_bit_is_noticed),
        cmocka_unit_test(every_other_length_is_refused),
        cmocka_unit_test(every_bound_is_checked),
        cmocka_unit_test(control_round_trips_and_notices_damage),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
