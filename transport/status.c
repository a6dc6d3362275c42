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
    transport->status = zmq_socket(transport->context, ZMQ_ROUTER);
    if (!transport->status)
        return ob_fail(error, OB_EIO, "cannot open a socket: %s", zmq_strerror(zmq_errno()));
    int64_t largest = REQUEST_MAX;
    int linger = 200;
    zmq_setsockopt(transport->status, ZMQ_MAXMSGSIZE, &largest, sizeof largest);
    zmq_setsockopt(transport->status, ZMQ_LINGER, &linger, sizeof linger);
    (void)snprintf(endpoint, sizeof endpoint, "ipc://%s", path);
    struct stat left; /* by a crash: the state directory's lock says that nobody uses it */
    if (lstat(path, &left) == 0 && !S_ISSOCK(left.st_mode))
        return ob_fail(error, OB_EBUSY, "%s: is in the way of the status socket and is not one; move it",
                       path);
    unlink(path);
    mode_t before = umask(0177);
    int failed = zmq_bind(transport->status, endpoint);
    umask(before);
    if (failed || chmod(path, 0600) != 0)
        return ob_fail(error, OB_EIO, "%s: cannot make the status socket: %s", path,
                       zmq_strerror(zmq_errno()));
    memcpy(transport->status_path, path, strlen(path) + 1);
    return OB_OK;
}

void ob_status_unbind(struct ob_transport *transport) {
    if (transport->status_open)
        zmq_msg_close(&transport->status_id);
    if (transport->status)
        zmq_close(transport->status);
    if (transport->status_path[0])
        unlink(transport->status_path);
}

static bool more_parts(void *socket) {
    int more = 0;
    size_t size = sizeof more;
    zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size);
    return more != 0;
}

bool ob_status_take(struct ob_transport *transport, struct ob_transport_event *event) {
    zmq_msg_t id;
    zmq_msg_init(&id);
    if (!transport->status || zmq_msg_recv(&id, transport->status, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&id);
        return false;
    }
    /* a REQ socket sends id, an empty part, the request; the last part is the request */
    while (more_parts(transport->status)) {
        if (transport->frame_open)
            zmq_msg_close(&transport->frame);
        zmq_msg_init(&transport->frame);
        transport->frame_open = true;
        if (zmq_msg_recv(&transport->frame, transport->status, ZMQ_DONTWAIT) < 0)
            break;
    }
    if (transport->status_open)
        zmq_msg_close(&transport->status_id);
    transport->status_id = id;
    transport->status_open = true;
    event->kind = OB_TRANSPORT_STATUS;
    event->data = transport->frame_open ? zmq_msg_data(&transport->frame) : (const uint8_t *)"";
    event->bytes = transport->frame_open ? zmq_msg_size(&transport->frame) : 0;
    return true;
}

void ob_transport_status_reply(struct ob_transport *transport, const void *data, size_t bytes) {
    if (!transport->status_open)
        return;
    if (zmq_msg_send(&transport->status_id, transport->status, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
        zmq_msg_close(&transport->status_id);
    else if (zmq_send_const(transport->status, "", 0, ZMQ_SNDMORE | ZMQ_DONTWAIT) == 0)
        zmq_send(transport->status, data, bytes < OB_STATUS_MAX ? bytes : OB_STATUS_MAX, ZMQ_DONTWAIT);
    transport->status_open = false;
}
