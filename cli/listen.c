#include "cli/listen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_PORT 7300
#define LAST_PORT  (65536 - OB_ENDPOINT_PORTS)

enum ob_err ob_cli_listen_read(const char *given, char ret_listen[static OB_ENDPOINT_MAX],
                               struct ob_error *error) {
    char host[OB_ENDPOINT_MAX];
    struct sockaddr_storage address;
    socklen_t bytes = 0;
    uint16_t port = 0;
    if (strcmp(given, "none") == 0) {
        ret_listen[0] = 0;
        return OB_OK;
    }
    enum ob_err failed = ob_endpoint_parse(given, host, &port, error);
    if (!failed)
        failed = ob_endpoint_bind_address(given, 0, &address, &bytes, error);
    if (failed)
        return ob_fail_within(error, OB_EUSAGE, "--listen");
    (void)snprintf(ret_listen, OB_ENDPOINT_MAX, "%s", given);
    return OB_OK;
}

/* As the daemon binds (transport/servers.c). 0, or why not. */
static int try_port(const struct sockaddr_storage *address, socklen_t bytes) {
    int one = 1, zero = 0, why = 0, fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (address->ss_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    if (bind(fd, (const struct sockaddr *)address, bytes) != 0 || listen(fd, 1) != 0)
        why = errno;
    close(fd);
    return why;
}

enum ob_err ob_cli_listen_try(const char *listen, struct ob_error *error) {
    for (unsigned i = 0; i < OB_ENDPOINT_PORTS && listen[0]; i++) {
        struct sockaddr_storage address;
        char endpoint[OB_ENDPOINT_MAX];
        socklen_t bytes = 0;
        enum ob_err failed = ob_endpoint_bind_address(listen, i, &address, &bytes, error);
        if (!failed)
            failed = ob_endpoint_shift(listen, i, endpoint, error);
        if (failed)
            return failed;
        int why = try_port(&address, bytes);
        if (why == EADDRINUSE)
            return ob_fail(error, OB_EBUSY,
                           "%s: another program listens there (a machine needs %d ports in a row); "
                           "give --listen with another port",
                           endpoint, OB_ENDPOINT_PORTS);
        if (why)
            return ob_fail(error, OB_EUSAGE, "cannot listen on %s: %s; give --listen tcp://ADDRESS:PORT",
                           endpoint, strerror(why));
    }
    return OB_OK;
}

enum ob_err ob_cli_listen_free(const char *after, char ret_listen[static OB_ENDPOINT_MAX],
                               struct ob_error *error) {
    char host[OB_ENDPOINT_MAX], listen[OB_ENDPOINT_MAX];
    uint16_t port = 0;
    unsigned first = FIRST_PORT;
    if (after && ob_endpoint_parse(after, host, &port, NULL) == OB_OK)
        first = port + OB_ENDPOINT_PORTS;
    for (unsigned at = first; at <= LAST_PORT; at += OB_ENDPOINT_PORTS) {
        struct ob_error why = {0};
        (void)snprintf(listen, sizeof listen, "tcp://*:%u", at);
        enum ob_err failed = ob_cli_listen_try(listen, &why);
        if (failed == OB_EUSAGE) { /* a host without IPv6 */
            (void)snprintf(listen, sizeof listen, "tcp://0.0.0.0:%u", at);
            failed = ob_cli_listen_try(listen, &why);
        }
        if (failed)
            continue;
        memcpy(ret_listen, listen, sizeof listen);
        return OB_OK;
    }
    return ob_fail(error, OB_EBUSY, "no three free ports in a row from %u on; give --listen tcp://*:PORT",
                   first);
}
