#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "transport/state.h"

#define REQUEST_MAX 65536

enum ob_err ob_status_bind(struct ob_transport *transport, const char *path, struct ob_error *error) {
    char endpoint[OB_ENDPOINT_MAX + 8];
    if (strlen(path) >= sizeof((struct sockaddr_un *)0)->sun_path || strlen(path) >= OB_ENDPOINT_MAX)
        return ob_fail(error, OB_EUSAGE,
                       "%s: a socket's path has at most 107 bytes; choose a shorter state_dir", path);
    void *socket = zmq_socket(transport->context, ZMQ_ROUTER);
    enum ob_err failed = ob_source_open(transport, &transport->status, OB_SOURCE_STATUS, NULL, socket, error);
    if (failed)
        return failed;
    int64_t largest = REQUEST_MAX;
    int linger = 200;
    zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest);
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    (void)snprintf(endpoint, sizeof endpoint, "ipc://%s", path);
    struct stat left; /* by a crash: the state directory's lock says that nobody uses it */
    if (lstat(path, &left) == 0 && !S_ISSOCK(left.st_mode))
        return ob_fail(error, OB_EBUSY, "%s: is in the way of the status socket and is not one; move it",
                       path);
    unlink(path);
    mode_t before = umask(0177);
    int bound = zmq_bind(socket, endpoint);
    umask(before);
    if (bound != 0 || chmod(path, 0600) != 0)
        return ob_fail(error, OB_EIO, "%s: cannot make the status socket: %s", path,
                       zmq_strerror(zmq_errno()));
    memcpy(transport->status_path, path, strlen(path) + 1);
    return OB_OK;
}

void ob_status_unbind(struct ob_transport *transport) {
    if (transport->status_open)
        zmq_msg_close(&transport->status_id);
    ob_source_close(transport, &transport->status);
    if (transport->status_path[0])
        unlink(transport->status_path);
}

static bool more_parts(void *socket) {
    int more = 0;
    size_t size = sizeof more;
    zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size);
    return more != 0;
}

enum ob_taken ob_status_take(struct ob_transport *transport, struct ob_transport_event *event) {
    zmq_msg_t id;
    void *socket = transport->status.socket;
    zmq_msg_init(&id);
    if (zmq_msg_recv(&id, socket, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&id);
        return OB_TAKEN_NOTHING;
    }
    /* a REQ socket sends id, an empty part, the request; the last part is the request */
    while (more_parts(socket))
        if (!ob_frame_receive(transport, socket))
            break;
    if (transport->status_open)
        zmq_msg_close(&transport->status_id);
    transport->status_id = id;
    transport->status_open = true;
    event->kind = OB_TRANSPORT_STATUS;
    event->data = transport->frame_open ? zmq_msg_data(&transport->frame) : (const uint8_t *)"";
    event->bytes = transport->frame_open ? zmq_msg_size(&transport->frame) : 0;
    return OB_TAKEN_EVENT;
}

void ob_transport_status_reply(struct ob_transport *transport, const void *data, size_t bytes) {
    if (!transport->status_open)
        return;
    void *socket = transport->status.socket;
    if (zmq_msg_send(&transport->status_id, socket, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
        zmq_msg_close(&transport->status_id);
    else if (zmq_send_const(socket, "", 0, ZMQ_SNDMORE | ZMQ_DONTWAIT) == 0)
        zmq_send(socket, data, bytes < OB_STATUS_MAX ? bytes : OB_STATUS_MAX, ZMQ_DONTWAIT);
    transport->status_open = false;
    ob_watch_mark(transport, &transport->status);
}
