/* Keys under a passphrase: opened by it alone; every changed character is noticed. */
#include "tests/unit/cmocka_all.h"

#include <sodium.h>
#include <string.h>

#include "run/sealed.h"

static void sealed_is_opened_by_its_passphrase_alone(void **state) {
    (void)state;
    struct ob_identity identity, back;
    struct ob_sealed sealed, read;
    struct ob_error error = {0};
    char text[OB_SEALED_TEXT_MAX];
    assert_true(sodium_init() >= 0);
    ob_identity_generate(&identity);
    assert_int_equal(ob_sealed_seal(&identity, "correct horse", &sealed, NULL), OB_OK);
    ob_sealed_write(&sealed, text);
    assert_int_equal(ob_sealed_parse("f", text, strlen(text), &read, NULL), OB_OK);
    assert_memory_equal(&read, &sealed, sizeof read);
    assert_int_equal(ob_sealed_open("f", &read, "correct horse", &back, NULL), OB_OK);
    assert_memory_equal(&back, &identity, sizeof back);
    assert_int_equal(ob_sealed_open("f", &read, "wrong horse", &back, &error), OB_EREFUSED);
    assert_non_null(strstr(error.text, "passphrase is wrong"));
    read.machine.key[0] ^= 1;
    assert_int_equal(ob_sealed_open("f", &read, "correct horse", &back, NULL), OB_EFORMAT);
}

static void what_is_malformed_is_refused(void **state) {
    (void)state;
    struct ob_sealed sealed = {.passes = 1, .kib = 8}, read;
    char text[OB_SEALED_TEXT_MAX], again[OB_SEALED_TEXT_MAX];
    ob_sealed_write(&sealed, text);
    size_t bytes = strlen(text);
    assert_int_equal(ob_sealed_parse("f", text, bytes, &read, NULL), OB_OK);
    for (size_t i = 0; i < bytes - 1; i++) {
        assert_int_equal(ob_sealed_parse("f", text, i, &read, NULL), OB_EFORMAT);
        char kept = text[i];
        text[i] = 'x';
        assert_int_equal(ob_sealed_parse("f", text, bytes, &read, NULL), OB_EFORMAT);
        text[i] = kept;
    }
    static const uint32_t BAD[][2] = {{0, 8}, {17, 8}, {1, 7}, {1, 1048577}};
    for (size_t i = 0; i < 4; i++) {
        sealed.passes = BAD[i][0], sealed.kib = BAD[i][1];
        ob_sealed_write(&sealed, again);
        assert_int_equal(ob_sealed_parse("f", again, strlen(again), &read, NULL), OB_EFORMAT);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sealed_is_opened_by_its_passphrase_alone),
        cmocka_unit_test(what_is_malformed_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
