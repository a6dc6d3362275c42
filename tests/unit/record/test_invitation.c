#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "record/invited.h"
#include "tests/unit/record/fixture.h"

static struct ob_invitation example(const char *pattern) {
    struct ob_invitation says = {.expiry_s = 5, .member_expiry_s = 7, .last_round = 9, .uses = 12};
    memcpy(says.pattern, pattern, strlen(pattern) + 1);
    return says;
}

static void invitation_comes_back_as_it_was(void **state) {
    (void)state;
    uint8_t payload[OB_INVITATION_BYTES_MAX];
    uint16_t bytes;
    struct ob_invitation says = example("node-*"), back;
    assert_int_equal(ob_invitation_encode(&says, payload, &bytes, NULL), OB_OK);
    assert_int_equal(bytes, 23 + 6);
    assert_int_equal(ob_invitation_decode(payload, bytes, &back, NULL), OB_OK);
    assert_true(back.expiry_s == 5 && back.member_expiry_s == 7 && back.last_round == 9 && back.uses == 12);
    assert_string_equal(back.pattern, "node-*");
    for (uint16_t less = 0; less < bytes; less++)
        assert_int_equal(ob_invitation_decode(payload, less, &back, NULL), OB_EFORMAT);
}

static void what_no_invitation_may_be_is_refused(void **state) {
    (void)state;
    uint8_t payload[OB_INVITATION_BYTES_MAX];
    uint16_t bytes;
    static const char *const PATTERNS[] = {"", "a*b*", "new\nline", "\xff"};
    for (size_t i = 0; i < 4; i++) {
        struct ob_invitation says = example(PATTERNS[i]);
        assert_int_equal(ob_invitation_encode(&says, payload, &bytes, NULL), OB_EUSAGE);
    }
    struct ob_invitation says = example("*");
    static const uint16_t USES[] = {0, OB_INVITATION_USES_MAX + 1, UINT16_MAX};
    for (size_t i = 0; i < 3; i++) {
        says.uses = 1;
        assert_int_equal(ob_invitation_encode(&says, payload, &bytes, NULL), OB_OK);
        payload[20] = (uint8_t)USES[i], payload[21] = (uint8_t)(USES[i] >> 8);
        assert_int_equal(ob_invitation_decode(payload, bytes, &says, NULL), OB_EFORMAT);
        says.uses = USES[i];
        assert_int_equal(ob_invitation_encode(&says, payload, &bytes, NULL), OB_EUSAGE);
    }
}

static void star_stands_for_one_byte_or_more(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *name;
        bool fits;
    } CASES[] = {{"bob", "bob", true},         {"bob", "bob2", false},    {"node-*", "node-1", true},
                 {"node-*", "node-", false},   {"*", "x", true},          {"*-gpu", "a-gpu", true},
                 {"*-gpu", "-gpu", false},     {"a*a", "aa", false},      {"a*a", "aba", true},
                 {"node-*", "nodes-1", false}, {"*.lab", "a.labs", false}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct ob_invitation says = example(CASES[i].pattern);
        if (ob_invitation_fits(&says, CASES[i].name) != CASES[i].fits)
            fail_msg("%s, %s", CASES[i].pattern, CASES[i].name);
    }
}

static void withdrawal_is_sorted_and_says_each_once(void **state) {
    (void)state;
    static uint8_t payload[OB_WITHDRAWAL_BYTES_MAX];
    uint16_t bytes;
    struct ob_machine_id keys[4] = {{{3}}, {{1}}, {{3}}, {{2}}}, other = {{4}};
    assert_int_equal(ob_withdrawal_encode(keys, 4, payload, &bytes, NULL), OB_OK);
    assert_int_equal(bytes, 96);
    assert_int_equal(ob_withdrawal_check(payload, bytes, NULL), OB_OK);
    for (size_t i = 0; i < 3; i++)
        assert_true(payload[32 * i] == i + 1 && ob_withdrawal_keeps(payload, bytes, &keys[i]));
    assert_false(ob_withdrawal_keeps(payload, bytes, &other));
    assert_int_equal(ob_withdrawal_check(payload, bytes - 1u, NULL), OB_EFORMAT);
    payload[0] = 2; /* twice */
    assert_int_equal(ob_withdrawal_check(payload, bytes, NULL), OB_EFORMAT);
    assert_int_equal(ob_withdrawal_encode(keys, 0, payload, &bytes, NULL), OB_OK);
    assert_int_equal(bytes, 0);
    assert_int_equal(ob_withdrawal_check(payload, 0, NULL), OB_OK);
}

static void two_signatures_admit(void **state) {
    (void)state;
    struct ob_run_id run = fixture_run();
    uint8_t authority[64], key[64], payload[OB_INVITATION_BYTES_MAX], data[OB_INVITED_BYTES_MAX];
    struct ob_machine_id machine = {{9}};
    struct ob_invitation says = example("node-*");
    fixture_secret_key(authority);
    fixture_secret_key(key);
    struct ob_control control = {.kind = OB_CONTROL_INVITATION, .sequence = 3, .payload = payload}, two[2];
    memcpy(control.signer.key, authority + 32, 32);
    memcpy(control.subject.key, key + 32, 32);
    assert_int_equal(ob_invitation_encode(&says, payload, &control.payload_bytes, NULL), OB_OK);
    size_t first = ob_control_sign(&run, &control, authority, data), second = 0;
    assert_int_equal(ob_invited_admit(&run, &says, key, &machine, "other", data + first, &second, NULL),
                     OB_EUSAGE);
    assert_int_equal(ob_invited_admit(&run, &says, key, &machine, "node-1", data + first, &second, NULL),
                     OB_OK);
    size_t bytes = first + second;
    assert_int_equal(ob_control_first_bytes(data, bytes), first);
    assert_int_equal(ob_invited_decode(data, bytes, &two[0], &two[1], NULL), OB_OK);
    assert_true(ob_control_verify(&run, &two[0]) && ob_control_verify(&run, &two[1]));
    assert_string_equal(ob_control_admission_name(&two[1]).text, "node-1");
    struct ob_certificate amounts_to = ob_invitation_certificate(&run, &says, "node-1");
    assert_true(amounts_to.expiry_s == 7 && amounts_to.last_round == 9 && amounts_to.name_bytes == 6);
    for (size_t less = 0; less < bytes; less++)
        assert_int_not_equal(ob_invited_decode(data, less, &two[0], &two[1], NULL), OB_OK);
    for (size_t bit = 0; bit < 8 * bytes; bit++) {
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (ob_invited_decode(data, bytes, &two[0], &two[1], NULL) == OB_OK)
            assert_false(ob_control_verify(&run, &two[0]) && ob_control_verify(&run, &two[1]));
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(invitation_comes_back_as_it_was),
        cmocka_unit_test(what_no_invitation_may_be_is_refused),
        cmocka_unit_test(star_stands_for_one_byte_or_more),
        cmocka_unit_test(withdrawal_is_sorted_and_says_each_once),
        cmocka_unit_test(two_signatures_admit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
