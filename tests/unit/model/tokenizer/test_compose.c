#include "tests/unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "model/tokenizer/compose.h"

static void expect(const char *text, size_t bytes, const char *composed, size_t composed_bytes) {
    char *ours = NULL;
    size_t ours_bytes = 0;
    struct ob_error error = {0};
    if (ob_compose(text, bytes, &ours, &ours_bytes, &error))
        fail_msg("%s", error.text);
    assert_int_equal(ours_bytes, composed_bytes);
    assert_memory_equal(ours, composed, composed_bytes);
    free(ours);
}
#define EXPECT(text, composed) expect(text, sizeof text - 1, composed, sizeof composed - 1)

static void compose_joins_and_orders(void **state) {
    (void)state;
    EXPECT("", "");
    EXPECT("plain\0text", "plain\0text");
    EXPECT("e\u0301", "\u00e9");
    EXPECT("\u212b", "\u00c5");                              /* a sign with a canonical equivalent */
    EXPECT("a\u0315\u0300\u05ae b", "\u00e0\u05ae\u0315 b"); /* marks by class; across one that blocks not */
    EXPECT("\u1100\u1161\u11a8", "\uac01");
    EXPECT("\u0958", "\u0915\u093c"); /* excluded from composition */
    EXPECT("\u0f73\u0f71", "\u0f71\u0f71\u0f72");
}

/* As `tokenizers` has it, whatever version libutf8proc knows. */
static void compose_leaves_what_came_after_unicode_9(void **state) {
    (void)state;
    EXPECT("\u0eb8\u0eba\u0301", "\u0eb8\u0eba\u0301"); /* U+0EBA has class 9 since Unicode 12 */
    EXPECT("\U00011935\U00011930", "\U00011935\U00011930");
    EXPECT("\uac1c\u11a7", "\uac1c\u11a7"); /* not a final consonant */
    EXPECT("e\u0301\U00010d24e\u0301", "\u00e9\U00010d24\u00e9");
}

static void compose_keeps_what_is_not_utf8(void **state) {
    (void)state;
    EXPECT("\xff"
           "e\u0301\xcc\xcc\x81",
           "\xff\u00e9\xcc\u0301");
    EXPECT("\xed\xa0\x80", "\xed\xa0\x80");
}

static void compose_many_marks_in_good_time(void **state) {
    (void)state;
    enum { PAIRS = 1 << 18 };
    char *text = malloc(6 * PAIRS), *sorted = malloc(6 * PAIRS);
    assert_true(text != NULL && sorted != NULL);
    for (size_t i = 0; i < PAIRS; i++) { /* classes 130 and 129, two characters of each U+0F73 */
        memcpy(text + 3 * i, "\u0f73", 3);
        memcpy(sorted + 3 * i, "\u0f71", 3);
        memcpy(sorted + 3 * (PAIRS + i), "\u0f72", 3);
    }
    expect(text, 3 * PAIRS, sorted, 6 * PAIRS);
    free(text);
    free(sorted);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compose_joins_and_orders),
        cmocka_unit_test(compose_leaves_what_came_after_unicode_9),
        cmocka_unit_test(compose_keeps_what_is_not_utf8),
        cmocka_unit_test(compose_many_marks_in_good_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
