/* names - endpoints with host names become endpoints with numbers, before ZeroMQ sees them: it looks names up
 * on the one thread that carries all messages. */
#include <stdio.h>
#include <string.h>

#include "transport/state.h"

enum ob_err ob_names_open(struct ob_transport *transport, struct ob_error *error) {
    enum ob_err failed = ob_resolver_new(&transport->resolver, error);
    if (failed)
        return failed;
    transport->names = (struct ob_source){.kind = OB_SOURCE_NAMES, .fd = ob_resolver_fd(transport->resolver)};
    return ob_poll_add(transport, &transport->names, error);
}

void ob_names_close(struct ob_transport *transport) {
    if (transport->resolver)
        ob_poll_remove(transport, &transport->names);
    ob_resolver_free(transport->resolver);
    transport->resolver = NULL;
}

enum ob_lookup ob_names_look(struct ob_transport *transport, const char *endpoint, uint64_t max_age_s,
                             unsigned turn, char *ret_number, char *ret_why) {
    char host[OB_ENDPOINT_MAX];
    uint16_t port;
    struct ob_error error;
    struct ob_resolved resolved;
    if (ob_endpoint_parse(endpoint, host, &port, &error)) {
        (void)snprintf(ret_why, OB_TROUBLE_TEXT_MAX, "%.200s", error.text);
        return OB_LOOKUP_FAILED;
    }
    enum ob_lookup result = ob_resolver_look(transport->resolver, host, max_age_s, &resolved);
    if (result == OB_LOOKUP_FAILED)
        (void)snprintf(ret_why, OB_TROUBLE_TEXT_MAX, "cannot resolve %.120s: %s", host, resolved.why);
    if (result != OB_LOOKUP_FOUND)
        return result;
    const char *number = resolved.numbers[turn % resolved.count];
    (void)snprintf(ret_number, OB_ENDPOINT_MAX, strchr(number, ':') ? "tcp://[%s]:%u" : "tcp://%s:%u", number,
                   port);
    return OB_LOOKUP_FOUND;
}
