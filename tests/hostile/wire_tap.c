#include "tests/hostile/wire_tap.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define TAP_CONNECTIONS_MAX 64
#define CHUNK               65536

enum { RESET = 1, CLOSE = 1 << 16 };

struct wire_tap {
    pthread_t thread;
    int listening, commands, done;
    unsigned to_port;
    int fds[2 * TAP_CONNECTIONS_MAX]; /* pairs: theirs, ours; -1: free */
};

static struct sockaddr_in loopback(unsigned port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static void close_pair(struct wire_tap *tap, size_t pair, bool reset) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    for (size_t i = 2 * pair; i < 2 * pair + 2; i++) {
        if (reset && tap->fds[i] >= 0)
            (void)setsockopt(tap->fds[i], SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
        if (tap->fds[i] >= 0)
            close(tap->fds[i]);
        tap->fds[i] = -1;
    }
}

static void accept_one(struct wire_tap *tap) {
    struct sockaddr_in to = loopback(tap->to_port);
    int theirs = accept4(tap->listening, NULL, NULL, SOCK_CLOEXEC);
    size_t pair = 0;
    while (pair < TAP_CONNECTIONS_MAX && tap->fds[2 * pair] >= 0)
        pair++;
    int ours = pair < TAP_CONNECTIONS_MAX ? socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
    if (theirs < 0 || ours < 0 || connect(ours, (const struct sockaddr *)&to, sizeof to) != 0) {
        if (theirs >= 0)
            close(theirs);
        if (ours >= 0)
            close(ours);
        return;
    }
    tap->fds[2 * pair] = theirs;
    tap->fds[2 * pair + 1] = ours;
}

/* Never waits for the receiver: what it does not take for the time being is dropped with the connection. */
static bool pass(int from, int to) {
    static char data[CHUNK];
    ssize_t bytes = recv(from, data, sizeof data, MSG_DONTWAIT);
    return bytes > 0 && send(to, data, (size_t)bytes, MSG_NOSIGNAL) == bytes;
}

static void *run(void *context) {
    struct wire_tap *tap = context;
    for (;;) {
        struct pollfd waits[2 + 2 * TAP_CONNECTIONS_MAX] = {{.fd = tap->listening, .events = POLLIN},
                                                            {.fd = tap->commands, .events = POLLIN}};
        for (size_t i = 0; i < 2 * TAP_CONNECTIONS_MAX; i++)
            waits[2 + i] = (struct pollfd){.fd = tap->fds[i], .events = POLLIN};
        if (poll(waits, 2 + 2 * TAP_CONNECTIONS_MAX, -1) < 0)
            continue;
        uint64_t command = 0;
        if (waits[1].revents && read(tap->commands, &command, sizeof command) == sizeof command) {
            for (size_t i = 0; i < TAP_CONNECTIONS_MAX; i++)
                close_pair(tap, i, true);
            uint64_t one = 1;
            if (write(tap->done, &one, sizeof one) < 0 || command >= CLOSE)
                return NULL;
            continue;
        }
        for (size_t i = 0; i < 2 * TAP_CONNECTIONS_MAX; i++)
            if (waits[2 + i].revents && tap->fds[i] >= 0 && !pass(tap->fds[i], tap->fds[i ^ 1]))
                close_pair(tap, i / 2, false);
        if (waits[0].revents)
            accept_one(tap);
    }
}

static void command(struct wire_tap *tap, uint64_t what) {
    uint64_t count;
    if (write(tap->commands, &what, sizeof what) != sizeof what ||
        read(tap->done, &count, sizeof count) != sizeof count)
        abort();
}

struct wire_tap *wire_tap_open(unsigned port, unsigned to_port) {
    struct sockaddr_in address = loopback(port);
    struct wire_tap *tap = calloc(1, sizeof *tap);
    if (!tap)
        return NULL;
    for (size_t i = 0; i < 2 * TAP_CONNECTIONS_MAX; i++)
        tap->fds[i] = -1;
    tap->to_port = to_port;
    tap->listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    tap->commands = eventfd(0, EFD_CLOEXEC);
    tap->done = eventfd(0, EFD_CLOEXEC);
    int one = 1;
    (void)setsockopt(tap->listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (tap->listening >= 0 && tap->commands >= 0 && tap->done >= 0 &&
        bind(tap->listening, (const struct sockaddr *)&address, sizeof address) == 0 &&
        listen(tap->listening, TAP_CONNECTIONS_MAX) == 0 && pthread_create(&tap->thread, NULL, run, tap) == 0)
        return tap;
    free(tap); /* of a test that fails: its descriptors go with it */
    return NULL;
}

void wire_tap_reset(struct wire_tap *tap) {
    command(tap, RESET);
}

void wire_tap_close(struct wire_tap *tap) {
    command(tap, CLOSE);
    pthread_join(tap->thread, NULL);
    close(tap->listening);
    close(tap->commands);
    close(tap->done);
    free(tap);
}
