/* Beacons over real UDP broadcasts on loopback. */
#include "tests/unit/transport/fixture.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const uint8_t TAG[OB_BEACON_TAG_BYTES] = "run one", OTHER[OB_BEACON_TAG_BYTES] = "run two";

static void announce(struct machine *m, const uint8_t *tag, uint16_t port) {
    struct ob_error error = {0};
    if (ob_transport_announce(m->transport, &m->identity.machine, tag, port, &error))
        fail_msg("%s", error.text);
}

static void machines_of_one_run_find_each_other(void **state) {
    (void)state;
    struct machine a, b, c, *all[3] = {&a, &b, &c};
    struct ob_transport_event event;
    uint16_t port = (uint16_t)fixture_next_port();
    fixture_make(&a, true), fixture_make(&b, true), fixture_make(&c, true);
    announce(&a, TAG, port), announce(&b, TAG, port), announce(&c, OTHER, port);
    assert_true(fixture_wait_for(all, 3, 1, OB_TRANSPORT_BEACON, NULL, &event));
    assert_true(ob_machine_equal(&event.machine, &a.identity.machine)); /* neither itself nor the other run */
    assert_non_null(strrchr(event.text, ':'));
    assert_string_equal(strrchr(event.text, ':'), strrchr(a.endpoint, ':'));
    assert_int_equal(strncmp(event.text, "tcp://", 6), 0);
    ob_transport_free(a.transport), ob_transport_free(b.transport), ob_transport_free(c.transport);
}

static void junk_is_passed_over(void **state) {
    (void)state;
    struct machine a, b, *all[2] = {&a, &b};
    struct ob_transport_event event;
    uint16_t port = (uint16_t)fixture_next_port();
    fixture_make(&a, false), fixture_make(&b, true);
    announce(&a, TAG, port);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    uint8_t junk[200];
    for (size_t bytes = 0; bytes <= sizeof junk; bytes++) {
        memset(junk, (int)bytes, sizeof junk);
        if (bytes % 2)
            memcpy(junk, "onebyte1", 8);
        assert_int_equal(sendto(fd, junk, bytes, 0, (struct sockaddr *)&to, sizeof to), (ssize_t)bytes);
    }
    close(fd);
    announce(&b, TAG, port); /* after the junk, a real one */
    assert_true(fixture_wait_for(all, 2, 0, OB_TRANSPORT_BEACON, NULL, &event));
    assert_true(ob_machine_equal(&event.machine, &b.identity.machine));
    ob_transport_free(a.transport), ob_transport_free(b.transport);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(machines_of_one_run_find_each_other),
        cmocka_unit_test(junk_is_passed_over),
    };
    return cmocka_run_group_tests(tests, fixture_setup, NULL);
}
