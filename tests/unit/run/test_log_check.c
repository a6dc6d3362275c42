/* A log that holds, and every way in which one does not, with the row checks made right. */
#include "tests/unit/cmocka_all.h"

#include "run/log_check.h"
#include "tests/unit/run/log_fixture.h"

struct told {
    size_t count;
    char texts[8][OB_ERROR_TEXT_MAX];
};

static void tell(void *context, const char *text) {
    struct told *told = context;
    if (told->count < 8)
        (void)snprintf(told->texts[told->count], OB_ERROR_TEXT_MAX, "%s", text);
    told->count++;
}

static struct ob_log_check look(struct log_fixture *l, struct told *told) {
    struct ob_store_options options = l->f.options;
    struct ob_store *store = NULL;
    struct ob_error error = {0};
    struct ob_log_check check = {0};
    options.machine = NULL;
    *told = (struct told){0};
    if (ob_store_open(&options, &store, &error) || ob_store_hold(store, &error) ||
        ob_log_check(&l->manifest, store, 2, tell, told, NULL, &check, &error))
        fail_msg("%s", error.text);
    ob_store_close(store);
    assert_int_equal(check.findings, told->count);
    return check;
}

static void expect(struct log_fixture *l, size_t findings, const char *words) {
    struct told told;
    (void)look(l, &told);
    bool found = false;
    for (size_t i = 0; i < told.count && i < 8; i++)
        found |= strstr(told.texts[i], words) != NULL;
    if (told.count != findings || !found)
        fail_msg("%zu findings, expected %zu with \"%s\"; the first: \"%s\"", told.count, findings, words,
                 told.texts[0]);
}

static void a_log_that_holds_has_no_findings(void **state) {
    (void)state;
    struct log_fixture l;
    struct told told;
    log_make(&l);
    log_fill(&l);
    struct ob_log_check check = look(&l, &told);
    if (told.count > 0)
        fail_msg("%s", told.texts[0]);
    assert_int_equal(check.records, 2 * LOG_RECORDS + 2 * LOG_KEPT);
    assert_int_equal(check.samples, check.records * LOG_SAMPLES);
    assert_int_equal(check.machines, CHAINS);
    assert_int_equal(check.certificates, 5);
    assert_int_equal(check.revocations, 1);
    assert_int_equal(check.evidence, 1);
    assert_int_equal(check.rotations, 1);
    assert_int_equal(check.others, 1);
    assert_int_equal(check.uncounted, 0);
    remove_all(&l.f);
}

#define OF_CHAIN_1 "(SELECT key FROM machine WHERE number = 2)"

static void what_an_editor_did_is_found(void **state) {
    (void)state;
    static const struct {
        const char *sql, *words;
        size_t findings;
    } CASES[] = {
        {"DELETE FROM control", "has no certificate of the run's authority",
         2 * CHAINS}, /* and how many more */
        {"DELETE FROM control WHERE kind = 2 AND subject = " OF_CHAIN_1,
         "does not count: the machine has no certificate", 2},
        {"UPDATE control SET data = CAST(substr(data, 1, 115) || x'07' || substr(data, 117) AS BLOB) WHERE "
         "kind = 2 AND "
         "subject = (SELECT key FROM machine WHERE number = 1)",
         "the certificate of machine", 3},
        {"UPDATE control SET data = CAST(substr(data, 1, 76) || x'19' || substr(data, 78) AS BLOB) WHERE "
         "kind = 3",
         "the revocation of machine", 1},
        {"UPDATE control SET data = CAST(substr(data, 1, 160) || x'a5' || substr(data, 162) AS BLOB) WHERE "
         "kind = 4",
         "the evidence of machine", 1},
        {"UPDATE control SET data = CAST(substr(data, 1, 76) || x'19' || substr(data, 78) AS BLOB) WHERE "
         "kind = 6",
         "the rotation of machine",
         5}, /* whom only the second key admitted, and its revocation counts no more */
        {"UPDATE control SET kind = 5 WHERE kind = 1", "another entry's row", 1},
        {"DELETE FROM machine WHERE number = 2", "machine number 2", 1},
        {"DELETE FROM record WHERE machine = 2 AND first = 20", "the chain breaks at sample 24", 1},
        {"UPDATE record SET data = zeroblob(90) WHERE machine = 2 AND first = 20",
         "the row of sample 20 is damaged", 1},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct log_fixture l;
        log_make(&l);
        log_fill(&l);
        execute(&l.f, CASES[i].sql);
        expect(&l, CASES[i].findings, CASES[i].words);
        remove_all(&l.f);
    }
}

static void a_forged_record_is_found(void **state) {
    (void)state;
    for (int kind = FORGE_BYTE; kind <= FORGE_SIGNATURE; kind++) {
        struct log_fixture l;
        log_make(&l);
        log_fill(&l);
        forge(&l.f, 1, 5 * LOG_SAMPLES, (enum forgery)kind);
        expect(&l, 1, "the record of sample 20 is damaged");
        remove_all(&l.f);
    }
}

static void a_record_above_a_cut_is_found(void **state) {
    (void)state;
    struct log_fixture l;
    log_make(&l);
    log_fill(&l);
    struct ob_store *store = open_store(&l.f);
    put_other(&l.f, store, 2, LOG_SAMPLES);
    ob_store_close(store);
    expect(&l, 1, "sample 24 does not count: it is above the cut of a revocation");
    store = open_store(&l.f);
    for (int i = 0; i < 3; i++)
        put_other(&l.f, store, 3, LOG_SAMPLES);
    ob_store_close(store);
    expect(&l, 3, "and 2 records after it");
    remove_all(&l.f);
}

static void what_does_not_count_is_counted(void **state) {
    (void)state;
    struct log_fixture l;
    struct told told;
    log_make(&l);
    log_fill(&l);
    struct log_entry late = log_certificate(&l, &l.authorities[0], 0, LOG_ROTATED + 5, 3);
    struct log_entry foreign =
        log_number(&l, OB_CONTROL_REVOCATION, &l.stranger, &l.f.chains[0].machine, 1, 0);
    struct ob_store *store = open_store(&l.f);
    log_put(store, &foreign);
    ob_store_close(store);
    struct ob_log_check check = look(&l, &told);
    assert_int_equal(told.count, 0);
    assert_int_equal(check.uncounted, 1);
    store = open_store(&l.f);
    log_put(store, &late); /* takes the place of the one that counted */
    ob_store_close(store);
    expect(&l, 2, "has no certificate");
    remove_all(&l.f);
}

static int set_up(void **state) {
    (void)state;
    return sodium_init() < 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_that_holds_has_no_findings), cmocka_unit_test(what_an_editor_did_is_found),
        cmocka_unit_test(a_forged_record_is_found),         cmocka_unit_test(a_record_above_a_cut_is_found),
        cmocka_unit_test(what_does_not_count_is_counted),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
