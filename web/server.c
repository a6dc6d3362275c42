#include "web/server.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "web/page.h"
#include "web/sources.h"
#include "web/streams.h"

#define TURN_MS 200 /* how late a connection's end, or ours, is noticed */
#define BACKLOG 16

struct connection {
    int fd; /* -1: none */
    bool streams;
    uint64_t since_ns;
};

struct ob_web {
    struct ob_web_access access;
    struct ob_web_sources sources;
    struct ob_web_streams streams;
    char policy[OB_WEB_POLICY_MAX];
    struct MHD_Daemon *http;
    struct connection connections[OB_WEB_CONNECTIONS];
    pthread_t thread;
    atomic_bool stop;
};

static const struct route {
    const char *path, *type;
    enum ob_web_source source;
} ROUTES[] = {
    {"/status.json", "application/json", OB_WEB_STATUS},
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", OB_WEB_METRICS},
    {"/history.csv", "text/csv; charset=utf-8", OB_WEB_HISTORY},
    {"/frontiers.csv", "text/csv; charset=utf-8", OB_WEB_FRONTIERS},
};

/* ---- answers ---- */

static enum MHD_Result answer(const struct ob_web *web, struct MHD_Connection *connection, unsigned code,
                              const char *type, struct MHD_Response *response) {
    const struct {
        const char *name, *value;
    } headers[] = {
        {MHD_HTTP_HEADER_CONTENT_TYPE, type},  {"Content-Security-Policy", web->policy},
        {"X-Content-Type-Options", "nosniff"}, {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Referrer-Policy", "no-referrer"},    {MHD_HTTP_HEADER_CACHE_CONTROL, "no-store"},
        {MHD_HTTP_HEADER_CONNECTION, "close"},
    };
    bool good = response != NULL;
    for (size_t i = 0; good && i < sizeof headers / sizeof *headers; i++)
        good = MHD_add_response_header(response, headers[i].name, headers[i].value) == MHD_YES;
    if (good && code == MHD_HTTP_UNAUTHORIZED)
        good = MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer") == MHD_YES;
    if (good && code == MHD_HTTP_METHOD_NOT_ALLOWED)
        good = MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD") == MHD_YES;
    enum MHD_Result result = good ? MHD_queue_response(connection, code, response) : MHD_NO;
    if (response)
        MHD_destroy_response(response);
    return result;
}

static enum MHD_Result refuse(const struct ob_web *web, struct MHD_Connection *connection, unsigned code,
                              const char *text) {
    return answer(
        web, connection, code, "text/plain; charset=utf-8",
        MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY));
}

static enum MHD_Result serve_source(struct ob_web *web, struct MHD_Connection *connection,
                                    const struct route *route) {
    struct ob_error error = {0};
    char *text = NULL;
    size_t bytes = 0;
    if (ob_web_source_text(&web->sources, route->source, &text, &bytes, &error)) {
        char line[OB_ERROR_TEXT_MAX + 2];
        (void)snprintf(line, sizeof line, "%s\n", error.text);
        return refuse(web, connection, MHD_HTTP_SERVICE_UNAVAILABLE, line);
    }
    struct MHD_Response *response = MHD_create_response_from_buffer(bytes, text, MHD_RESPMEM_MUST_FREE);
    if (!response)
        free(text);
    return answer(web, connection, MHD_HTTP_OK, route->type, response);
}

static enum MHD_Result serve_page(const struct ob_web *web, struct MHD_Connection *connection) {
    size_t bytes;
    const char *page = ob_web_page(&bytes);
    return answer(web, connection, MHD_HTTP_OK, "text/html; charset=utf-8",
                  MHD_create_response_from_buffer(bytes, (void *)(uintptr_t)page, MHD_RESPMEM_PERSISTENT));
}

static enum MHD_Result serve_stream(struct ob_web *web, struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct connection *place = info ? info->socket_context : NULL;
    struct MHD_Response *response = place ? ob_web_stream_open(&web->streams, connection) : NULL;
    if (!response)
        return refuse(web, connection, MHD_HTTP_SERVICE_UNAVAILABLE,
                      "too many listen already; ask for /status.json now and then\n");
    place->streams = true;
    return answer(web, connection, MHD_HTTP_OK, "text/event-stream", response);
}

