/* resolver - host names to numbers, in threads of its own: a name server that is silent holds up nobody.
 *
 * getaddrinfo is asked, not a resolver of our own, so that /etc/hosts, mDNS and whatever nsswitch.conf names work
 * as for any program. It cannot be interrupted: a look-up that is under way when the resolver is freed ends by
 * itself, later, and its answer goes nowhere.
 *
 * Bounds:  OB_RESOLVER_NAMES names are remembered, OB_RESOLVER_THREADS looked up at a time.
 * Errors:  OB_EIO, no descriptor; what is wrong with a name is in the answer.
 * Threads: one uses a resolver. */
#ifndef OB_TRANSPORT_RESOLVER_H
#define OB_TRANSPORT_RESOLVER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "transport/address.h"

#define OB_RESOLVER_NAMES     64
#define OB_RESOLVER_THREADS   4
#define OB_RESOLVER_ADDRESSES 4                       /* of one name */
#define OB_NUMBER_MAX         (INET6_ADDRSTRLEN + 16) /* a scope follows some */

struct ob_resolver;

enum ob_lookup { OB_LOOKUP_WAIT, OB_LOOKUP_FOUND, OB_LOOKUP_FAILED };

struct ob_resolved {
    size_t count; /* FOUND: at least one */
    char numbers[OB_RESOLVER_ADDRESSES][OB_NUMBER_MAX];
    char why[96]; /* FAILED */
};

OB_MUST_USE enum ob_err ob_resolver_new(struct ob_resolver **ret_resolver, struct ob_error *error);
void ob_resolver_free(struct ob_resolver *resolver);    /* NULL too; returns at once */
int ob_resolver_fd(const struct ob_resolver *resolver); /* readable when there are new answers … */
void ob_resolver_heard(struct ob_resolver *resolver);   /* … until this */
/* The answer for `host`, no older than max_age_s; WAIT: it is being looked up, or will be. A number is its own
 * answer. */
enum ob_lookup ob_resolver_look(struct ob_resolver *resolver, const char *host, uint64_t max_age_s,
                                struct ob_resolved *ret_resolved);

#endif
