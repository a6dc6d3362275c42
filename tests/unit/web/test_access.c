#include "tests/unit/cmocka_all.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/support/folder.h"
#include "web/access.h"

#define TOKEN "0123456789abcdef0123"

static struct test_folder folder;
static char token_path[TEST_PATH_MAX];

static int make(void **state) {
    (void)state;
    test_folder_make(&folder);
    test_folder_write(&folder, "token", TOKEN "\n", strlen(TOKEN) + 1);
    (void)test_folder_path(&folder, "token", token_path);
    return chmod(token_path, 0600);
}
static int done(void **state) {
    (void)state;
    test_folder_remove(&folder);
    return 0;
}

static enum ob_err read_access(const char *address, const char *token, struct ob_web_access *ret_access) {
    struct ob_error error = {0};
    enum ob_err failed = ob_web_access_read(address, token, ret_access, &error);
    if (failed)
        assert_non_null(strstr(error.text, "[status] http"));
    return failed;
}

static void test_address(void **state) {
    static const char *const BAD[] = {"",
                                      "7310",
                                      "127.0.0.1",
                                      "127.0.0.1:",
                                      "127.0.0.1:0",
                                      "127.0.0.1:99999",
                                      "localhost:7310",
                                      "127.0.0.1:7310/x",
                                      ":7310",
                                      "[::1:7310",
                                      "300.0.0.1:7310"};
    struct ob_web_access access;
    (void)state;
    assert_int_equal(read_access("127.0.0.1:7310", "", &access), OB_OK);
    assert_int_equal(ntohs(access.address.four.sin_port), 7310);
    assert_false(access.has_token);
    assert_int_equal(read_access("127.8.8.8:7310", "", &access), OB_OK);
    assert_int_equal(read_access("[::1]:7310", "", &access), OB_OK);
    assert_int_equal(ntohs(access.address.six.sin6_port), 7310);
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        if (read_access(BAD[i], "", &access) != OB_EUSAGE)
            fail_msg("%s", BAD[i]);
}

/* What others can reach needs a token; "localhost" behind a mapped address is no loopback. */
static void test_needs_token(void **state) {
    static const char *const OPEN[] = {"0.0.0.0:7310", "*:7310", "[::]:7310", "10.0.0.1:7310",
                                       "[::ffff:127.0.0.1]:7310"};
    struct ob_web_access access;
    (void)state;
    for (size_t i = 0; i < sizeof OPEN / sizeof *OPEN; i++) {
        assert_int_equal(read_access(OPEN[i], "", &access), OB_EREFUSED);
        assert_int_equal(read_access(OPEN[i], token_path, &access), OB_OK);
        assert_true(access.has_token);
    }
}

static void test_token_file(void **state) {
    static const char *const BAD[] = {
        "", "\n", "short\n", "0123456789 abcdef0123\n", "0123456789abcdef\nmore\n", "0123456789abcdef\x80\n"};
    struct ob_web_access access;
    char path[TEST_PATH_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        test_folder_write(&folder, "bad", BAD[i], strlen(BAD[i]));
        (void)test_folder_path(&folder, "bad", path);
        assert_int_equal(chmod(path, 0600), 0);
        assert_int_equal(read_access("127.0.0.1:7310", path, &access), OB_EUSAGE);
    }
    test_folder_write(&folder, "bad", "0123456789abcdef\0abc", 20);
    assert_int_equal(read_access("127.0.0.1:7310", path, &access), OB_EUSAGE);
    test_folder_write(&folder, "bad", TOKEN, strlen(TOKEN));
    assert_int_equal(read_access("127.0.0.1:7310", path, &access), OB_OK);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(read_access("127.0.0.1:7310", path, &access), OB_EREFUSED);
    assert_int_equal(read_access("127.0.0.1:7310", test_folder_path(&folder, "none", path), &access),
                     OB_ENOTFOUND);
}

static void test_token(void **state) {
    struct ob_web_access access;
    char longer[600];
    (void)state;
    assert_int_equal(read_access("127.0.0.1:7310", token_path, &access), OB_OK);
    assert_true(ob_web_access_token(&access, "Bearer " TOKEN, NULL));
    assert_true(ob_web_access_token(&access, "bearer " TOKEN, NULL));
    assert_true(ob_web_access_token(&access, NULL, TOKEN));
    assert_true(ob_web_access_token(&access, "Basic abc", TOKEN));
    assert_false(ob_web_access_token(&access, NULL, NULL));
    assert_false(ob_web_access_token(&access, TOKEN, NULL));
    assert_false(ob_web_access_token(&access, "Bearer ", NULL));
    assert_false(ob_web_access_token(&access, "Bearer " TOKEN "4", NULL));
    assert_false(ob_web_access_token(&access, "Bearer 0123456789abcdef012", NULL));
    assert_false(ob_web_access_token(&access, NULL, ""));
    memset(longer, '0', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    assert_false(ob_web_access_token(&access, NULL, longer));
    assert_true(ob_web_access_host(&access, "page.example"));
}

static void test_host(void **state) {
    static const char *const GOOD[] = {"localhost", "LOCALHOST:7310", "127.0.0.1:7310",
                                       "127.1.2.3", "[::1]:7310",     "[::1]"};
    static const char *const BAD[] = {"",
                                      ":7310",
                                      "evil.example:7310",
                                      "localhost.evil.example",
                                      "127.0.0.1.evil.example",
                                      "10.0.0.1:7310",
                                      "[::2]:7310",
                                      "[::1",
                                      "[::1]x",
                                      "0.0.0.0",
                                      "[",
                                      "]"};
    struct ob_web_access access;
    (void)state;
    assert_int_equal(read_access("127.0.0.1:7310", "", &access), OB_OK);
    assert_true(ob_web_access_token(&access, NULL, NULL));
    assert_false(ob_web_access_host(&access, NULL));
    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++)
        if (!ob_web_access_host(&access, GOOD[i]))
            fail_msg("%s", GOOD[i]);
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        if (ob_web_access_host(&access, BAD[i]))
            fail_msg("%s", BAD[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address), cmocka_unit_test(test_needs_token), cmocka_unit_test(test_token_file),
        cmocka_unit_test(test_token),   cmocka_unit_test(test_host),
    };
    return cmocka_run_group_tests(tests, make, done);
}
