#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "base/hex.h"

static void encode_and_decode_agree(void **state) {
    (void)state;
    uint8_t bytes[256], back[256] = {0};
    char text[OB_HEX_MAX(256)];
    for (unsigned i = 0; i < 256; i++)
        bytes[i] = (uint8_t)i;
    assert_ptr_equal(ob_hex_encode(bytes, 256, text), text);
    assert_int_equal(strlen(text), 512);
    assert_int_equal(strncmp(text, "000102", 6), 0);
    assert_string_equal(text + 508, "feff");
    assert_true(ob_hex_decode(text, 256, back));
    assert_memory_equal(bytes, back, 256);
}

static void decode_takes_exactly_its_digits(void **state) {
    (void)state;
    const char *bad[] = {"", "0", "0a0", "0a0b0", "0a0b0c", "0a 0b", "0ag0", "0a0b ", " 0a0b", "0x0a"};
    uint8_t data[2] = {7, 7};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(ob_hex_decode(bad[i], 2, data));
    assert_int_equal(data[0], 7);
    assert_true(ob_hex_decode("0A0b", 2, data));
    assert_int_equal(data[1], 0x0b);
}

static void short_names_a_machine(void **state) {
    (void)state;
    struct ob_machine_id machine = {{0x01, 0xab, 0x00, 0xff, 0x77}};
    char text[OB_HEX_SHORT_MAX];
    assert_string_equal(ob_hex_short(&machine, text), "01ab00ff...");
}

static void counted_digits_end_where_they_are_said_to(void **state) {
    (void)state;
    uint8_t data[3] = {7, 7, 7};
    size_t bytes = 99;
    assert_true(ob_hex_decode_counted("01aBzz", 4, 2, data, &bytes));
    assert_int_equal(bytes, 2);
    assert_int_equal(data[0], 1);
    assert_int_equal(data[1], 0xab);
    assert_true(ob_hex_decode_counted("", 0, 0, data, &bytes));
    assert_int_equal(bytes, 0);
    bytes = 99;
    assert_false(ob_hex_decode_counted("012", 3, 2, data, &bytes));    /* half a byte */
    assert_false(ob_hex_decode_counted("010203", 6, 2, data, &bytes)); /* more than there is room for */
    assert_false(ob_hex_decode_counted("01g2", 4, 2, data, &bytes));
    assert_int_equal(bytes, 99);
    assert_int_equal(data[0], 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encode_and_decode_agree),
        cmocka_unit_test(decode_takes_exactly_its_digits),
        cmocka_unit_test(short_names_a_machine),
        cmocka_unit_test(counted_digits_end_where_they_are_said_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
