/* The status socket: a stream socket in the state directory. A client writes one request and a newline (or
 * ends its writing), reads the answer until its end, and is through.
 *
 * Not ZeroMQ's ipc: libzmq 4.3 aborts the process when it accepts such a connection and no descriptor is
 * left. Here the reserved descriptor (gate.c) makes way, so that an operator is answered in a crowd too. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/access.h"
#include "base/clock.h"
#include "transport/state.h"

#define BACKLOG     64
#define REQUEST_MAX 65536
#define STAY_S      5 /* for a request, and for taking its answer */

static enum ob_err listen_at(struct ob_transport *transport, const char *path, struct ob_error *error) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t before = umask(0177);
    bool bound = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    umask(before);
    if (!bound || chmod(path, 0600) != 0 || listen(fd, BACKLOG) != 0) {
        int why = errno;
        if (fd >= 0)
            close(fd);
        return ob_access_fail(error, path, "cannot create the status socket", why);
    }
    memcpy(transport->status_path, path, strlen(path) + 1);
    transport->status = (struct ob_source){.kind = OB_SOURCE_STATUS, .fd = fd};
    return ob_poll_add(transport, &transport->status, error);
}

enum ob_err ob_status_bind(struct ob_transport *transport, const char *path, struct ob_error *error) {
    if (strlen(path) >= sizeof((struct sockaddr_un *)0)->sun_path || strlen(path) >= OB_ENDPOINT_MAX)
        return ob_fail(error, OB_EUSAGE,
                       "%s: a socket path is limited to 107 bytes; choose a shorter state_dir", path);
    struct stat left; /* by a crash: the state directory's lock says that nobody uses it */
    if (lstat(path, &left) == 0 && !S_ISSOCK(left.st_mode))
        return ob_fail(error, OB_EBUSY,
                       "%s: not a socket, but in the place of the status socket; move it away", path);
    unlink(path);
    return listen_at(transport, path, error);
}

static void dismiss(struct ob_transport *transport, struct ob_status_client *client) {
    int fd = client->source.fd;
    ob_poll_remove(transport, &client->source);
    if (fd >= 0)
        close(fd);
    free(client->data);
    *client = (struct ob_status_client){.source.fd = -1};
    if (transport->status_asker == client)
        transport->status_asker = NULL;
    ob_gate_reserve(transport);
}

void ob_status_unbind(struct ob_transport *transport) {
    for (size_t i = 0; i < OB_STATUS_CLIENTS; i++)
        if (transport->status_clients[i].source.owner)
            dismiss(transport, &transport->status_clients[i]);
    int fd = transport->status.fd;
    ob_poll_remove(transport, &transport->status);
    if (fd >= 0)
        close(fd);
    if (transport->status_path[0])
        unlink(transport->status_path);
}

/* When all are taken, whoever has not said what it wants for the longest time makes way. NULL: all are being answered. */
static struct ob_status_client *free_place(struct ob_transport *transport) {
    struct ob_status_client *idle = NULL;
    for (size_t i = 0; i < OB_STATUS_CLIENTS; i++) {
        struct ob_status_client *client = &transport->status_clients[i];
        if (!client->source.owner)
            return client;
        if (!client->answering && client != transport->status_asker &&
            (!idle || client->number < idle->number))
            idle = client;
    }
    if (idle)
        dismiss(transport, idle);
    return idle;
}

static int accept_one(struct ob_transport *transport) {
    int fd = accept4(transport->status.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0 || (errno != EMFILE && errno != ENFILE))
        return fd;
    ob_gate_unreserve(transport);
    fd = accept4(transport->status.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        ob_gate_reserve(transport);
    return fd;
}

enum ob_taken ob_status_accept(struct ob_transport *transport) {
    struct ob_status_client *client = free_place(transport);
    int fd = client ? accept_one(transport) : -1;
    if (fd < 0)
        return OB_TAKEN_NOTHING; /* whoever waits is signalled again */
    *client = (struct ob_status_client){
        .source = {.kind = OB_SOURCE_STATUS_CLIENT, .owner = client, .fd = fd},
        .data = malloc(REQUEST_MAX),
        .until_s = ob_now_s() + STAY_S,
        .number = ++transport->status_count,
    };
    if (!client->data || ob_poll_add(transport, &client->source, NULL))
        dismiss(transport, client);
    return OB_TAKEN_MORE;
}

/* What did not fit into the socket's buffer goes out when there is room. */
static enum ob_taken write_on(struct ob_transport *transport, struct ob_status_client *client) {
    while (client->written < client->bytes) {
        ssize_t wrote = send(client->source.fd, client->data + client->written,
                             client->bytes - client->written, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (wrote < 0 && errno == EAGAIN)
            return OB_TAKEN_NOTHING;
        if (wrote < 0)
            break;
        client->written += (size_t)wrote;
    }
    dismiss(transport, client);
    return OB_TAKEN_MORE;
}

enum ob_taken ob_status_take(struct ob_transport *transport, struct ob_status_client *client,
                             struct ob_transport_event *event) {
    if (client->answering)
        return write_on(transport, client);
    ssize_t got =
        recv(client->source.fd, client->data + client->bytes, REQUEST_MAX - client->bytes, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return OB_TAKEN_NOTHING;
    bool over = got == 0;
    client->bytes += got > 0 ? (size_t)got : 0;
    bool whole = over || (client->bytes > 0 && client->data[client->bytes - 1] == '\n');
    if (got < 0 || (over && client->bytes == 0) || (!whole && client->bytes == REQUEST_MAX)) {
        dismiss(transport, client);
        return OB_TAKEN_MORE;
    }
    if (!whole)
        return OB_TAKEN_MORE;
    transport->status_asker = client;
    event->kind = OB_TRANSPORT_STATUS;
    event->data = client->data;
    event->bytes = client->bytes - (client->data[client->bytes - 1] == '\n');
    return OB_TAKEN_EVENT;
}

void ob_transport_status_reply(struct ob_transport *transport, const void *data, size_t bytes) {
    struct ob_status_client *client = transport->status_asker;
    if (!client)
        return;
    transport->status_asker = NULL;
    if (bytes > OB_STATUS_MAX)
        bytes = OB_STATUS_MAX;
    uint8_t *answer = malloc(bytes + 1);
    struct epoll_event wanted = {.events = EPOLLOUT, .data.ptr = &client->source};
    if (!answer || epoll_ctl(transport->epoll, EPOLL_CTL_MOD, client->source.fd, &wanted) != 0) {
        free(answer);
        dismiss(transport, client);
        return;
    }
    memcpy(answer, data, bytes);
    free(client->data);
    client->data = answer;
    client->bytes = bytes;
    client->answering = true;
    (void)write_on(transport, client);
}

void ob_status_tend(struct ob_transport *transport) {
    uint64_t now = ob_now_s();
    for (size_t i = 0; i < OB_STATUS_CLIENTS; i++)
        if (transport->status_clients[i].source.owner && now >= transport->status_clients[i].until_s)
            dismiss(transport, &transport->status_clients[i]);
}
