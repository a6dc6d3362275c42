/* access - where the page is served, and to whom: an address on loopback to every user of this host, any address to who knows the
 * token. Without a token a request must name this host, so that a page of somebody else's cannot read it through a name
 * that was made to point here (DNS rebinding).
 *
 * Errors:  OB_EUSAGE, the address or what is in the token file; OB_EREFUSED, the file may be read by others, or the address
 *          needs a token; OB_ENOTFOUND, OB_EIO, OB_ETOOBIG, of the token file. Each names the key and what to do.
 * Owns:    nothing. Of the token only the hash is kept.
 * Threads: any. The token is compared in constant time. */
#ifndef OB_WEB_ACCESS_H
#define OB_WEB_ACCESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

#define OB_WEB_TOKEN_MIN 16
#define OB_WEB_TOKEN_MAX 256

struct ob_web_access {
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } address;
    socklen_t address_bytes;
    bool has_token;
    uint8_t token_hash[32];
};

/* address: ADDRESS:PORT, numeric or *. token_file "": none. */
OB_MUST_USE enum ob_err ob_web_access_read(const char *address, const char *token_file,
                                           struct ob_web_access *ret_access, struct ob_error *error);
/* authorization: of the header; argument: ?token=. NULL: not there. True when there is no token. */
bool ob_web_access_token(const struct ob_web_access *access, const char *authorization, const char *argument);
/* host: of the header. True when there is a token. */
bool ob_web_access_host(const struct ob_web_access *access, const char *host);

#endif
