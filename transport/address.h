/* address - "tcp://host:port" as text, and the addresses of machines that connect to us as numbers.
 *
 * Errors:  OB_EUSAGE names the address and what it should look like.
 * Owns:    nothing. */
#ifndef OB_TRANSPORT_ADDRESS_H
#define OB_TRANSPORT_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/ids.h"

#define OB_ENDPOINT_MAX    256
#define OB_ENDPOINT_PORTS  3 /* an address stands for its port and the two after it */
#define OB_JOIN_STRING_MAX (2 * OB_KEY_BYTES + 1 + OB_ENDPOINT_MAX)

/* Host and port of "tcp://host:port"; port from 1 to 65533. ret_host without the brackets of an IPv6 address.
 */
OB_MUST_USE enum ob_err ob_endpoint_parse(const char *endpoint, char ret_host[OB_ENDPOINT_MAX],
                                          uint16_t *ret_port, struct ob_error *error);
/* "tcp://host:port" with `add` (below OB_ENDPOINT_PORTS) added to the port. */
OB_MUST_USE enum ob_err ob_endpoint_shift(const char *endpoint, unsigned add,
                                          char ret_endpoint[OB_ENDPOINT_MAX], struct ob_error *error);
/* Others could connect to it: its host is neither a wildcard nor empty. */
bool ob_endpoint_reachable(const char *endpoint);

/* A numeric host ("0.0.0.0", "::", "*" for all addresses of both families) and a port to bind to. */
OB_MUST_USE enum ob_err ob_endpoint_bind_address(const char *endpoint, unsigned add,
                                                 struct sockaddr_storage *ret_address, socklen_t *ret_bytes,
                                                 struct ob_error *error);

/* What counts as one visitor: an IPv4 address, or the 64 bits of an IPv6 network. */
struct ob_address {
    uint8_t bytes[16];
};
bool ob_address_from_socket(const struct sockaddr *address, struct ob_address *ret_address);
bool ob_address_from_text(const char *text, struct ob_address *ret_address);
void ob_address_to_text(const struct ob_address *address, char ret_text[INET6_ADDRSTRLEN + 4]);

#endif
