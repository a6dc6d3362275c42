#include "tests/unit/cmocka_all.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "record/hash.h"
#include "snapshot/snapshot.h"

#define TENSORS 3

struct fixture {
    struct ob_manifest manifest;
    struct ob_manifest_tensor tensors[TENSORS];
    struct ob_snapshot_machine machines[3];
    struct ob_snapshot *snapshot;
    uint8_t *table;
};

static void make(struct fixture *f) {
    memset(f, 0, sizeof *f);
    const uint64_t elements[TENSORS] = {3 * OB_SPSA_LEAF_ELEMENTS, 5, OB_SPSA_LEAF_ELEMENTS + 1};
    memset(&f->manifest.run, 7, sizeof f->manifest.run);
    f->manifest.tensors = f->tensors;
    f->manifest.tensor_count = TENSORS;
    for (int i = 0; i < TENSORS; i++)
        f->tensors[i].layout = (struct ob_spsa_tensor){.elements = elements[i], .exponent = 20};
    for (int i = 0; i < 3; i++) {
        memset(&f->machines[i], 1 + i, sizeof f->machines[i]);
        f->machines[i].next.index = 10 + (uint64_t)i;
    }
    assert_int_equal(ob_snapshot_new(&f->manifest, f->machines, 3, &f->snapshot, NULL), OB_OK);
    assert_int_equal(f->snapshot->leaf_count, 3 + 1 + 2);
    randombytes_buf_deterministic(f->snapshot->leaves, f->snapshot->leaf_count * OB_HASH_BYTES,
                                  (const uint8_t[randombytes_SEEDBYTES]){1});
    f->table = malloc(f->snapshot->table_bytes);
    assert_non_null(f->table);
    assert_int_equal(ob_snapshot_encode(f->snapshot, &f->manifest, f->table, NULL), OB_OK);
}

static void done(struct fixture *f) {
    free(f->table);
    ob_snapshot_free(f->snapshot);
}

static enum ob_err decode(const struct fixture *f, const uint8_t *data, size_t bytes,
                          struct ob_snapshot **ret_snapshot, struct ob_error *error) {
    return ob_snapshot_decode("a.snapshot", &f->manifest, data, bytes, ret_snapshot, error);
}

/* As a forger would: the hash at the end is right again. */
static void sign(const struct fixture *f, uint8_t *table) {
    size_t body = f->snapshot->table_bytes - OB_HASH_BYTES;
    struct ob_hash hash = ob_hash_of(table, body);
    memcpy(table + body, hash.bytes, OB_HASH_BYTES);
}

static void snapshot_decode_gives_what_was_encoded(void **state) {
    (void)state;
    struct fixture f;
    struct ob_snapshot *again = NULL;
    make(&f);
    assert_int_equal(decode(&f, f.table, f.snapshot->table_bytes, &again, NULL), OB_OK);
    assert_int_equal(again->samples, 33);
    assert_int_equal(again->machine_count, 3);
    assert_memory_equal(again->machines, f.machines, sizeof f.machines);
    assert_memory_equal(again->leaves, f.snapshot->leaves, again->leaf_count * OB_HASH_BYTES);
    assert_memory_equal(&again->digest, &f.snapshot->digest, OB_HASH_BYTES);
    assert_memory_equal(&again->name, &f.snapshot->name, OB_HASH_BYTES);
    assert_int_equal(again->file_bytes, again->table_bytes + 4 * (4 * OB_SPSA_LEAF_ELEMENTS + 6));
    assert_int_equal(ob_snapshot_table_bytes(&f.manifest, f.table), again->table_bytes);
    ob_snapshot_free(again);
    done(&f);
}

static void snapshot_decode_refuses_every_damaged_byte_and_every_length(void **state) {
    (void)state;
    struct fixture f;
    make(&f);
    for (size_t i = 0; i < f.snapshot->table_bytes; i++) {
        struct ob_snapshot *again = NULL;
        struct ob_error error = {0};
        f.table[i] ^= 0x10;
        assert_int_not_equal(decode(&f, f.table, f.snapshot->table_bytes, &again, &error), OB_OK);
        assert_non_null(strstr(error.text, "a.snapshot"));
        f.table[i] ^= 0x10;
        assert_int_not_equal(decode(&f, f.table, i, &again, &error), OB_OK);
        assert_null(again);
    }
    done(&f);
}

/* What a forger can make with a right hash: each is refused by name. */
static void snapshot_decode_refuses_what_contradicts_itself(void **state) {
    (void)state;
    const struct {
        size_t at;
        uint8_t change;
        const char *text;
    } forged[] = {
        {16, 1, "another run"},
        {48, 1, "number of samples"},
        {56, 1, "hash mismatch in the table"},
        {60, 1, "number of machines"},
        {59, 1, "number of machines"},
        {64, 1, "weights digest"},
        {96, 0x40, "not sorted"},
        {96 + 32, 10, "impossible sample"},
        {96 + 39, 0x80, "impossible"},
        {96 + 3 * 72, 1, "weights digest"},
        {96 + 32, 1, "number of samples"},
    };
    struct fixture f;
    make(&f);
    for (size_t i = 0; i < sizeof forged / sizeof *forged; i++) {
        struct ob_snapshot *again = NULL;
        struct ob_error error = {0};
        f.table[forged[i].at] ^= forged[i].change;
        sign(&f, f.table);
        assert_int_not_equal(decode(&f, f.table, f.snapshot->table_bytes, &again, &error), OB_OK);
        if (!strstr(error.text, forged[i].text))
            fail_msg("byte %zu: %s", forged[i].at, error.text);
        f.table[forged[i].at] ^= forged[i].change;
    }
    done(&f);
}

static void snapshot_holds_what_is_below_its_frontier(void **state) {
    (void)state;
    struct fixture f;
    make(&f);
    struct ob_machine_id stranger = {{9}};
    assert_true(ob_snapshot_holds(f.snapshot, &f.machines[1].machine, (struct ob_sample){10}));
    assert_false(ob_snapshot_holds(f.snapshot, &f.machines[1].machine, (struct ob_sample){11}));
    assert_false(ob_snapshot_holds(f.snapshot, &stranger, (struct ob_sample){0}));
    done(&f);
}

static void snapshot_leaf_at_follows_the_tensors(void **state) {
    (void)state;
    struct fixture f;
    size_t bytes;
    make(&f);
    uint64_t start = f.snapshot->table_bytes, leaf = 4 * OB_SPSA_LEAF_ELEMENTS;
    assert_int_equal(ob_snapshot_leaf_at(f.snapshot, &f.manifest, 0, &bytes), start);
    assert_int_equal(bytes, leaf);
    assert_int_equal(ob_snapshot_leaf_at(f.snapshot, &f.manifest, 3, &bytes), start + 3 * leaf);
    assert_int_equal(bytes, 20);
    assert_int_equal(ob_snapshot_leaf_at(f.snapshot, &f.manifest, 5, &bytes), start + 4 * leaf + 20);
    assert_int_equal(bytes, 4);
    assert_int_equal(f.snapshot->file_bytes, start + 4 * leaf + 24);
    done(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snapshot_decode_gives_what_was_encoded),
        cmocka_unit_test(snapshot_decode_refuses_every_damaged_byte_and_every_length),
        cmocka_unit_test(snapshot_decode_refuses_what_contradicts_itself),
        cmocka_unit_test(snapshot_holds_what_is_below_its_frontier),
        cmocka_unit_test(snapshot_leaf_at_follows_the_tensors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