/* Answered at the first call, before any body: what else comes is not read. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_bytes, void **request) {
    struct ob_web *web = context;
    (void)version, (void)data, (void)data_bytes, (void)request;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return refuse(web, connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
    const char *host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);
    const char *authorization =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
    const char *argument = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "token");
    if (!ob_web_access_host(&web->access, host))
        return refuse(web, connection, MHD_HTTP_FORBIDDEN,
                      "without a token, use the name localhost or the address 127.0.0.1\n");
    if (!ob_web_access_token(&web->access, authorization, argument))
        return refuse(web, connection, MHD_HTTP_UNAUTHORIZED,
                      "add ?token=TOKEN to the address, or send the header Authorization: Bearer TOKEN\n");
    if (strcmp(url, "/") == 0)
        return serve_page(web, connection);
    if (strcmp(url, "/events") == 0)
        return serve_stream(web, connection);
    for (size_t i = 0; i < sizeof ROUTES / sizeof *ROUTES; i++)
        if (strcmp(url, ROUTES[i].path) == 0)
            return serve_source(web, connection, &ROUTES[i]);
    return refuse(web, connection, MHD_HTTP_NOT_FOUND, "not found\n");
}

/* ---- connections ---- */

static void on_connection(void *context, struct MHD_Connection *connection, void **ret_place,
                          enum MHD_ConnectionNotificationCode what) {
    struct ob_web *web = context;
    struct connection *place = *ret_place;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (place)
            place->fd = -1;
        return;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    for (size_t i = 0; info && i < OB_WEB_CONNECTIONS; i++)
        if (web->connections[i].fd < 0) {
            web->connections[i] = (struct connection){.fd = info->connect_fd, .since_ns = ob_now_ns()};
            *ret_place = &web->connections[i];
            return;
        }
}

static void end_late(struct ob_web *web) {
    uint64_t now_ns = ob_now_ns();
    for (size_t i = 0; i < OB_WEB_CONNECTIONS; i++) {
        const struct connection *connection = &web->connections[i];
        if (connection->fd >= 0 && !connection->streams &&
            now_ns - connection->since_ns > OB_WEB_SECONDS * OB_SECOND_NS)
            (void)shutdown(connection->fd, SHUT_RDWR);
    }
}

static void *work(void *context) {
    struct ob_web *web = context;
    while (!atomic_load(&web->stop)) {
        if (MHD_run_wait(web->http, TURN_MS) != MHD_YES)
            (void)usleep(TURN_MS * 1000);
        end_late(web);
        ob_web_streams_tend(&web->streams, ob_now_ns());
    }
    return NULL;
}

/* ---- opening ---- */

static enum ob_err listen_at(const struct ob_web_access *access, int *ret_fd, struct ob_error *error) {
    int on = 1;
    int fd = socket(access->address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return ob_fail(error, OB_EIO, "[status] http: cannot open a socket: %s", strerror(errno));
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, &access->address.any, access->address_bytes) != 0 || listen(fd, BACKLOG) != 0) {
        int why = errno;
        close(fd);
        return ob_fail(error, OB_EIO, "[status] http: cannot listen there: %s%s", strerror(why),
                       why == EADDRINUSE ? "; another program does, choose another port" : "");
    }
    *ret_fd = fd;
    return OB_OK;
}

static enum ob_err start(struct ob_web *web, int fd, struct ob_error *error) {
    web->http = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, web, MHD_OPTION_LISTEN_SOCKET,
        fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)OB_WEB_CONNECTIONS, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        (unsigned)OB_WEB_CONNECTIONS_EACH, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)OB_WEB_SECONDS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)OB_WEB_REQUEST_BYTES, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, web, MHD_OPTION_END);
    if (!web->http)
        return ob_fail(error, OB_EIO, "[status] http: cannot start libmicrohttpd: %s", strerror(errno));
    int why = pthread_create(&web->thread, NULL, work, web);
    if (why == 0)
        return OB_OK;
    MHD_stop_daemon(web->http);
    return ob_fail(error, OB_EIO, "[status] http: cannot start a thread: %s", strerror(why));
}

enum ob_err ob_web_open(const struct ob_web_access *access, const char *state_dir, struct ob_web **ret_web,
                        struct ob_error *error) {
    int fd = -1;
    struct ob_web *web = calloc(1, sizeof *web);
    if (!web)
        return ob_fail(error, OB_ENOMEM, "[status] http: out of memory");
    web->access = *access;
    (void)snprintf(web->sources.state_dir, sizeof web->sources.state_dir, "%s", state_dir);
    web->streams.sources = &web->sources;
    ob_web_page_policy(web->policy);
    atomic_init(&web->stop, false);
    for (size_t i = 0; i < OB_WEB_CONNECTIONS; i++)
        web->connections[i].fd = -1;
    enum ob_err failed = listen_at(access, &fd, error);
    if (!failed)
        failed = start(web, fd, error);
    if (failed) {
        free(web);
        return failed;
    }
    *ret_web = web;
    return OB_OK;
}

void ob_web_close(struct ob_web *web) {
    if (!web)
        return;
    atomic_store(&web->stop, true);
    (void)pthread_join(web->thread, NULL);
    ob_web_streams_end(&web->streams);
    (void)MHD_run(web->http);
    MHD_stop_daemon(web->http);
    ob_web_sources_done(&web->sources);
    free(web);
}
