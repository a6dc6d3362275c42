#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "run/model_parts.h"

static void written_is_read(void **state) {
    (void)state;
    static struct ob_model_parts parts = {.count = OB_MODEL_PARTS_MAX}, back;
    static char text[OB_MODEL_PARTS_BYTES_MAX];
    for (size_t i = 0; i < parts.count; i++) {
        parts.parts[i].bytes = i == 0 ? OB_MODEL_PART_BYTES_MAX : i;
        parts.parts[i].name.bytes[0] = (uint8_t)i;
        memset(parts.parts[i].file, 'f', 125);
        parts.parts[i].file[0] = (char)('A' + i / 26);
        parts.parts[i].file[1] = (char)('a' + i % 26);
    }
    size_t bytes = ob_model_parts_write(&parts, text);
    assert_int_equal(ob_model_parts_parse("f", text, bytes, &back, NULL), OB_OK);
    assert_int_equal(back.count, parts.count);
    for (size_t i = 0; i < parts.count; i++) {
        assert_memory_equal(&back.parts[i].name, &parts.parts[i].name, sizeof back.parts[i].name);
        assert_int_equal(back.parts[i].bytes, parts.parts[i].bytes);
        assert_string_equal(back.parts[i].file, parts.parts[i].file);
    }
    for (size_t cut = 0; cut < 400; cut++)
        if (cut < 16 || text[cut - 1] != '\n' || cut == 16)
            assert_int_equal(ob_model_parts_parse("f", text, cut, &back, NULL), OB_EFORMAT);
}

#define NAME "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
static void what_is_no_list_is_refused(void **state) {
    (void)state;
    static const char *const BAD[] = {
        "",
        "onebyte-model-1\n",
        "onebyte-model-2\n" NAME " 1 a\n",
        "onebyte-model-1\n" NAME " 1 a",
        "onebyte-model-1\n" NAME " 0 a\n",
        "onebyte-model-1\n" NAME " -1 a\n",
        "onebyte-model-1\n" NAME " 01 a\n",
        "onebyte-model-1\n" NAME " 9999999999999999 a\n",
        "onebyte-model-1\n" NAME " 1 ../a\n",
        "onebyte-model-1\n" NAME " 1 .hidden\n",
        "onebyte-model-1\n" NAME " 1 a/b\n",
        "onebyte-model-1\n" NAME " 1 a b\n",
        "onebyte-model-1\n" NAME " 1 \n",
        "onebyte-model-1\nx" NAME " 1 a\n",
        "onebyte-model-1\n" NAME " 1 a\n" NAME " 2 a\n",
    };
    struct ob_model_parts parts;
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        if (ob_model_parts_parse("f", BAD[i], strlen(BAD[i]), &parts, NULL) != OB_EFORMAT)
            fail_msg("accepted: %s", BAD[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(written_is_read),
                                       cmocka_unit_test(what_is_no_list_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
