#include "tests/unit/cmocka_all.h"

#include "base/cursor.h"

static void write_then_read_round_trips(void **state) {
    (void)state;
    uint8_t data[18];
    struct ob_writer writer = ob_writer_init(data, sizeof data);
    ob_write_u8(&writer, 0x01);
    ob_write_u16(&writer, 0x0203);
    ob_write_u32(&writer, 0x04050607);
    ob_write_u64(&writer, 0x08090a0b0c0d0e0f);
    ob_write_bytes(&writer, "xyz", 3);
    assert_false(writer.failed);
    assert_int_equal(writer.used, 18);
    assert_int_equal(data[1], 0x03); /* little-endian */
    struct ob_reader reader = ob_reader_init(data, sizeof data);
    assert_int_equal(ob_read_u8(&reader), 0x01);
    assert_int_equal(ob_read_u16(&reader), 0x0203);
    assert_int_equal(ob_read_u32(&reader), 0x04050607);
    assert_true(ob_read_u64(&reader) == 0x08090a0b0c0d0e0f);
    char text[3];
    ob_read_bytes(&reader, text, 3);
    assert_memory_equal(text, "xyz", 3);
    assert_int_equal(reader.left, 0);
    assert_false(reader.failed);
}

static void read_past_end_fails_and_stays_failed(void **state) {
    (void)state;
    uint8_t data[3] = {1, 2, 3};
    struct ob_reader reader = ob_reader_init(data, sizeof data);
    assert_int_equal(ob_read_u32(&reader), 0);
    assert_true(reader.failed);
    assert_int_equal(ob_read_u8(&reader), 0);
    assert_null(ob_read_view(&reader, 1));
    assert_null(ob_read_view(&reader, SIZE_MAX));
}

static void write_past_capacity_fails_and_writes_nothing(void **state) {
    (void)state;
    uint8_t data[4] = {9, 9, 9, 9};
    struct ob_writer writer = ob_writer_init(data, 3);
    ob_write_u32(&writer, 0);
    assert_true(writer.failed);
    ob_write_u8(&writer, 0);
    assert_int_equal(writer.used, 0);
    assert_int_equal(data[0], 9);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(write_then_read_round_trips),
        cmocka_unit_test(read_past_end_fails_and_stays_failed),
        cmocka_unit_test(write_past_capacity_fails_and_writes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
