#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "web/page.h"

static size_t times(const char *text, const char *what) {
    size_t count = 0;
    for (; (text = strstr(text, what)) != NULL; text++)
        count++;
    return count;
}

/* One style, one script, nothing that the policy would stop or that another host would be asked for. */
static void test_alone(void **state) {
    size_t bytes;
    const char *page = ob_web_page(&bytes);
    (void)state;
    assert_int_equal(strlen(page), bytes);
    assert_int_equal(times(page, "<style>"), 1);
    assert_int_equal(times(page, "<script>"), 1);
    assert_int_equal(times(page, "<style"), 1);
    assert_int_equal(times(page, "<script"), 1);
    assert_int_equal(times(page, " src="), 0);
    assert_int_equal(times(page, " href="), 1);
    assert_int_equal(times(page, "href=\"data:,\""), 1);
    assert_int_equal(times(page, " style="), 0);
    assert_int_equal(times(page, " onclick="), 0);
    assert_int_equal(times(page, "http://"), 1); /* the name of SVG */
    assert_int_equal(times(page, "http://www.w3.org/2000/svg"), 1);
    assert_int_equal(times(page, "https://"), 0);
    assert_int_equal(times(page, "innerHTML"), 0);
    assert_int_equal(times(page, "url("), 0);
    assert_int_equal(times(page, "@import"), 0);
}

static void test_policy(void **state) {
    char policy[OB_WEB_POLICY_MAX];
    (void)state;
    ob_web_page_policy(policy);
    assert_ptr_equal(strstr(policy, "default-src 'none'; "), policy);
    assert_int_equal(times(policy, "'sha256-"), 2);
    assert_int_equal(times(policy, "unsafe"), 0);
    assert_int_equal(times(policy, "connect-src 'self'"), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_alone), cmocka_unit_test(test_policy)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
