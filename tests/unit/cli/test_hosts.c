#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "cli/hosts.h"

static enum ob_err parse(const char *text, struct ob_host_list *ret_hosts) {
    return ob_cli_hosts_parse(text, strlen(text), ret_hosts, NULL);
}

static void take_names_without_space_and_comments(void **state) {
    (void)state;
    struct ob_host_list hosts;
    assert_int_equal(parse("# ours\n\n a.example \t# the first\r\nme@[fe80::1%eth0]\nlast_one-2", &hosts),
                     OB_OK);
    assert_int_equal(hosts.count, 3);
    assert_string_equal(hosts.names[0], "a.example");
    assert_string_equal(hosts.names[1], "me@[fe80::1%eth0]");
    assert_string_equal(hosts.names[2], "last_one-2");
}

static void refuse_what_ssh_could_take_for_an_order(void **state) {
    (void)state;
    static const char *const BAD[] = {
        "-oProxyCommand=id", "a b", "me@-x", "@a", "a@", "a;b", "$(id)", "a'b", "a/b", "a\x1b",
        "\xc3\xa4",          "a=b", "a\\b"};
    struct ob_host_list hosts;
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        assert_int_equal(parse(BAD[i], &hosts), OB_EFORMAT);
    assert_int_equal(ob_cli_hosts_parse("a\0b", 3, &hosts, NULL), OB_EFORMAT);
}

static void refuse_none_twice_and_too_many(void **state) {
    (void)state;
    struct ob_host_list hosts;
    char many[8 * (OB_HOSTS_MAX + 1)], name[OB_HOST_TEXT_MAX + 1];
    assert_int_equal(parse("", &hosts), OB_EFORMAT);
    assert_int_equal(parse("# nobody\n \n", &hosts), OB_EFORMAT);
    assert_int_equal(parse("a\nb\na\n", &hosts), OB_EFORMAT);
    size_t at = 0;
    for (int i = 0; i <= OB_HOSTS_MAX; i++) {
        at += (size_t)snprintf(many + at, sizeof many - at, "h%d\n", i);
        if (i == OB_HOSTS_MAX - 1)
            assert_int_equal(parse(many, &hosts), OB_OK);
    }
    assert_int_equal(parse(many, &hosts), OB_ETOOBIG);
    memset(name, 'a', sizeof name);
    assert_int_equal(ob_cli_hosts_parse(name, OB_HOST_TEXT_MAX - 1, &hosts, NULL), OB_OK);
    assert_int_equal(ob_cli_hosts_parse(name, OB_HOST_TEXT_MAX, &hosts, NULL), OB_EFORMAT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(take_names_without_space_and_comments),
        cmocka_unit_test(refuse_what_ssh_could_take_for_an_order),
        cmocka_unit_test(refuse_none_twice_and_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
