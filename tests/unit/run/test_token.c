/* Tokens: written, read; every changed, missing or additional character is noticed. */
#include "tests/unit/cmocka_all.h"

#include <sodium.h>
#include <string.h>

#include "run/token.h"
#include "transport/identity.h"

static struct ob_token make(size_t places) {
    struct ob_token token = {.base_bytes = 1000, .trained_bytes = 77, .place_count = places};
    struct ob_identity authority;
    uint8_t payload[OB_INVITATION_BYTES_MAX], key[OB_SECRET_KEY_BYTES];
    struct ob_invitation says = {.uses = 3, .last_round = OB_CONTROL_NEVER, .pattern = "node-*"};
    struct ob_control control = {.kind = OB_CONTROL_INVITATION, .sequence = 9, .payload = payload};
    assert_true(sodium_init() >= 0);
    ob_identity_generate(&authority);
    randombytes_buf(token.seed, sizeof token.seed);
    randombytes_buf(&token.run, sizeof token.run);
    randombytes_buf(&token.base_hash, sizeof token.base_hash);
    ob_token_key(&token, key);
    control.signer = authority.machine;
    memcpy(control.subject.key, key + 32, 32);
    assert_int_equal(ob_invitation_encode(&says, payload, &control.payload_bytes, NULL), OB_OK);
    token.entry_bytes = ob_control_sign(&token.run, &control, authority.secret_key, token.entry);
    memcpy(token.run_name, "rows", 5);
    memcpy(token.base_name, "SmolLM2-135M", 13);
    for (size_t i = 0; i < places; i++) {
        (void)snprintf(token.places[i].name, sizeof token.places[i].name, "machine %zu", i);
        (void)snprintf(token.places[i].endpoint, sizeof token.places[i].endpoint, "tcp://10.0.0.%zu:7300", i);
        token.places[i].machine.key[0] = (uint8_t)i;
    }
    return token;
}

static void written_is_read(void **state) {
    (void)state;
    for (size_t places = 0; places <= OB_TOKEN_PLACES_MAX; places++) {
        char text[OB_TOKEN_TEXT_MAX], blanks[OB_TOKEN_TEXT_MAX + 8];
        struct ob_token token = make(places), back;
        struct ob_control invitation;
        ob_token_encode(&token, text);
        (void)snprintf(blanks, sizeof blanks, "\n  %s \r\n", text);
        assert_int_equal(ob_token_decode(blanks, &back, &invitation, NULL), OB_OK);
        assert_memory_equal(&back.run, &token.run, sizeof token.run);
        assert_memory_equal(back.seed, token.seed, sizeof token.seed);
        assert_true(back.base_bytes == 1000 && back.trained_bytes == 77 && back.place_count == places);
        assert_string_equal(back.run_name, "rows");
        assert_string_equal(back.base_name, "SmolLM2-135M");
        assert_int_equal(ob_control_invitation(&invitation).uses, 3);
        for (size_t i = 0; i < places; i++) {
            assert_string_equal(back.places[i].endpoint, token.places[i].endpoint);
            assert_string_equal(back.places[i].name, token.places[i].name);
            assert_true(ob_machine_equal(&back.places[i].machine, &token.places[i].machine));
        }
    }
}

static void what_was_damaged_is_refused(void **state) {
    (void)state;
    char text[OB_TOKEN_TEXT_MAX];
    struct ob_token token = make(2), back;
    struct ob_control invitation;
    struct ob_error error = {0};
    ob_token_encode(&token, text);
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++) {
        char kept = text[i];
        text[i] = kept == 'A' ? 'B' : 'A';
        assert_int_not_equal(ob_token_decode(text, &back, &invitation, &error), OB_OK);
        text[i] = 0;
        assert_int_not_equal(ob_token_decode(text, &back, &invitation, NULL), OB_OK);
        text[i] = kept;
    }
    text[length] = 'A', text[length + 1] = 0;
    assert_int_equal(ob_token_decode(text, &back, &invitation, NULL), OB_EFORMAT);
    assert_int_equal(ob_token_decode("", &back, &invitation, &error), OB_EFORMAT);
    assert_non_null(strstr(error.text, "onebyte invite"));
}

static void invitation_of_another_run_or_key_is_refused(void **state) {
    (void)state;
    char text[OB_TOKEN_TEXT_MAX];
    struct ob_token token = make(1), back;
    struct ob_control invitation;
    token.run.hash.bytes[0] ^= 1;
    ob_token_encode(&token, text);
    assert_int_equal(ob_token_decode(text, &back, &invitation, NULL), OB_EREFUSED);
    token = make(1);
    token.seed[0] ^= 1;
    ob_token_encode(&token, text);
    assert_int_equal(ob_token_decode(text, &back, &invitation, NULL), OB_EREFUSED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_is_read),
        cmocka_unit_test(what_was_damaged_is_refused),
        cmocka_unit_test(invitation_of_another_run_or_key_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
