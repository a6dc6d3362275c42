/* fixture - the golden record, its key and its run. */
#ifndef OB_TESTS_RECORD_FIXTURE_H
#define OB_TESTS_RECORD_FIXTURE_H

#include "tests/unit/cmocka_all.h"

#include <sodium.h>
#include <string.h>

#include "record/control.h"
#include "record/record.h"
#include "tests/unit/record/golden.h"

#define FIXTURE_BYTES_MAX 512

static const struct ob_record_bounds FIXTURE_BOUNDS = {
    .max_rounds = 100,
    .max_machines = 8,
    .samples_per_round = 16,
    .exponent_min = -4,
    .exponent_max = 3,
    .profiles = 1,
};

static inline size_t from_hex(const char *hex, uint8_t *ret_data, size_t capacity) {
    size_t bytes = 0;
    assert_int_equal(sodium_hex2bin(ret_data, capacity, hex, strlen(hex), NULL, &bytes, NULL), 0);
    return bytes;
}

static inline struct ob_run_id fixture_run(void) {
    struct ob_run_id run;
    assert_int_equal(from_hex(GOLDEN_RUN, run.hash.bytes, sizeof run), 32);
    return run;
}

static inline void fixture_secret_key(uint8_t ret_key[static 64]) {
    uint8_t seed[32], public_key[32];
    for (uint8_t i = 0; i < 32; i++)
        seed[i] = i;
    assert_int_equal(crypto_sign_seed_keypair(public_key, ret_key, seed), 0);
}

/* Points into `bytes`, which are the golden ones. */
static inline struct ob_record fixture_record(const uint8_t bytes[static 4]) {
    struct ob_record record = {
        .first = {1000}, .round = {77}, .live = 3, .n = 4, .exponent = -2, .bytes = bytes};
    from_hex(GOLDEN_MACHINE, record.machine.key, sizeof record.machine.key);
    from_hex(GOLDEN_PREV, record.prev.bytes, sizeof record.prev.bytes);
    return record;
}

#endif
