#include "transport/status_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zmq.h>

#include "base/limits.h"

static enum ob_err exchange(void *socket, const char *path, const char *request, int timeout_ms,
                            char **ret_answer, struct ob_error *error) {
    char endpoint[512];
    int linger = 0;
    int64_t largest = OB_STATUS_MAX;
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &timeout_ms, sizeof timeout_ms);
    zmq_setsockopt(socket, ZMQ_SNDTIMEO, &timeout_ms, sizeof timeout_ms);
    zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest);
    if (snprintf(endpoint, sizeof endpoint, "ipc://%s", path) >= (int)sizeof endpoint ||
        zmq_connect(socket, endpoint) != 0)
        return ob_fail(error, OB_EIO, "%s: cannot connect", path);
    zmq_msg_t answer;
    zmq_msg_init(&answer);
    if (zmq_send(socket, request, strlen(request), 0) < 0 || zmq_msg_recv(&answer, socket, 0) < 0) {
        zmq_msg_close(&answer);
        return ob_fail(error, OB_ETIMEOUT, "%s: no answer within %d ms: the daemon does not run or is stuck",
                       path, timeout_ms);
    }
    size_t bytes = zmq_msg_size(&answer);
    char *copy = malloc(bytes + 1);
    if (copy) {
        memcpy(copy, zmq_msg_data(&answer), bytes);
        copy[bytes] = 0;
        *ret_answer = copy;
    }
    zmq_msg_close(&answer);
    return copy ? OB_OK : ob_fail(error, OB_ENOMEM, "%s: no memory for the answer", path);
}

enum ob_err ob_status_ask(const char *socket_path, const char *request, int timeout_ms, char **ret_answer,
                          struct ob_error *error) {
    struct stat info;
    if (stat(socket_path, &info) != 0)
        return ob_fail(error, OB_ENOTFOUND, "%s: %s: no daemon runs with this state directory", socket_path,
                       strerror(errno));
    void *context = zmq_ctx_new();
    void *socket = context ? zmq_socket(context, ZMQ_REQ) : NULL;
    enum ob_err failed = socket ? exchange(socket, socket_path, request, timeout_ms, ret_answer, error)
                                : ob_fail(error, OB_EIO, "cannot open a socket");
    if (socket)
        zmq_close(socket);
    if (context)
        zmq_ctx_term(context);
    return failed;
}
