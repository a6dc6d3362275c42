/* An attacker with a whole /64 of IPv6: it comes from another address each time, and has no more than one address has. In a
 * network namespace of its own; skipped, with the reason, where none can be made. */
#include "tests/unit/transport/fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CROWD       600
#define SHAKING_MAX 64 /* of one address or network: transport/gate.c */
#define HOST        "2001:db8:0:1::1"
#define SKIP        77

static struct sockaddr_in6 at(const char *host, unsigned port) {
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    assert_int_equal(inet_pton(AF_INET6, host, &address.sin6_addr), 1);
    return address;
}

/* From an address of ours, whatever it is: the namespace has a route for all of them. */
static int connect_from(const char *host, unsigned port) {
    struct sockaddr_in6 from = at(host, 0), to = at(HOST, port);
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof on), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof from), 0);
    (void)connect(fd, (struct sockaddr *)&to, sizeof to);
    return fd;
}

static void turn(struct machine *host, int count) {
    struct ob_transport_event event;
    for (int i = 0; i < count; i++)
        assert_int_equal(ob_transport_poll(host->transport, 1, &event, NULL), OB_OK);
}

/* ZeroMQ greets whoever stays. */
static bool is_greeted(struct machine *host, int fd) {
    uint8_t byte;
    time_t end = time(NULL) + FIXTURE_LIMIT_S;
    while (time(NULL) < end) {
        ssize_t got = recv(fd, &byte, 1, 0);
        if (got >= 0 || (errno != EAGAIN && errno != ENOTCONN && errno != EINPROGRESS))
            return got > 0;
        turn(host, 5);
    }
    return false;
}

static void a_whole_network_has_the_share_of_one_address(void **state) {
    (void)state;
    static int crowd[CROWD];
    struct machine host;
    unsigned port = fixture_next_port();
    ob_identity_generate(&host.identity);
    (void)snprintf(host.endpoint, sizeof host.endpoint, "tcp://[" HOST "]:%u", port);
    struct ob_transport_options options = {
        .secret_key = host.identity.secret_key, .listen = host.endpoint, .handshake_ms = 60000};
    fixture_start_with(&host, &options);
    for (unsigned i = 0; i < CROWD; i++) {
        char from[INET6_ADDRSTRLEN];
        (void)snprintf(from, sizeof from, "2001:db8:0:2:%x::%x", i * 97 + 1, i + 1);
        crowd[i] = connect_from(from, port + i % 3);
        turn(&host, 1);
    }
    time_t end = time(NULL) + FIXTURE_LIMIT_S;
    while (ob_transport_counters(host.transport).refused_connections < CROWD - SHAKING_MAX &&
           time(NULL) < end)
        turn(&host, 5);
    struct ob_transport_counters counters = ob_transport_counters(host.transport);
    print_message("%u of %d stay\n", counters.connections, CROWD);
    assert_int_equal(counters.refused_connections, CROWD - SHAKING_MAX);
    assert_int_equal(counters.connections, SHAKING_MAX);
    int more = connect_from("2001:db8:0:2:ffff::1", port), neighbour = connect_from("2001:db8:0:3::1", port);
    assert_true(is_greeted(&host, neighbour)); /* from the network beside it */
    end = time(NULL) + FIXTURE_LIMIT_S;
    while (ob_transport_counters(host.transport).refused_connections == counters.refused_connections &&
           time(NULL) < end)
        turn(&host, 5);
    assert_int_equal(ob_transport_counters(host.transport).refused_connections,
                     counters.refused_connections + 1);
    close(more);
    close(neighbour);
    for (int i = 0; i < CROWD; i++)
        close(crowd[i]);
    ob_transport_free(host.transport);
}

static bool enter_namespace(void) {
    return (unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0) &&
           system("ip link set lo up && ip -6 route add local 2001:db8::/32 dev lo && "
                  "ip -6 addr add " HOST "/128 dev lo nodad") == 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_network_has_the_share_of_one_address),
    };
    if (!enter_namespace()) {
        (void)puts("skipped: a network namespace with IPv6 cannot be made here");
        return SKIP;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
