/* What a person is told of a run: states of machines in a word, and problems that are none. */
#include "tests/unit/cmocka_all.h"

#include <math.h>
#include <string.h>

#include "daemon/problems.h"

#define DAY 86400ull
#define NOW (1000 * DAY)

static const struct ob_health HEALTH = {.loss = {.first = NAN, .last = NAN}, .busy = NAN};

static struct ob_status status_of(struct ob_status_machine *machine) {
    *machine = (struct ob_status_machine){.name = "bob",
                                          .peer = {.has_records = true, .admitted = true},
                                          .last_record_s = 100,
                                          .last_heard_s = 100,
                                          .rate = NAN,
                                          .loss = NAN};
    return (struct ob_status){.life = "training",
                              .max_rounds = 20,
                              .health = &HEALTH,
                              .peer = {.certified = true},
                              .machines = machine,
                              .machine_count = 1};
}

static bool is_told(const struct ob_status *status, const char *kind, const char *machine) {
    struct ob_problems problems;
    ob_problems_of(status, NOW, &problems);
    for (size_t i = 0; i < problems.count; i++)
        if (strcmp(problems.items[i].kind, kind) == 0 && strcmp(problems.items[i].machine, machine) == 0)
            return true;
    return false;
}

/* Silent before its last round; finished behind it, whether it is heard or not. */
static void a_machine_that_has_done_all_rounds_is_finished(void **state) {
    (void)state;
    struct ob_status_machine machine;
    struct ob_status status = status_of(&machine);
    machine.peer.head_round.index = 18;
    assert_string_equal(ob_machine_state(&status, &machine, NOW), "silent");
    assert_true(is_told(&status, "silent", "bob"));
    machine.peer.head_round.index = 19;
    assert_string_equal(ob_machine_state(&status, &machine, NOW), "finished");
    assert_false(is_told(&status, "silent", "bob"));
    machine.last_heard_s = 1;
    assert_string_equal(ob_machine_state(&status, &machine, NOW), "finished");
    machine.peer.left = true;
    assert_string_equal(ob_machine_state(&status, &machine, NOW), "left");
}

static void certificates_warn_a_week_before(void **state) {
    (void)state;
    struct ob_status_machine machine;
    struct ob_status status = status_of(&machine);
    machine.peer.expiry_s = NOW + 8 * DAY;
    status.expires_s = NOW + 8 * DAY;
    assert_false(is_told(&status, "expires", "") || is_told(&status, "expires", "bob"));
    status.expires_s = NOW + 6 * DAY;
    assert_true(is_told(&status, "expires", "") && !is_told(&status, "expires", "bob"));
    machine.peer.expiry_s = NOW + 6 * DAY;
    assert_true(is_told(&status, "expires", "bob"));
    status.expires_s = 0; /* never */
    assert_false(is_told(&status, "expires", ""));
    status.expires_s = NOW - DAY;
    assert_true(is_told(&status, "expires", ""));
}

/* What waits for milliseconds is on its way. */
static void weights_that_are_behind_the_log_are_told(void **state) {
    (void)state;
    struct ob_status_machine machine;
    struct ob_status status = status_of(&machine);
    status.work.waiting_samples = 20000;
    assert_false(is_told(&status, "replaying", "")); /* nothing has been replayed yet: who knows? */
    status.work.replay_seconds = 0.0001;
    assert_false(is_told(&status, "replaying", ""));
    status.work.replay_seconds = 0.001;
    assert_true(is_told(&status, "replaying", ""));
    struct ob_problems problems;
    ob_problems_of(&status, NOW, &problems);
    const struct ob_problem *told = &problems.items[0]; /* of this machine: before the others' */
    assert_string_equal(told->kind, "replaying");
    assert_false(told->critical);
    assert_string_equal(told->text,
                        "the weights are 20000 samples behind the log: about 20 s of replay, between this "
                        "machine's own samples");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_machine_that_has_done_all_rounds_is_finished),
        cmocka_unit_test(weights_that_are_behind_the_log_are_told),
        cmocka_unit_test(certificates_warn_a_week_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
