/* forward - a router that maps a port to another host: what NAT and port forwarding do, for kernels without
 * netfilter.
 *
 *   forward PORT HOST TO_PORT COUNT
 * Passes each connection to PORT + i on to HOST:TO_PORT + i, for i in 0 … COUNT - 1; "ready" when it listens.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define COUNT_MAX 8

static bool pass(int from, int to) {
    char data[65536];
    ssize_t bytes = recv(from, data, sizeof data, 0);
    for (ssize_t sent = 0; sent < bytes;) {
        ssize_t now = send(to, data + sent, (size_t)(bytes - sent), MSG_NOSIGNAL);
        if (now <= 0)
            return false;
        sent += now;
    }
    return bytes > 0;
}

/* A process of its own for each connection. */
static void relay(int one, const struct sockaddr_in *to) {
    int other = socket(AF_INET, SOCK_STREAM, 0);
    if (other < 0 || connect(other, (const struct sockaddr *)to, sizeof *to) != 0)
        return;
    for (;;) {
        struct pollfd waits[2] = {{.fd = one, .events = POLLIN}, {.fd = other, .events = POLLIN}};
        if (poll(waits, 2, -1) < 0)
            return;
        if ((waits[0].revents && !pass(one, other)) || (waits[1].revents && !pass(other, one)))
            return;
    }
}

static int listen_on(uint16_t port) {
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, (struct sockaddr *)&here, sizeof here) != 0 || listen(fd, 64) != 0) {
        perror("forward");
        exit(1);
    }
    return fd;
}

int main(int count, char **arguments) {
    struct sockaddr_in to = {.sin_family = AF_INET};
    unsigned long port = count == 5 ? strtoul(arguments[1], NULL, 10) : 0;
    unsigned long to_port = count == 5 ? strtoul(arguments[3], NULL, 10) : 0;
    unsigned long ports = count == 5 ? strtoul(arguments[4], NULL, 10) : 0;
    if (ports < 1 || ports > COUNT_MAX || port < 1 || port > 65000 || to_port < 1 || to_port > 65000 ||
        inet_pton(AF_INET, arguments[2], &to.sin_addr) != 1) {
        fprintf(stderr, "usage: forward PORT HOST TO_PORT COUNT\n");
        return 2;
    }
    struct pollfd waits[COUNT_MAX];
    for (unsigned long i = 0; i < ports; i++)
        waits[i] = (struct pollfd){.fd = listen_on((uint16_t)(port + i)), .events = POLLIN};
    signal(SIGCHLD, SIG_IGN);
    printf("ready\n");
    fflush(stdout);
    while (poll(waits, ports, -1) > 0)
        for (unsigned long i = 0; i < ports; i++) {
            int one = waits[i].revents ? accept(waits[i].fd, NULL, NULL) : -1;
            if (one < 0)
                continue;
            to.sin_port = htons((uint16_t)(to_port + i));
            if (fork() == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a network that is gone ends no connection */
                relay(one, &to);
                _exit(0);
            }
            close(one);
        }
    return 0;
}
