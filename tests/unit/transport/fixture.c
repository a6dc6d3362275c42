#include "tests/unit/transport/fixture.h"

#include <arpa/inet.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int fixture_setup(void **state) {
    (void)state;
    return sodium_init() < 0;
}

static bool is_free(unsigned port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool free = fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return free;
}

/* The first of three free ports, below the ones that the kernel gives away. Test programs run side by side.
 */
unsigned fixture_next_port(void) {
    static unsigned port;
    if (port == 0)
        port = 12000 + (unsigned)getpid() * 61 % 20000;
    for (;;) {
        unsigned first = port = port < 32000 ? port + OB_ENDPOINT_PORTS : 12000;
        if (is_free(first) && is_free(first + 1) && is_free(first + 2))
            return first;
    }
}

void fixture_start_with(struct machine *m, const struct ob_transport_options *options) {
    struct ob_error error = {0};
    enum ob_err failed = ob_transport_new(options, &m->transport, &error);
    if (failed)
        print_message("%s\n", error.text);
    assert_int_equal(failed, OB_OK);
}

void fixture_start(struct machine *m, bool listens) {
    struct ob_transport_options options = {
        .secret_key = m->identity.secret_key, .listen = listens ? m->endpoint : NULL, .handshake_ms = 500};
    fixture_start_with(m, &options);
}

void fixture_make(struct machine *m, bool listens) {
    ob_identity_generate(&m->identity);
    (void)snprintf(m->endpoint, sizeof m->endpoint, "tcp://127.0.0.1:%u", fixture_next_port());
    fixture_start(m, listens);
}

void fixture_join(struct machine *a, struct machine *b) {
    assert_int_equal(ob_transport_allow(a->transport, &b->identity.machine, NULL), OB_OK);
    assert_int_equal(ob_transport_connect(a->transport, &b->identity.machine, b->endpoint, NULL), OB_OK);
}

/* Polls all, until `wanted` comes at machine number `at`; false after FIXTURE_LIMIT_S. */
bool fixture_wait_for(struct machine **all, size_t count, size_t at, enum ob_transport_event_kind wanted,
                      const char *text, struct ob_transport_event *ret_event) {
    time_t end = time(NULL) + FIXTURE_LIMIT_S;
    while (time(NULL) < end)
        for (size_t i = 0; i < count; i++) {
            struct ob_transport_event event;
            assert_int_equal(ob_transport_poll(all[i]->transport, 5, &event, NULL), OB_OK);
            if (i != at || event.kind != wanted)
                continue;
            if (text && (event.bytes != strlen(text) || memcmp(event.data, text, event.bytes) != 0))
                continue;
            *ret_event = event;
            return true;
        }
    return false;
}

void fixture_publish_until_seen(struct machine **all, size_t count, size_t from, size_t at,
                                const char *text) {
    for (int i = 0; i < 200; i++) {
        ob_transport_publish(all[from]->transport, text, strlen(text));
        for (int k = 0; k < 40; k++) {
            struct ob_transport_event event;
            size_t who = (size_t)k % count;
            assert_int_equal(ob_transport_poll(all[who]->transport, 5, &event, NULL), OB_OK);
            if (who != at || event.kind != OB_TRANSPORT_FRAME || !event.published)
                continue;
            assert_true(ob_machine_equal(&event.machine, &all[from]->identity.machine));
            if (event.bytes == strlen(text) && memcmp(event.data, text, event.bytes) == 0)
                return; /* else one of an earlier call */
        }
    }
    fail_msg("a published frame did not arrive");
}
