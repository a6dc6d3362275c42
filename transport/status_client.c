#include "transport/status_client.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/access.h"
#include "base/limits.h"
#include "base/path.h"

#define READ_BYTES 65536

static enum ob_err late(const char *path, int timeout_ms, struct ob_error *error) {
    if (errno == EACCES || errno == EPERM)
        return ob_access_fail(error, path, "cannot ask the daemon", errno);
    if (errno == ECONNREFUSED) /* it was killed: its socket is left, and nobody listens */
        return ob_fail(error, OB_ENOTFOUND, "%s: no daemon is running with this state directory", path);
    if (errno != EAGAIN && errno != EINPROGRESS)
        return ob_fail(error, OB_EIO, "%s: %s", path, strerror(errno));
    return ob_fail(error, OB_ETIMEOUT, "%s: no answer within %d ms: the daemon is not running, or is stuck",
                   path, timeout_ms);
}

static bool say(int fd, const char *text, size_t bytes) {
    while (bytes > 0) {
        ssize_t wrote = send(fd, text, bytes, MSG_NOSIGNAL);
        if (wrote < 0)
            return false;
        text += wrote;
        bytes -= (size_t)wrote;
    }
    return true;
}

/* Until the daemon ends the connection. */
static enum ob_err read_answer(int fd, const char *path, int timeout_ms, char **ret_answer,
                               struct ob_error *error) {
    size_t bytes = 0, room = 0;
    char *answer = NULL;
    for (;;) {
        if (room < bytes + READ_BYTES + 1) {
            room = 2 * room + READ_BYTES + 1;
            char *more = realloc(answer, room);
            if (!more) {
                free(answer);
                return ob_fail(error, OB_ENOMEM, "%s: not enough memory for the answer", path);
            }
            answer = more;
        }
        ssize_t got = recv(fd, answer + bytes, READ_BYTES, 0);
        if (got <= 0 || (bytes += (size_t)got) > OB_STATUS_MAX) {
            enum ob_err failed = OB_OK;
            if (got < 0)
                failed = late(path, timeout_ms, error);
            else if (bytes == 0 || bytes > OB_STATUS_MAX)
                failed = ob_fail(error, OB_EIO, "%s: cannot read the daemon's answer", path);
            answer[failed ? 0 : bytes] = 0;
            if (failed)
                free(answer);
            else
                *ret_answer = answer;
            return failed;
        }
    }
}

enum ob_err ob_status_ask(const char *state_dir, const char *request, int timeout_ms, char **ret_answer,
                          struct ob_error *error) {
    char socket_path[OB_PATH_MAX];
    struct stat info;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
    enum ob_err failed = ob_path_join(socket_path, state_dir, OB_STATUS_SOCKET, error);
    if (failed)
        return failed;
    if (stat(socket_path, &info) != 0 && errno == EACCES)
        return ob_access_fail(error, socket_path, "cannot ask the daemon", errno);
    if (stat(socket_path, &info) != 0)
        return ob_fail(error, OB_ENOTFOUND, "%s: %s: no daemon is running with this state directory",
                       socket_path, strerror(errno));
    if (strlen(socket_path) >= sizeof address.sun_path)
        return ob_fail(error, OB_EUSAGE, "%s: a socket path is limited to 107 bytes; use a shorter one",
                       socket_path);
    memcpy(address.sun_path, socket_path, strlen(socket_path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return ob_fail(error, OB_EIO, "cannot open a socket: %s", strerror(errno));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0 || !say(fd, request, strlen(request)) ||
        !say(fd, "\n", 1))
        failed = late(socket_path, timeout_ms, error);
    else
        failed = read_answer(fd, socket_path, timeout_ms, ret_answer, error);
    close(fd);
    return failed;
}
