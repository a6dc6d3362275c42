/* What a service manager hears. A socket of ours stands for systemd's. */
#include "tests/unit/cmocka_all.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/service.h"
#include "tests/support/folder.h"

static const char *text(const char *life, uint32_t round, uint32_t rounds, double loss, double left_s) {
    static char buffer[OB_SERVICE_TEXT_MAX];
    struct ob_service_news news = {life, round, rounds, loss, left_s};
    return ob_service_text(&news, buffer);
}

static void status_in_words(void **state) {
    (void)state;
    assert_string_equal(text("training", 812, 20000, 2.31, 9 * 3600),
                        "round 812 of 20000, loss 2.31, 9 h left");
    assert_string_equal(text("waiting", 1, 20000, (double)NAN, (double)NAN), "waiting; round 1 of 20000");
    assert_string_equal(text("training", 5, 10, 7.25, 100), "round 5 of 10, loss 7.25, 100 s left");
    assert_string_equal(text("training", 5, 10, 7.25, 3600), "round 5 of 10, loss 7.25, 60 min left");
    assert_string_equal(text("training", 5, 10, 7.25, 8 * 86400), "round 5 of 10, loss 7.25, 8 d left");
    assert_string_equal(text("finished", 10, 10, 7.25, 0), "finished; round 10 of 10, loss 7.25");
    assert_string_equal(text("fetching the manifest", 0, 0, (double)NAN, (double)NAN),
                        "fetching the manifest");
}

#ifdef OB_HAVE_SYSTEMD
static void heard(int socket, const char *expected) {
    char got[512];
    ssize_t bytes = recv(socket, got, sizeof got - 1, MSG_DONTWAIT);
    assert_true(bytes >= 0);
    got[bytes] = 0;
    assert_string_equal(got, expected);
}

static void nothing_heard(int socket) {
    char got[8];
    assert_true(recv(socket, got, sizeof got, MSG_DONTWAIT) < 0);
}

static void ready_status_and_liveness(void **state) {
    (void)state;
    struct test_folder folder;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct ob_service service;
    struct ob_service_news news = {"training", 3, 9, 1.5, (double)NAN};
    test_folder_make(&folder);
    char path[TEST_PATH_MAX];
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s",
                   test_folder_path(&folder, "notify", path));
    int socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(socket_fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", address.sun_path, 1), 0);
    assert_int_equal(setenv("WATCHDOG_USEC", "4000000", 1), 0);
    ob_service_init(&service);
    assert_true(ob_service_tend(&service, 1000 * OB_SECOND_NS));
    heard(socket_fd, "WATCHDOG=1");
    ob_service_tell(&service, &news, 1000 * OB_SECOND_NS);
    heard(socket_fd, "READY=1\nSTATUS=round 3 of 9, loss 1.5");
    assert_false(ob_service_tend(&service, 1001 * OB_SECOND_NS));
    nothing_heard(socket_fd); /* half of what is allowed has not passed */
    assert_false(ob_service_tend(&service, 1002 * OB_SECOND_NS));
    heard(socket_fd, "WATCHDOG=1");
    assert_true(ob_service_tend(&service, 1006 * OB_SECOND_NS));
    heard(socket_fd, "WATCHDOG=1");
    ob_service_tell(&service, &news, 1006 * OB_SECOND_NS);
    heard(socket_fd, "STATUS=round 3 of 9, loss 1.5");
    ob_service_stopping();
    heard(socket_fd, "STOPPING=1\nSTATUS=leaving");
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("WATCHDOG_USEC");
    ob_service_init(&service); /* nobody listens */
    assert_int_equal(service.alive_every_ns, 0);
    ob_service_tell(&service, &news, 0);
    nothing_heard(socket_fd);
    (void)close(socket_fd);
    test_folder_remove(&folder);
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_in_words),
#ifdef OB_HAVE_SYSTEMD
        cmocka_unit_test(ready_status_and_liveness),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
