/* A member that sends more than is read at the time, and resets its connections: libzmq (4.3.4) stops reading
 * from a connection whose queue is full, notes the reset, and aborts the process when it has to write to it
 * for its own heartbeats' sake ("Assertion failed: !_io_error"). No input may end a daemon. */
#include "tests/unit/transport/fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/hostile/wire_tap.h"

#define FRAMES    400 /* more than OB_RECEIVE_QUEUE_MAX: the victim's queue is full */
#define QUIET_S   8   /* longer than any heartbeat: what libzmq does by itself, it does meanwhile */
#define ATTACKERS 4

static void rest(long ms) {
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static void attack(struct machine *victim, struct machine *attacker, struct wire_tap *tap, unsigned port) {
    struct machine *both[2] = {victim, attacker};
    struct ob_transport_event event;
    char endpoint[64];
    static const char FRAME[64];
    (void)snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%u", port);
    assert_int_equal(ob_transport_allow(victim->transport, &attacker->identity.machine, NULL), OB_OK);
    assert_int_equal(ob_transport_connect(attacker->transport, &victim->identity.machine, endpoint, NULL),
                     OB_OK);
    assert_true(fixture_wait_for(both, 2, 1, OB_TRANSPORT_LINK_UP, NULL, &event));
    for (int i = 0; i < FRAMES; i++)
        (void)ob_transport_send(attacker->transport, &victim->identity.machine, FRAME, sizeof FRAME);
    rest(500); /* until they are there */
    wire_tap_reset(tap);
}

/* In a process of its own, because the fault is an abort. */
static int scenario(void) {
    struct machine victim, attackers[ATTACKERS], friend;
    struct ob_transport_event event;
    fixture_make(&victim, true);
    unsigned to, port = fixture_next_port();
    (void)sscanf(victim.endpoint, "tcp://127.0.0.1:%u", &to);
    struct wire_tap *tap = wire_tap_open(port, to);
    assert_non_null(tap);
    for (size_t i = 0; i < ATTACKERS; i++) {
        fixture_make(&attackers[i], false);
        attack(&victim, &attackers[i], tap, port);
    }
    rest(QUIET_S * 1000L);
    fixture_make(&friend, false);
    assert_int_equal(ob_transport_allow(victim.transport, &friend.identity.machine, NULL), OB_OK);
    fixture_join(&friend, &victim);
    assert_true(
        fixture_wait_for((struct machine *[]){&victim, &friend}, 2, 1, OB_TRANSPORT_LINK_UP, NULL, &event));
    for (size_t i = 0; i < ATTACKERS; i++)
        ob_transport_free(attackers[i].transport);
    ob_transport_free(friend.transport);
    ob_transport_free(victim.transport);
    wire_tap_close(tap);
    return 0;
}

static void unread_frames_and_a_reset_do_not_end_the_process(void **state) {
    (void)state;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(scenario());
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status))
        fail_msg("the process was ended by signal %d", WTERMSIG(status));
    assert_int_equal(status, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(unread_frames_and_a_reset_do_not_end_the_process, fixture_setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
