/* An address that names somebody who is not there: a victim that accepts, and counts who comes. */
#include "tests/unit/transport/fixture.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORTS    3
#define SECONDS  8
#define MACHINES 200

struct bystander {
    int listening[PORTS];
    char endpoint[64];
    size_t visits;
};

static void stand(struct bystander *by) {
    unsigned port = fixture_next_port();
    (void)snprintf(by->endpoint, sizeof by->endpoint, "tcp://127.0.0.1:%u", port);
    by->visits = 0;
    for (unsigned i = 0; i < PORTS; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)(port + i))};
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        by->listening[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(by->listening[i], (const struct sockaddr *)&address, sizeof address), 0);
        assert_int_equal(listen(by->listening[i], 512), 0);
    }
}

static void count(struct bystander *by) {
    for (unsigned i = 0; i < PORTS; i++)
        for (int fd; (fd = accept4(by->listening[i], NULL, NULL, SOCK_CLOEXEC)) >= 0; by->visits++)
            close(fd);
}

static void leave(struct bystander *by) {
    for (unsigned i = 0; i < PORTS; i++)
        close(by->listening[i]);
}

static void turn_for(struct ob_transport *transport, struct bystander *by, int seconds) {
    struct ob_transport_event event;
    for (time_t end = time(NULL) + seconds; time(NULL) < end; count(by))
        assert_int_equal(ob_transport_poll(transport, 5, &event, NULL), OB_OK);
}

static void a_victim_is_left_alone(void **state) {
    (void)state;
    struct machine host;
    struct ob_identity somebody;
    struct bystander by;
    stand(&by);
    fixture_make(&host, false);
    ob_identity_generate(&somebody);
    assert_int_equal(ob_transport_connect(host.transport, &somebody.machine, by.endpoint, NULL), OB_OK);
    ob_transport_rest(host.transport, &somebody.machine, 14400);
    turn_for(host.transport, &by, SECONDS);
    assert_true(by.visits >= 1);
    assert_true(by.visits <= 4); /* after 0, 1, 3 and 7 s */
    /* the same with another address of the same machine: it does not begin anew */
    struct bystander other;
    stand(&other);
    assert_int_equal(ob_transport_connect(host.transport, &somebody.machine, other.endpoint, NULL), OB_OK);
    turn_for(host.transport, &other, 2);
    assert_true(other.visits <= 1);
    leave(&by), leave(&other);
    ob_transport_free(host.transport);
}

static void there_is_a_limit_in_all(void **state) {
    (void)state;
    struct machine host;
    struct bystander by;
    size_t made = 0;
    stand(&by);
    fixture_make(&host, false);
    for (int i = 0; i < MACHINES; i++) {
        struct ob_identity somebody;
        ob_identity_generate(&somebody);
        made += ob_transport_connect(host.transport, &somebody.machine, by.endpoint, NULL) == OB_OK;
    }
    turn_for(host.transport, &by, 2);
    assert_true(made > 32);
    assert_true(by.visits >= 1);
    assert_true(by.visits <= 4 * 32); /* 32 a second, in at most four of the clock's seconds */
    leave(&by);
    ob_transport_free(host.transport);
}

/* Who was there, went away and came back is reached again. */
static void who_proved_itself_is_reached_again(void **state) {
    (void)state;
    struct machine host, peer, *all[2] = {&host, &peer};
    struct ob_transport_event event;
    fixture_make(&host, false), fixture_make(&peer, true);
    assert_int_equal(ob_transport_allow(peer.transport, &host.identity.machine, NULL), OB_OK);
    fixture_join(&host, &peer);
    assert_true(fixture_wait_for(all, 2, 0, OB_TRANSPORT_LINK_UP, NULL, &event));
    fixture_publish_until_seen(all, 2, 1, 0, "one");
    ob_transport_free(peer.transport);
    assert_true(fixture_wait_for(all, 1, 0, OB_TRANSPORT_LINK_DOWN, NULL, &event));
    fixture_start(&peer, true);
    assert_int_equal(ob_transport_allow(peer.transport, &host.identity.machine, NULL), OB_OK);
    assert_true(fixture_wait_for(all, 2, 0, OB_TRANSPORT_LINK_UP, NULL, &event));
    fixture_publish_until_seen(all, 2, 1, 0, "two");
    ob_transport_free(host.transport), ob_transport_free(peer.transport);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_victim_is_left_alone),
        cmocka_unit_test(there_is_a_limit_in_all),
        cmocka_unit_test(who_proved_itself_is_reached_again),
    };
    return cmocka_run_group_tests(tests, fixture_setup, NULL);
}
