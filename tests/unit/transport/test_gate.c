/* Strangers that open connections: bounded, counted, told; members are not hurt. Real sockets. */
#include "tests/unit/transport/fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CROWD 1000

static int connect_plain(const struct machine *host, unsigned add) {
    char name[OB_ENDPOINT_MAX];
    uint16_t port = 0;
    assert_int_equal(ob_endpoint_parse(host->endpoint, name, &port, NULL), OB_OK);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)(port + add))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    (void)connect(fd, (struct sockaddr *)&to, sizeof to); /* in progress, or refused: both are fine */
    return fd;
}

static void turn(struct ob_transport *transport, int count) {
    struct ob_transport_event event;
    for (int i = 0; i < count; i++)
        assert_int_equal(ob_transport_poll(transport, 1, &event, NULL), OB_OK);
}

/* A crowd that connects and says nothing: few stay, files can be opened, members talk on. */
static void a_silent_crowd_is_bounded(void **state) {
    (void)state;
    static int crowd[CROWD];
    struct machine host, member, *all[2] = {&host, &member};
    struct ob_transport_event event;
    fixture_make(&host, true), fixture_make(&member, true);
    fixture_join(&host, &member), fixture_join(&member, &host);
    assert_true(fixture_wait_for(all, 2, 0, OB_TRANSPORT_LINK_UP, NULL, &event));
    bool told = false;
    for (int i = 0; i < CROWD; i++) {
        crowd[i] = connect_plain(&host, (unsigned)i % 3);
        assert_int_equal(ob_transport_poll(host.transport, 0, &event, NULL), OB_OK);
        told = told || (event.kind == OB_TRANSPORT_REFUSED && strstr(event.text, "127.0.0.1: "));
    }
    time_t end = time(NULL) + FIXTURE_LIMIT_S;
    while (ob_transport_counters(host.transport).refused_connections < 500 && time(NULL) < end) {
        assert_int_equal(ob_transport_poll(host.transport, 5, &event, NULL), OB_OK);
        told = told || (event.kind == OB_TRANSPORT_REFUSED && strstr(event.text, "127.0.0.1: "));
    }
    struct ob_transport_counters counters = ob_transport_counters(host.transport);
    assert_true(counters.refused_connections >= 500);
    assert_true(counters.connections <= 256);
    assert_true(told);
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(file >= 0);
    close(file);
    fixture_publish_until_seen(all, 2, 0, 1, "still here");
    fixture_publish_until_seen(all, 2, 1, 0, "still here");
    for (int i = 0; i < CROWD; i++)
        close(crowd[i]);
    end = time(NULL) + FIXTURE_LIMIT_S; /* what they held is free again */
    while (ob_transport_counters(host.transport).connections > 8 && time(NULL) < end)
        turn(host.transport, 10);
    assert_true(ob_transport_counters(host.transport).connections <= 8);
    ob_transport_free(host.transport), ob_transport_free(member.transport);
}

/* With few descriptors, the sum of all connections leaves most of them free. */
static void connections_stay_below_the_descriptors(void **state) {
    (void)state;
    struct rlimit before, few;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 256;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    int crowd[100];
    struct machine host;
    fixture_make(&host, true);
    for (int i = 0; i < 100; i++) {
        crowd[i] = connect_plain(&host, 0);
        turn(host.transport, 1);
    }
    time_t end = time(NULL) + FIXTURE_LIMIT_S;
    while (ob_transport_counters(host.transport).refused_connections < 30 && time(NULL) < end)
        turn(host.transport, 10);
    assert_true(ob_transport_counters(host.transport).refused_connections >= 30);
    assert_true(ob_transport_counters(host.transport).connections <= 64);
    for (int i = 0; i < 100; i++)
        close(crowd[i]);
    ob_transport_free(host.transport);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* connections_max of the options holds as well, and a connection that says nothing is dropped in the end. */
static void a_silent_connection_is_dropped(void **state) {
    (void)state;
    struct machine host;
    ob_identity_generate(&host.identity);
    (void)snprintf(host.endpoint, sizeof host.endpoint, "tcp://127.0.0.1:%u", fixture_next_port());
    struct ob_transport_options options = {.secret_key = host.identity.secret_key,
                                           .listen = host.endpoint,
                                           .handshake_ms = 200,
                                           .connections_max = 4};
    fixture_start_with(&host, &options);
    int silent[8];
    for (int i = 0; i < 8; i++)
        silent[i] = connect_plain(&host, 0);
    time_t end = time(NULL) + FIXTURE_LIMIT_S;
    while (ob_transport_counters(host.transport).refused_connections < 4 && time(NULL) < end) {
        turn(host.transport, 1);
        assert_true(ob_transport_counters(host.transport).connections <= 4);
    }
    assert_true(ob_transport_counters(host.transport).refused_connections >= 4);
    while (ob_transport_counters(host.transport).connections > 0 && time(NULL) < end)
        turn(host.transport, 10);
    assert_int_equal(ob_transport_counters(host.transport).connections, 0);
    for (int i = 0; i < 8; i++) {
        char byte;
        ssize_t got = 1;
        while (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINPROGRESS)))
            got = recv(silent[i], &byte, 1, 0);
        close(silent[i]);
    }
    ob_transport_free(host.transport);
}

/* A member that sends as fast as it can while we do not listen: what waits is bounded, then it waits. */
static void a_fast_sender_fills_a_bounded_queue(void **state) {
    (void)state;
    struct machine host, fast, *all[2] = {&host, &fast};
    struct ob_transport_event event;
    static uint8_t frame[OB_MESSAGE_MAX];
    fixture_make(&host, true), fixture_make(&fast, false);
    assert_int_equal(ob_transport_allow(host.transport, &fast.identity.machine, NULL), OB_OK);
    fixture_join(&fast, &host);
    assert_true(fixture_wait_for(all, 2, 1, OB_TRANSPORT_LINK_UP, NULL, &event));
    size_t sent = 0, received = 0;
    for (time_t end = time(NULL) + FIXTURE_LIMIT_S; sent < 20000 && time(NULL) < end;) {
        if (!ob_transport_send(fast.transport, &host.identity.machine, frame, sizeof frame))
            break;
        sent++;
    }
    /* the sender's own queue, both kernels' buffers and our queue of 128: far from 20,000 x 64 KB */
    assert_true(sent < 2 * OB_SEND_QUEUE_MAX);
    assert_true(ob_transport_counters(fast.transport).dropped_messages > 0);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(ob_transport_poll(host.transport, 1, &event, NULL), OB_OK);
        received += event.kind == OB_TRANSPORT_FRAME;
    }
    assert_true(received > 0);
    ob_transport_free(fast.transport), ob_transport_free(host.transport);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_silent_crowd_is_bounded),
        cmocka_unit_test(connections_stay_below_the_descriptors),
        cmocka_unit_test(a_silent_connection_is_dropped),
        cmocka_unit_test(a_fast_sender_fills_a_bounded_queue),
    };
    return cmocka_run_group_tests(tests, fixture_setup, NULL);
}
