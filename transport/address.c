#include "transport/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_MAX (65536 - OB_ENDPOINT_PORTS)

static const uint8_t IPV4_PREFIX[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

enum ob_err ob_endpoint_parse(const char *endpoint, char ret_host[OB_ENDPOINT_MAX], uint16_t *ret_port,
                              struct ob_error *error) {
    const char *colon = strrchr(endpoint, ':');
    char *end = NULL;
    if (strlen(endpoint) >= OB_ENDPOINT_MAX)
        return ob_fail(error, OB_EUSAGE, "address %.80s... is too long", endpoint);
    if (strncmp(endpoint, "tcp://", 6) != 0 || !colon || colon < endpoint + 7)
        return ob_fail(error, OB_EUSAGE, "address %s does not look like tcp://host:port", endpoint);
    const char *digits = colon + 1;
    long port = *digits >= '0' && *digits <= '9' ? strtol(digits, &end, 10) : 0;
    if (!end || *end || port < 1 || port > PORT_MAX)
        return ob_fail(error, OB_EUSAGE,
                       "address %s: the port must be from 1 to %d (the next two are used too)", endpoint,
                       PORT_MAX);
    const char *host = endpoint + 6;
    size_t length = (size_t)(colon - host);
    if (host[0] == '[' && host[length - 1] == ']' && length > 2) {
        host++;
        length -= 2;
    }
    for (size_t i = 0; i < length; i++)
        if (host[i] <= ' ' || host[i] >= 127 || strchr("/;@[]", host[i]))
            return ob_fail(error, OB_EUSAGE, "address %s: the host must be a name or a numeric address",
                           endpoint);
    memcpy(ret_host, host, length);
    ret_host[length] = 0;
    *ret_port = (uint16_t)port;
    return OB_OK;
}

enum ob_err ob_endpoint_shift(const char *endpoint, unsigned add, char ret_endpoint[OB_ENDPOINT_MAX],
                              struct ob_error *error) {
    char host[OB_ENDPOINT_MAX];
    uint16_t port = 0;
    enum ob_err failed = ob_endpoint_parse(endpoint, host, &port, error);
    if (failed)
        return failed;
    int length = snprintf(ret_endpoint, OB_ENDPOINT_MAX, "%.*s:%u", (int)(strrchr(endpoint, ':') - endpoint),
                          endpoint, port + add);
    if (length >= OB_ENDPOINT_MAX)
        return ob_fail(error, OB_EUSAGE, "address %s is too long", endpoint);
    return OB_OK;
}

bool ob_endpoint_reachable(const char *endpoint) {
    char host[OB_ENDPOINT_MAX];
    uint16_t port;
    if (ob_endpoint_parse(endpoint, host, &port, NULL))
        return false;
    return strcmp(host, "*") != 0 && strcmp(host, "0.0.0.0") != 0 && strcmp(host, "::") != 0;
}

enum ob_err ob_endpoint_bind_address(const char *endpoint, unsigned add, struct sockaddr_storage *ret_address,
                                     socklen_t *ret_bytes, struct ob_error *error) {
    char host[OB_ENDPOINT_MAX], service[16];
    uint16_t port = 0;
    enum ob_err failed = ob_endpoint_parse(endpoint, host, &port, error);
    if (failed)
        return failed;
    (void)snprintf(service, sizeof service, "%u", port + add);
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    if (getaddrinfo(strcmp(host, "*") == 0 ? "::" : host, service, &hints, &found) != 0 || !found)
        return ob_fail(error, OB_EUSAGE,
                       "address %s: to listen, give a numeric address such as 0.0.0.0 or [::], or *",
                       endpoint);
    memcpy(ret_address, found->ai_addr, found->ai_addrlen);
    *ret_bytes = found->ai_addrlen;
    freeaddrinfo(found);
    return OB_OK;
}

bool ob_address_from_socket(const struct sockaddr *address, struct ob_address *ret_address) {
    struct ob_address result = {{0}};
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)address;
        memcpy(result.bytes, IPV4_PREFIX, sizeof IPV4_PREFIX);
        memcpy(result.bytes + sizeof IPV4_PREFIX, &in->sin_addr, 4);
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)address;
        bool mapped = memcmp(&in6->sin6_addr, IPV4_PREFIX, sizeof IPV4_PREFIX) == 0;
        memcpy(result.bytes, &in6->sin6_addr, mapped ? 16 : 8);
    } else {
        return false;
    }
    *ret_address = result;
    return true;
}

bool ob_address_from_text(const char *text, struct ob_address *ret_address) {
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
        return ob_address_from_socket((const struct sockaddr *)&in, ret_address);
    if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1)
        return ob_address_from_socket((const struct sockaddr *)&in6, ret_address);
    return false;
}

void ob_address_to_text(const struct ob_address *address, char ret_text[INET6_ADDRSTRLEN + 4]) {
    if (memcmp(address->bytes, IPV4_PREFIX, sizeof IPV4_PREFIX) == 0)
        (void)inet_ntop(AF_INET, address->bytes + sizeof IPV4_PREFIX, ret_text, INET6_ADDRSTRLEN);
    else if (inet_ntop(AF_INET6, address->bytes, ret_text, INET6_ADDRSTRLEN))
        memcpy(ret_text + strlen(ret_text), "/64", 4);
}
