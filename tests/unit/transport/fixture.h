/* fixture - machines with transports on loopback: real sockets, with encryption. Nothing asserts a time: the
 * limits are for hanging. */
#ifndef OB_TESTS_TRANSPORT_FIXTURE_H
#define OB_TESTS_TRANSPORT_FIXTURE_H

#include "tests/unit/cmocka_all.h"

#include "transport/identity.h"
#include "transport/transport.h"

#define FIXTURE_LIMIT_S 20

struct machine {
    struct ob_identity identity;
    char endpoint[64];
    struct ob_transport *transport;
};

int fixture_setup(void **state);
unsigned fixture_next_port(void);
void fixture_start(struct machine *m, bool listens);
void fixture_start_with(struct machine *m, const struct ob_transport_options *options);
void fixture_make(struct machine *m, bool listens);
/* `a` allows `b` and connects to it. */
void fixture_join(struct machine *a, struct machine *b);
/* Polls all, until `wanted` comes at machine number `at`; false after FIXTURE_LIMIT_S. */
bool fixture_wait_for(struct machine **all, size_t count, size_t at, enum ob_transport_event_kind wanted,
                      const char *text, struct ob_transport_event *ret_event);
void fixture_publish_until_seen(struct machine **all, size_t count, size_t from, size_t at, const char *text);

#endif
