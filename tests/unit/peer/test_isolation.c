#include "tests/unit/peer/fixture.h"

#include "peer/message.h"

#define MACHINES 5 /* we and four others */
#define ROUNDS   6

static struct fixture *start_live(void) {
    struct fixture *f = fixture_new();
    f->options.isolation_rounds = ROUNDS;
    f->options.max_staleness = 100;
    fixture_start(f);
    for (size_t i = 1; i < MACHINES; i++) {
        step_machine(f, OB_EVENT_LINK_UP, i);
        receive_heartbeat(f, i, true);
    }
    step(f, OB_EVENT_TICK);
    assert_int_equal(ob_peer_view(f->peer).last_live, MACHINES);
    return f;
}

static void acknowledge(struct fixture *f, size_t machine) {
    uint8_t message[OB_SMALL_MESSAGE_BYTES_MAX];
    struct ob_peer_machine own = look(f, 0);
    struct ob_holds holds = {
        .run = f->options.run, .machine = own.machine, .next = own.next, .head = own.head};
    step_message(f, machine, message, ob_holds_encode(&holds, message));
    step(f, OB_EVENT_TICK);
}

static void fewer_than_half_pause_us_and_half_lift_it(void **state) {
    (void)state;
    struct fixture *f = start_live();
    train_rounds(f, ROUNDS - 1);
    assert_int_equal(ob_peer_view(f->peer).life, OB_PEER_TRAINING);
    assert_int_equal(ob_peer_view(f->peer).unacknowledged, ROUNDS - 1);
    train_rounds(f, 3);
    assert_int_equal(ob_peer_view(f->peer).life, OB_PEER_ISOLATED);
    acknowledge(f, 1); /* two of five */
    assert_int_equal(ob_peer_view(f->peer).life, OB_PEER_ISOLATED);
    acknowledge(f, 2); /* three of five */
    assert_int_equal(ob_peer_view(f->peer).life, OB_PEER_TRAINING);
    fixture_free(f);
}

static void silent_machines_count_until_half_of_all_hold_newer_records(void **state) {
    (void)state;
    struct fixture *f = start_live();
    train_rounds(f, 60); /* all fall silent: paused by then */
    assert_int_equal(ob_peer_view(f->peer).life, OB_PEER_ISOLATED);
    assert_int_equal(ob_peer_view(f->peer).last_live, MACHINES);
    acknowledge(f, 1);
    acknowledge(f, 2);
    assert_int_equal(ob_peer_view(f->peer).last_live, MACHINES);
    assert_int_equal(ob_peer_view(f->peer).life, OB_PEER_TRAINING);
    train_rounds(f, 1);
    acknowledge(f, 1);
    acknowledge(f, 2);
    assert_true(ob_peer_view(f->peer).last_live < MACHINES);
    fixture_free(f);
}

static void goodbyes_leave_the_count(void **state) {
    (void)state;
    uint8_t message[OB_SMALL_MESSAGE_BYTES_MAX];
    struct fixture *f = start_live();
    train_rounds(f, ROUNDS + 2);
    assert_int_equal(ob_peer_view(f->peer).life, OB_PEER_ISOLATED);
    for (size_t i = 1; i < MACHINES - 1; i++) {
        size_t bytes = make_goodbye(f, i, 1, 0, message);
        step_message(f, i, message, bytes);
        step(f, OB_EVENT_TICK);
        assert_int_equal(ob_peer_view(f->peer).last_live, MACHINES - i);
    }
    assert_int_equal(ob_peer_view(f->peer).life, OB_PEER_TRAINING); /* one of two is half */
    fixture_free(f);
}

static void solo_never_pauses(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    f->options.isolation_rounds = 0;
    f->options.max_staleness = 1000;
    fixture_start(f);
    for (size_t i = 1; i < MACHINES; i++) {
        step_machine(f, OB_EVENT_LINK_UP, i);
        receive_heartbeat(f, i, true);
    }
    train_rounds(f, 100);
    assert_int_equal(ob_peer_view(f->peer).life, OB_PEER_TRAINING);
    fixture_free(f);
}

static void questions_find_out_who_holds_our_records(void **state) {
    (void)state;
    struct fixture *f = start_live();
    step_round_done(f, FIXTURE_SAMPLES);
    f->now_ns += SECOND;
    step(f, OB_EVENT_TICK);
    const struct ob_effect *ask = find_sent(f, OB_MESSAGE_HOLDS_ASK);
    assert_non_null(ask);
    fixture_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fewer_than_half_pause_us_and_half_lift_it),
        cmocka_unit_test(silent_machines_count_until_half_of_all_hold_newer_records),
        cmocka_unit_test(goodbyes_leave_the_count),
        cmocka_unit_test(solo_never_pauses),
        cmocka_unit_test(questions_find_out_who_holds_our_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
