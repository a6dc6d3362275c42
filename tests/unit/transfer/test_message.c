#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "transfer/message.h"

static const uint8_t DATA[5] = {1, 2, 3, 4, 5};
static const struct ob_transfer_message MESSAGES[] = {
    {.kind = OB_MESSAGE_FILE_ASK, .run = {{{7}}}, .name = {{9}}, .level = 2, .block = 77},
    {.kind = OB_MESSAGE_FILE_ASK, .run = {{{7}}}, .name = {{9}}, .level = OB_TRANSFER_LAST},
    {.kind = OB_MESSAGE_FILE_BLOCK, .run = {{{7}}}, .name = {{9}}},
    {.kind = OB_MESSAGE_FILE_BLOCK,
     .run = {{{7}}},
     .name = {{9}},
     .file_bytes = 70000,
     .level = 1,
     .block = 3,
     .data = DATA,
     .bytes = sizeof DATA},
};
enum { COUNT = sizeof MESSAGES / sizeof *MESSAGES };

static void decode_gives_what_was_encoded(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        uint8_t data[OB_TRANSFER_MESSAGE_MAX];
        const struct ob_transfer_message *m = &MESSAGES[i];
        struct ob_transfer_message found;
        size_t bytes = ob_transfer_message_encode(m, data);
        assert_true(ob_transfer_message_is(data, bytes));
        assert_true(ob_transfer_message_decode(data, bytes, &found));
        assert_int_equal(found.kind, m->kind);
        assert_true(ob_hash_equal(&found.run.hash, &m->run.hash) && ob_hash_equal(&found.name, &m->name));
        assert_int_equal(found.file_bytes, m->file_bytes);
        assert_int_equal(found.level, m->level);
        assert_int_equal(found.block, m->block);
        assert_int_equal(found.bytes, m->bytes);
        if (m->bytes > 0)
            assert_memory_equal(found.data, m->data, m->bytes);
    }
}

static void decode_refuses_what_is_cut_lengthened_or_out_of_bounds(void **state) {
    (void)state;
    static uint8_t data[OB_TRANSFER_MESSAGE_MAX + 1];
    struct ob_transfer_message found;
    for (size_t i = 0; i < 3; i++) { /* of the last, any length is a block's */
        size_t bytes = ob_transfer_message_encode(&MESSAGES[i], data);
        for (size_t cut = 0; cut < bytes; cut++)
            assert_false(ob_transfer_message_decode(data, cut, &found));
        data[bytes] = 0;
        assert_false(ob_transfer_message_decode(data, bytes + 1, &found));
    }
    size_t bytes = ob_transfer_message_encode(&MESSAGES[0], data);
    data[1] = 2; /* another version */
    assert_false(ob_transfer_message_decode(data, bytes, &found));
    bytes = ob_transfer_message_encode(&MESSAGES[0], data);
    data[66] = OB_FILE_LEVELS;
    assert_false(ob_transfer_message_decode(data, bytes, &found));
    bytes = ob_transfer_message_encode(&MESSAGES[3], data);
    data[74] = OB_FILE_LEVELS;
    assert_false(ob_transfer_message_decode(data, bytes, &found));
    bytes = ob_transfer_message_encode(&MESSAGES[3], data);
    data[66 + 6] = 1; /* 2^48 bytes */
    assert_false(ob_transfer_message_decode(data, bytes, &found));
    bytes = ob_transfer_message_encode(&MESSAGES[3], data);
    assert_false(ob_transfer_message_decode(data, sizeof data, &found)); /* a byte above a block */
    assert_false(ob_transfer_message_decode(data, bytes - sizeof DATA, &found));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decode_gives_what_was_encoded),
        cmocka_unit_test(decode_refuses_what_is_cut_lengthened_or_out_of_bounds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
