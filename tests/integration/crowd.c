/* crowd - many who connect and say nothing.
 *
 *   crowd PORT COUNT
 * Keeps COUNT connections to PORT … PORT + 2 of 127.0.0.1, from 127.1.0.1, 127.1.0.2, … in turns, and opens
 * each again that the other side has ended, until the end of standard input. "ready" after the first round.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define COUNT_MAX 4000
#define ADDRESSES 50

static int open_one(unsigned number, uint16_t port) {
    int one = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(0x7f010001 + number % ADDRESSES)};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)(port + number % 3)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (one < 0)
        return -1;
    if (bind(one, (struct sockaddr *)&from, sizeof from) != 0 ||
        (connect(one, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS)) {
        close(one);
        return -1;
    }
    return one;
}

/* Reads away whatever is said; true: the other side has ended it. */
static bool is_over(int one) {
    char said[256];
    ssize_t bytes;
    while ((bytes = recv(one, said, sizeof said, MSG_DONTWAIT)) > 0)
        continue;
    return bytes == 0 || (errno != EAGAIN && errno != ENOTCONN);
}

int main(int count, char **arguments) {
    static int all[COUNT_MAX];
    struct rlimit limit = {COUNT_MAX + 64, COUNT_MAX + 64};
    unsigned long port = count == 3 ? strtoul(arguments[1], NULL, 10) : 0;
    unsigned long wanted = count == 3 ? strtoul(arguments[2], NULL, 10) : 0;
    if (port < 1 || port > 65000 || wanted < 1 || wanted > COUNT_MAX) {
        fprintf(stderr, "usage: crowd PORT COUNT\n");
        return 2;
    }
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    for (unsigned i = 0; i < wanted; i++)
        all[i] = open_one(i, (uint16_t)port);
    printf("ready\n");
    fflush(stdout);
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    while (poll(&input, 1, 20) == 0)
        for (unsigned i = 0; i < wanted; i++) {
            if (all[i] >= 0 && !is_over(all[i]))
                continue;
            if (all[i] >= 0)
                close(all[i]);
            all[i] = open_one(i, (uint16_t)port);
        }
    return 0;
}
