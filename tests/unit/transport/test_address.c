#include "tests/unit/cmocka_all.h"

#include <arpa/inet.h>
#include <string.h>

#include "transport/address.h"

static void good_endpoints(void **state) {
    (void)state;
    char host[OB_ENDPOINT_MAX], shifted[OB_ENDPOINT_MAX];
    uint16_t port = 0;
    assert_int_equal(ob_endpoint_parse("tcp://alice.example:7300", host, &port, NULL), OB_OK);
    assert_string_equal(host, "alice.example");
    assert_int_equal(port, 7300);
    assert_int_equal(ob_endpoint_parse("tcp://[::1]:65533", host, &port, NULL), OB_OK);
    assert_string_equal(host, "::1");
    assert_int_equal(ob_endpoint_shift("tcp://[::1]:65533", 2, shifted, NULL), OB_OK);
    assert_string_equal(shifted, "tcp://[::1]:65535");
    assert_true(ob_endpoint_reachable("tcp://10.0.0.1:1"));
    assert_false(ob_endpoint_reachable("tcp://0.0.0.0:1"));
    assert_false(ob_endpoint_reachable("tcp://[::]:1"));
    assert_false(ob_endpoint_reachable("tcp://*:1"));
    assert_false(ob_endpoint_reachable(""));
}

static void bad_endpoints_are_named(void **state) {
    (void)state;
    const char *bad[] = {"",
                         "tcp://",
                         "tcp://:1",
                         "udp://h:1",
                         "tcp://h",
                         "tcp://h:",
                         "tcp://h:0",
                         "tcp://h:65534",
                         "tcp://h:-1",
                         "tcp://h: 1",
                         "tcp://h:1x",
                         "tcp://h:99999999999999999999",
                         "tcp://a b:1",
                         "tcp://a;b:1",
                         "tcp://a/b:1",
                         "tcp://\x01:1",
                         "tcp://\xff:1",
                         "tcp://a@b:1"};
    char host[OB_ENDPOINT_MAX], longest[400];
    uint16_t port;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ob_error error = {0};
        if (ob_endpoint_parse(bad[i], host, &port, &error) != OB_EUSAGE)
            fail_msg("\"%s\" is taken", bad[i]);
        assert_non_null(strstr(error.text, "address"));
    }
    memset(longest, 'a', sizeof longest);
    memcpy(longest, "tcp://", 6);
    memcpy(longest + sizeof longest - 4, ":80", 4);
    assert_int_equal(ob_endpoint_parse(longest, host, &port, NULL), OB_EUSAGE);
    struct sockaddr_storage address;
    socklen_t bytes;
    assert_int_equal(ob_endpoint_bind_address("tcp://localhost.example:80", 0, &address, &bytes, NULL),
                     OB_EUSAGE);
}

static void one_visitor_for_each_network(void **state) {
    (void)state;
    struct ob_address a, b;
    char text[INET6_ADDRSTRLEN + 4];
    assert_true(ob_address_from_text("192.0.2.7", &a));
    assert_true(ob_address_from_text("::ffff:192.0.2.7", &b));
    assert_memory_equal(&a, &b, sizeof a);
    ob_address_to_text(&a, text);
    assert_string_equal(text, "192.0.2.7");
    assert_true(ob_address_from_text("2001:db8:1:2::1", &a));
    assert_true(ob_address_from_text("2001:db8:1:2:3:4:5:6", &b));
    assert_memory_equal(&a, &b, sizeof a);
    ob_address_to_text(&a, text);
    assert_string_equal(text, "2001:db8:1:2::/64");
    assert_true(ob_address_from_text("2001:db8:1:3::1", &b));
    assert_memory_not_equal(&a, &b, sizeof a);
    assert_false(ob_address_from_text("nobody", &a));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_endpoints),
        cmocka_unit_test(bad_endpoints_are_named),
        cmocka_unit_test(one_visitor_for_each_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
