#include "tests/unit/cmocka_all.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/store.h"

struct fixture {
    char folder[64];
    struct ob_store_options options;
    struct ob_machine_id machine, other;
    uint8_t secret[64];
};

static void make(struct fixture *f) {
    memset(f, 0, sizeof *f);
    strcpy(f->folder, "/tmp/onebyte-store-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    crypto_sign_keypair(f->machine.key, f->secret);
    memset(f->other.key, 5, sizeof f->other.key);
    f->options = (struct ob_store_options){
        .state_dir = f->folder,
        .run = {{{9}}},
        .bounds = {.max_rounds = 100,
                   .max_machines = 8,
                   .samples_per_round = 8,
                   .exponent_min = -4,
                   .exponent_max = 4,
                   .profiles = 1},
        .machine = &f->machine,
    };
}

static void remove_all(struct fixture *f) {
    static const char *const NAMES[] = {"log.sqlite", "log.sqlite-wal", "log.sqlite-shm", "lock"};
    char path[128];
    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", f->folder, NAMES[i]);
        unlink(path);
    }
    rmdir(f->folder);
}

static struct ob_record record_of(const struct ob_machine_id *machine, uint64_t first, uint32_t round) {
    static const uint8_t BYTES[2] = {7, 200}, SIGNATURE[64] = {1};
    struct ob_record record = {.machine = *machine,
                               .first = {first},
                               .round = {round},
                               .live = 1,
                               .n = 2,
                               .bytes = BYTES,
                               .signature = SIGNATURE};
    memset(record.prev.bytes, first > 0, sizeof record.prev.bytes);
    return record;
}

static enum ob_err count_record(void *context, const struct ob_record *record, struct ob_error *error) {
    (void)error;
    assert_int_equal(record->n, 2);
    assert_int_equal(record->bytes[1], 200);
    assert_int_equal(record->signature[0], 1);
    ++*(int *)context;
    return OB_OK;
}

static void records_survive_and_come_in_chain_order(void **state) {
    (void)state;
    struct fixture f;
    struct ob_store *store = NULL;
    make(&f);
    assert_int_equal(ob_store_open(&f.options, &store, NULL), OB_OK);
    assert_true(ob_store_may_start_alone(store));
    struct ob_record a = record_of(&f.machine, 0, 0), b = record_of(&f.other, 0, 0),
                     c = record_of(&f.machine, 2, 1);
    assert_int_equal(ob_store_other(store, &b, NULL), OB_OK);
    assert_int_equal(ob_store_own(store, &a, NULL), OB_OK);
    assert_int_equal(ob_store_own(store, &c, NULL), OB_OK);
    assert_int_not_equal(ob_store_own(store, &a, NULL), OB_OK); /* one body for a sample, whatever happens */
    ob_store_close(store);
    assert_int_equal(ob_store_open(&f.options, &store, NULL), OB_OK);
    assert_true(ob_store_may_start_alone(store));
    int count = 0;
    assert_int_equal(ob_store_each(store, count_record, &count, NULL), OB_OK);
    assert_int_equal(count, 3);
    count = 0;
    assert_int_equal(ob_store_from(store, &f.machine, (struct ob_sample){2}, count_record, &count, NULL),
                     OB_OK);
    assert_int_equal(count, 1);
    struct ob_store_counts counts;
    assert_int_equal(ob_store_counts(store, &counts, NULL), OB_OK);
    assert_int_equal(counts.records, 3);
    assert_int_equal(counts.samples, 6);
    ob_store_close(store);
    remove_all(&f);
}

static void another_run_machine_or_daemon_is_refused(void **state) {
    (void)state;
    struct fixture f;
    struct ob_store *store = NULL, *second = NULL;
    struct ob_error error = {0};
    make(&f);
    assert_int_equal(ob_store_open(&f.options, &store, NULL), OB_OK);
    assert_int_equal(ob_store_open(&f.options, &second, &error), OB_EBUSY);
    assert_non_null(strstr(error.text, f.folder));
    ob_store_close(store);
    struct ob_store_options other = f.options;
    other.run.hash.bytes[0]++;
    assert_int_equal(ob_store_open(&other, &store, &error), OB_EMISMATCH);
    other = f.options;
    other.machine = &f.other;
    assert_int_equal(ob_store_open(&other, &store, &error), OB_EMISMATCH);
    remove_all(&f);
}

static void copied_state_may_not_start_alone(void **state) {
    (void)state;
    struct fixture f;
    struct ob_store *store = NULL;
    char command[256];
    make(&f);
    assert_int_equal(ob_store_open(&f.options, &store, NULL), OB_OK);
    ob_store_close(store);
    (void)snprintf(command, sizeof command, "cd %s && cp log.sqlite copy && mv copy log.sqlite", f.folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(ob_store_open(&f.options, &store, NULL), OB_OK);
    assert_false(ob_store_may_start_alone(store));
    ob_store_close(store);
    remove_all(&f);
}

static void damaged_file_is_named(void **state) {
    (void)state;
    struct fixture f;
    struct ob_store *store = NULL;
    struct ob_error error = {0};
    char path[128];
    make(&f);
    (void)snprintf(path, sizeof path, "%s/log.sqlite", f.folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++)
        fputs("this is no database ", file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(ob_store_open(&f.options, &store, &error), OB_EIO);
    assert_non_null(strstr(error.text, path));
    remove_all(&f);
}

static int setup(void **state) {
    (void)state;
    return sodium_init() < 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_survive_and_come_in_chain_order),
        cmocka_unit_test(another_run_machine_or_daemon_is_refused),
        cmocka_unit_test(copied_state_may_not_start_alone),
        cmocka_unit_test(damaged_file_is_named),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
