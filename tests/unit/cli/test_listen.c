/* Addresses to listen on: what an option may say, and which are free. */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/listen.h"

static void options_are_read_before_anything_is_written(void **state) {
    (void)state;
    static const char *const BAD[] = {"7300",
                                      "tcp://",
                                      "tcp://*",
                                      "tcp://*:0",
                                      "tcp://*:70000",
                                      "tcp://host:7300",
                                      "udp://*:7300",
                                      "tcp://127.0.0.1:7300x",
                                      "",
                                      "tcp://*:65534",
                                      "tcp://[::1:7300"};
    char listen[OB_ENDPOINT_MAX] = "before";
    struct ob_error error = {0};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        assert_int_equal(ob_cli_listen_read(BAD[i], listen, &error), OB_EUSAGE);
        assert_non_null(strstr(error.text, "--listen"));
        assert_string_equal(listen, "before");
    }
    assert_int_equal(ob_cli_listen_read("tcp://[::1]:7300", listen, NULL), OB_OK);
    assert_string_equal(listen, "tcp://[::1]:7300");
    assert_int_equal(ob_cli_listen_read("none", listen, NULL), OB_OK);
    assert_string_equal(listen, "");
}

static int occupy(uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

/* Each of the three ports counts, and the next search goes on behind them. */
static void ports_in_use_are_named_and_passed_over(void **state) {
    (void)state;
    char from[OB_ENDPOINT_MAX], first[OB_ENDPOINT_MAX], next[OB_ENDPOINT_MAX], again[OB_ENDPOINT_MAX],
        host[OB_ENDPOINT_MAX], named[32];
    struct ob_error error = {0};
    uint16_t port = 0, port_next = 0;
    /* where no other test's daemons look for a port */
    (void)snprintf(from, sizeof from, "tcp://*:%u", 45000u + (unsigned)getpid() % 1000 * 10);
    assert_int_equal(ob_cli_listen_free(from, first, NULL), OB_OK);
    assert_int_equal(ob_endpoint_parse(first, host, &port, NULL), OB_OK);
    assert_int_equal(ob_cli_listen_try(first, NULL), OB_OK);
    int fd = occupy((uint16_t)(port + 2));
    assert_int_equal(ob_cli_listen_try(first, &error), OB_EBUSY);
    (void)snprintf(named, sizeof named, ":%u: another program", port + 2u);
    assert_non_null(strstr(error.text, named));
    assert_int_equal(ob_cli_listen_free(from, again, NULL), OB_OK);
    assert_string_not_equal(again, first);
    assert_int_equal(ob_cli_listen_free(first, next, NULL), OB_OK);
    assert_int_equal(ob_endpoint_parse(next, host, &port_next, NULL), OB_OK);
    assert_true(port_next >= port + OB_ENDPOINT_PORTS);
    close(fd);
    assert_int_equal(ob_cli_listen_try("", NULL), OB_OK);                           /* does not listen */
    assert_int_equal(ob_cli_listen_try("tcp://192.0.2.1:7300", &error), OB_EUSAGE); /* nobody's (RFC 5737) */
    assert_non_null(strstr(error.text, "--listen"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_read_before_anything_is_written),
        cmocka_unit_test(ports_in_use_are_named_and_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
