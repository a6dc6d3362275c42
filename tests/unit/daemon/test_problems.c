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
                                          .link_s = NAN,
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

/* The text of the first problem of a kind. */
static void expect_text(const struct ob_status *status, const char *kind, const char *wanted) {
    struct ob_problems problems;
    ob_problems_of(status, NOW, &problems);
    for (size_t i = 0; i < problems.count; i++)
        if (strcmp(problems.items[i].kind, kind) == 0) {
            assert_string_equal(problems.items[i].text, wanted);
            return;
        }
    fail_msg("no problem %s", kind);
}

static void silence_is_told_with_its_length(void **state) {
    (void)state;
    struct ob_status_machine machine;
    struct ob_status status = status_of(&machine);
    machine.last_record_s = 180;
    expect_text(&status, "silent", "bob: no record for 3 min, not linked");
    machine.link_s = 4000;
    expect_text(&status, "silent", "bob: no record for 3 min, link down for 1 h 6 min");
    machine.linked = true;
    machine.last_record_s = 40;
    expect_text(&status, "silent", "bob: no record for 40 s");
}

/* A newcomer that trains, too far behind to be waited for, is not idle. */
static void machine_that_is_not_waited_for_yet_is_behind(void **state) {
    (void)state;
    struct ob_status_machine machine;
    struct ob_status status = status_of(&machine);
    machine.behind = 23;
    machine.last_record_s = machine.last_heard_s = 1;
    assert_string_equal(ob_machine_state(&status, &machine, NOW), "behind");
    assert_true(is_told(&status, "behind", "bob"));
    machine.last_record_s = 20; /* it came to rest */
    assert_string_equal(ob_machine_state(&status, &machine, NOW), "idle");
}

/* Whatever keeps it from training is a problem, and what an operator can do stands beside it. */
static void every_life_that_does_not_train_has_its_reason(void **state) {
    (void)state;
    static const struct {
        const char *life;
        bool critical, remedy;
    } LIVES[] = {{"recovering", false, false}, {"reconciling", false, true}, {"replaying", false, false},
                 {"fetching", false, false},   {"rebuilding", false, false}, {"disk-full", true, true},
                 {"log-locked", true, true},   {"log-gone", true, true},     {"halted", true, true}};
    for (size_t i = 0; i < sizeof LIVES / sizeof *LIVES; i++) {
        struct ob_problems problems;
        struct ob_status_machine machine;
        struct ob_status status = status_of(&machine);
        status.life = LIVES[i].life;
        ob_problems_of(&status, NOW, &problems);
        const struct ob_problem *found = NULL;
        for (size_t k = 0; k < problems.count; k++)
            found = strcmp(problems.items[k].kind, LIVES[i].life) == 0 ? &problems.items[k] : found;
        if (!found)
            fail_msg("no problem says why it is %s", LIVES[i].life);
        assert_true(found->text[0] != 0);
        assert_int_equal(found->critical, LIVES[i].critical);
        assert_int_equal(found->remedy[0] != 0, LIVES[i].remedy);
    }
    struct ob_status_machine machine;
    struct ob_status status = status_of(&machine);
    status.life = "paused";
    (void)ob_pause_set(&status.pause, OB_PAUSE_OPERATOR, true);
    expect_text(&status, "operator", "paused by the operator; run `onebyte resume` to continue");
    (void)ob_pause_set(&status.pause, OB_PAUSE_ALONE, true);
    assert_true(is_told(&status, "alone", ""));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_machine_that_has_done_all_rounds_is_finished),
        cmocka_unit_test(weights_that_are_behind_the_log_are_told),
        cmocka_unit_test(certificates_warn_a_week_before),
        cmocka_unit_test(silence_is_told_with_its_length),
        cmocka_unit_test(machine_that_is_not_waited_for_yet_is_behind),
        cmocka_unit_test(every_life_that_does_not_train_has_its_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
