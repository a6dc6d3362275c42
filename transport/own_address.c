/* own_address - under which address of ours do others see us? The kernel says which one it sends from. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transport/state.h"

/* A UDP socket that is connected sends nothing, and has the address that the way there begins with. */
static bool address_towards(const char *number, struct sockaddr_storage *ret_address) {
    char host[OB_ENDPOINT_MAX], service[8];
    uint16_t port;
    struct addrinfo *found = NULL;
    const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    if (ob_endpoint_parse(number, host, &port, NULL))
        return false;
    (void)snprintf(service, sizeof service, "%u", port);
    if (getaddrinfo(host, service, &hints, &found) != 0)
        return false;
    int fd = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t bytes = sizeof *ret_address;
    bool good = fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) == 0 &&
                getsockname(fd, (struct sockaddr *)ret_address, &bytes) == 0;
    if (fd >= 0)
        close(fd);
    freeaddrinfo(found);
    return good;
}

static bool is_loopback(const struct sockaddr_storage *address) {
    struct ob_address plain;
    char text[INET6_ADDRSTRLEN + 4] = "";
    if (!ob_address_from_socket((const struct sockaddr *)address, &plain))
        return false;
    ob_address_to_text(&plain, text);
    return strncmp(text, "127.", 4) == 0 || strncmp(text, "::/", 3) == 0;
}

static bool write_endpoint(const struct sockaddr_storage *address, uint16_t port,
                           char ret_endpoint[OB_ENDPOINT_MAX]) {
    char host[INET6_ADDRSTRLEN + 16];
    bool six = address->ss_family == AF_INET6;
    if (getnameinfo((const struct sockaddr *)address,
                    six ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in), host, sizeof host, NULL,
                    0, NI_NUMERICHOST) != 0 ||
        strchr(host, '%')) /* of one link: it means nothing elsewhere */
        return false;
    (void)snprintf(ret_endpoint, OB_ENDPOINT_MAX, six ? "tcp://[%s]:%u" : "tcp://%s:%u", host, port);
    return true;
}

bool ob_transport_own_address(const struct ob_transport *transport, char ret_endpoint[OB_ENDPOINT_MAX]) {
    char host[OB_ENDPOINT_MAX];
    uint16_t port;
    bool found = false;
    if (!transport->listen[0] || ob_endpoint_reachable(transport->listen) ||
        ob_endpoint_parse(transport->listen, host, &port, NULL))
        return false;
    bool four_only = strcmp(host, "0.0.0.0") == 0;
    for (size_t i = 0; i < transport->link_count; i++) {
        const struct ob_link *link = transport->links[i];
        struct sockaddr_storage address = {0};
        if (!link->dealer_up || !address_towards(link->number, &address) ||
            (four_only && address.ss_family != AF_INET))
            continue;
        bool here = is_loopback(&address);
        if (!(here && found) && write_endpoint(&address, port, ret_endpoint))
            found = true;
        if (found && !here)
            break;
    }
    return found;
}
