/* poll - what can be waited for, in one epoll set; the sources that are ready, in a queue. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "transport/state.h"

#define SEEN_MAX 64

void ob_poll_mark(struct ob_transport *transport, struct ob_source *source) {
    if (source->ready)
        return;
    source->ready = true;
    source->after = NULL;
    source->before = transport->ready_last;
    if (transport->ready_last)
        transport->ready_last->after = source;
    else
        transport->ready_first = source;
    transport->ready_last = source;
}

static void unmark(struct ob_transport *transport, struct ob_source *source) {
    if (!source->ready)
        return;
    if (source->before)
        source->before->after = source->after;
    else
        transport->ready_first = source->after;
    if (source->after)
        source->after->before = source->before;
    else
        transport->ready_last = source->before;
    source->before = source->after = NULL;
    source->ready = false;
}

enum ob_err ob_poll_add(struct ob_transport *transport, struct ob_source *source, struct ob_error *error) {
    size_t size = sizeof source->fd;
    if (source->socket && zmq_getsockopt(source->socket, ZMQ_FD, &source->fd, &size) != 0)
        return ob_fail(error, OB_EIO, "cannot wait for a socket: %s", zmq_strerror(zmq_errno()));
    struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = source};
    if (epoll_ctl(transport->epoll, EPOLL_CTL_ADD, source->fd, &wanted) != 0)
        return ob_fail(error, OB_EIO, "cannot wait for a socket: %s", strerror(errno));
    ob_poll_mark(transport, source); /* what came before it was watched */
    return OB_OK;
}

void ob_poll_remove(struct ob_transport *transport, struct ob_source *source) {
    unmark(transport, source);
    if (source->fd >= 0)
        (void)epoll_ctl(transport->epoll, EPOLL_CTL_DEL, source->fd, NULL);
    source->fd = -1;
}

struct ob_source *ob_poll_next(struct ob_transport *transport) {
    struct ob_source *source = transport->ready_first;
    if (source)
        unmark(transport, source);
    return source;
}

enum ob_err ob_poll_wait(struct ob_transport *transport, int timeout_ms, struct ob_error *error) {
    struct epoll_event seen[SEEN_MAX];
    int count = epoll_wait(transport->epoll, seen, SEEN_MAX, timeout_ms);
    if (count < 0 && errno != EINTR)
        return ob_fail(error, OB_EIO, "waiting for messages: %s", strerror(errno));
    for (int i = 0; i < count; i++)
        ob_poll_mark(transport, seen[i].data.ptr);
    return OB_OK;
}

enum ob_err ob_source_open(struct ob_transport *transport, struct ob_source *source, enum ob_source_kind kind,
                           void *owner, void *socket, struct ob_error *error) {
    *source = (struct ob_source){.kind = kind, .owner = owner, .socket = socket, .fd = -1};
    if (!socket)
        return ob_fail(error, OB_EIO, "cannot open a socket: %s", zmq_strerror(zmq_errno()));
    enum ob_err failed = ob_poll_add(transport, source, error);
    if (failed) {
        zmq_close(socket);
        source->socket = NULL;
    }
    return failed;
}

void ob_source_close(struct ob_transport *transport, struct ob_source *source) {
    if (!source->socket)
        return;
    ob_poll_remove(transport, source);
    zmq_close(source->socket);
    source->socket = NULL;
}
