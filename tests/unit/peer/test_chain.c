#include "tests/unit/peer/fixture.h"

#include "peer/message.h"

#define MESSAGE_MAX (OB_RECORD_BYTES_MAX + 2)

static void record_that_extends_is_persisted_then_applied(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    receive_record(f, 1, 0);
    const struct ob_effect *e = f->effects.items;
    assert_int_equal(e[0].kind, OB_EFFECT_PERSIST);
    assert_int_equal(e[1].kind, OB_EFFECT_APPLY);
    assert_true(ob_machine_equal(&e[1].record.machine, &f->machines[1].id));
    assert_non_null(find_notice(f, OB_NOTICE_JOINED));
    assert_int_equal(look(f, 1).next.index, FIXTURE_SAMPLES);
    struct ob_peer_machine seen = look(f, 1);
    assert_true(ob_hash_equal(&seen.head, &f->machines[1].head));
    fixture_free(f);
}

static void record_twice_counts_once(void **state) {
    (void)state;
    uint8_t first[MESSAGE_MAX], second[MESSAGE_MAX];
    struct fixture *f = fixture_new();
    fixture_start(f);
    size_t first_bytes = make_record(f, 1, 0, first), second_bytes = make_record(f, 1, 1, second);
    step_message(f, 1, first, first_bytes);
    step_message(f, 2, first, first_bytes);
    assert_null(find_effect(f, OB_EFFECT_APPLY));
    step_message(f, 1, second, second_bytes);
    assert_int_equal(count_effects(f, OB_EFFECT_APPLY), 1);
    step_message(f, 1, first, first_bytes); /* older than the head */
    assert_null(find_effect(f, OB_EFFECT_APPLY));
    struct ob_peer_counters counters = ob_peer_view(f->peer).counters;
    assert_int_equal(counters.duplicates, 2);
    assert_int_equal(counters.records_accepted, 2);
    assert_int_equal(counters.samples_accepted, 2 * FIXTURE_SAMPLES);
    fixture_free(f);
}

static void record_beyond_a_gap_asks_its_sender(void **state) {
    (void)state;
    uint8_t first[MESSAGE_MAX], second[MESSAGE_MAX];
    struct fixture *f = fixture_new();
    fixture_start(f);
    size_t first_bytes = make_record(f, 1, 0, first), second_bytes = make_record(f, 1, 1, second);
    step_message(f, 2, second, second_bytes);
    assert_null(find_effect(f, OB_EFFECT_APPLY));
    assert_int_equal(ob_peer_view(f->peer).counters.out_of_order, 1);
    assert_non_null(find_notice(f, OB_NOTICE_GAP));
    const struct ob_effect *ask = find_sent(f, OB_MESSAGE_RECORDS_ASK);
    assert_non_null(ask);
    assert_true(ob_machine_equal(&ask->machine, &f->machines[2].id));
    struct ob_records_ask asked;
    assert_true(ob_records_ask_decode(ob_reader_init(ask->data + 2, ask->bytes - 2), &asked));
    assert_true(ob_machine_equal(&asked.machine, &f->machines[1].id));
    assert_int_equal(asked.first.index, 0);
    assert_int_equal(asked.count, 0);
    step_message(f, 2, second, second_bytes); /* asked already */
    assert_null(find_sent(f, OB_MESSAGE_RECORDS_ASK));
    step_message(f, 1, first, first_bytes);
    step_message(f, 1, second, second_bytes);
    assert_int_equal(look(f, 1).next.index, 2 * FIXTURE_SAMPLES);
    pass(f, 100 * MILLISECOND);
    assert_non_null(find_notice(f, OB_NOTICE_CAUGHT_UP));
    fixture_free(f);
}

static void record_with_a_bad_signature_changes_nothing(void **state) {
    (void)state;
    uint8_t message[MESSAGE_MAX];
    struct fixture *f = fixture_new();
    fixture_start(f);
    size_t bytes = make_record(f, 1, 0, message);
    message[2 + OB_RECORD_HEADER_BYTES] ^= 1;
    step_message(f, 2, message, bytes);
    assert_null(find_effect(f, OB_EFFECT_PERSIST));
    const struct ob_effect *told = find_notice(f, OB_NOTICE_REFUSED);
    assert_true(
        ob_machine_equal(&told->machine, &f->machines[2].id)); /* who sent it, not who is named in it */
    assert_int_equal(ob_peer_view(f->peer).counters.bad_signatures, 1);
    step_message(f, 2, message, bytes);
    assert_null(find_notice(f, OB_NOTICE_REFUSED)); /* not told again at once */
    assert_int_equal(ob_peer_view(f->peer).counters.bad_signatures, 2);
    assert_false(look(f, 1).has_records);
    fixture_free(f);
}

static void record_whose_round_does_not_rise_is_refused(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    receive_record(f, 1, 5);
    receive_record(f, 1, 5);
    assert_null(find_effect(f, OB_EFFECT_APPLY));
    assert_int_equal(look(f, 1).next.index, FIXTURE_SAMPLES);
    fixture_free(f);
}

static void two_bodies_for_one_sample_are_a_fork(void **state) {
    (void)state;
    uint8_t message[MESSAGE_MAX];
    struct fixture *f = fixture_new();
    fixture_start(f);
    receive_record(f, 1, 0);
    struct fixture_machine before = f->machines[1];
    receive_record(f, 1, 1);
    f->machines[1] = before;
    size_t bytes = make_record(f, 1, 2, message); /* the same samples, another round */
    step_message(f, 2, message, bytes);
    const struct ob_effect *fork = find_notice(f, OB_NOTICE_FORK);
    assert_non_null(fork);
    assert_true(ob_machine_equal(&fork->machine, &f->machines[1].id));
    assert_null(find_effect(f, OB_EFFECT_APPLY));
    step_message(f, 2, message, bytes);
    assert_null(find_notice(f, OB_NOTICE_FORK)); /* told once */
    fixture_free(f);
}

static void record_after_another_head_is_not_taken(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    receive_record(f, 1, 0);
    f->machines[1].head.bytes[0] ^= 1;
    receive_record(f, 1, 1);
    assert_null(find_effect(f, OB_EFFECT_APPLY));
    assert_null(
        find_effect(f, OB_EFFECT_PERSIST_CONTROL)); /* where they part is not known yet (test_fork.c) */
    fixture_free(f);
}

static void unsigned_differing_body_is_no_fork(void **state) {
    (void)state;
    uint8_t message[MESSAGE_MAX];
    struct fixture *f = fixture_new();
    fixture_start(f);
    receive_record(f, 1, 0);
    f->machines[1].next = 0;
    memset(&f->machines[1].head, 0, sizeof f->machines[1].head);
    size_t bytes = make_record(f, 1, 3, message);
    message[bytes - 1] ^= 1;
    step_message(f, 2, message, bytes);
    assert_null(find_notice(f, OB_NOTICE_FORK));
    assert_int_equal(ob_peer_view(f->peer).counters.bad_signatures, 1);
    fixture_free(f);
}

static void own_lost_record_is_taken_back(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    fixture_start(f); /* a round for samples 0 … 3 runs */
    receive_record(f, 0, 0);
    assert_int_equal(f->effects.items[0].kind, OB_EFFECT_PERSIST_OWN);
    assert_int_equal(f->effects.items[1].kind, OB_EFFECT_APPLY);
    assert_non_null(find_notice(f, OB_NOTICE_RECOVERED_OWN));
    step_round_done(f, FIXTURE_SAMPLES); /* its samples are used */
    assert_null(find_effect(f, OB_EFFECT_PERSIST_OWN));
    assert_null(find_effect(f, OB_EFFECT_PUBLISH));
    const struct ob_effect *start = find_effect(f, OB_EFFECT_START_ROUND);
    assert_non_null(start);
    assert_int_equal(start->start.first.index, FIXTURE_SAMPLES);
    assert_int_equal(start->start.round.index, 1);
    fixture_free(f);
}

static void own_record_beyond_a_gap_stops_signing(void **state) {
    (void)state;
    uint8_t first[MESSAGE_MAX], second[MESSAGE_MAX];
    struct fixture *f = fixture_new();
    fixture_start(f);
    size_t first_bytes = make_record(f, 0, 0, first), second_bytes = make_record(f, 0, 1, second);
    step_message(f, 1, second, second_bytes);
    step_round_done(f, FIXTURE_SAMPLES);
    assert_null(find_effect(f, OB_EFFECT_PERSIST_OWN));
    assert_null(find_effect(f, OB_EFFECT_START_ROUND));
    pass(f, SECOND);
    assert_int_equal(ob_peer_view(f->peer).life, OB_PEER_WAITING);
    step_message(f, 1, first, first_bytes);
    step_message(f, 1, second, second_bytes);
    assert_int_equal(find_effect(f, OB_EFFECT_START_ROUND)->start.first.index, 2 * FIXTURE_SAMPLES);
    fixture_free(f);
}

static void own_published_record_comes_back_as_duplicate(void **state) {
    (void)state;
    uint8_t message[MESSAGE_MAX];
    struct fixture *f = fixture_new();
    fixture_start(f);
    step_round_done(f, FIXTURE_SAMPLES);
    const struct ob_effect *publish = find_effect(f, OB_EFFECT_PUBLISH);
    size_t bytes = publish->bytes;
    memcpy(message, publish->data, bytes);
    for (int i = 0; i < 3; i++)
        step_round_done(f, FIXTURE_SAMPLES);
    step_message(f, 1, message, bytes);
    assert_null(find_effect(f, OB_EFFECT_HALT));
    assert_int_equal(ob_peer_view(f->peer).counters.duplicates, 1);
    fixture_free(f);
}

static void own_fork_halts(void **state) {
    (void)state;
    for (uint32_t later = 0; later < 3; later++) { /* however many records ago it was */
        struct fixture *f = fixture_new();
        fixture_start(f);
        for (uint32_t i = 0; i <= later; i++)
            step_round_done(f, FIXTURE_SAMPLES);
        receive_record(f, 0, 9); /* the fixture's own idea of our samples 0 … 3 */
        const struct ob_effect *halt = find_effect(f, OB_EFFECT_HALT);
        assert_non_null(halt);
        assert_non_null(strstr(halt->text, "new key"));
        assert_int_equal(ob_peer_view(f->peer).life, OB_PEER_HALTED);
        step_round_done(f, FIXTURE_SAMPLES);
        assert_int_equal(f->effects.count, 0);
        step(f, OB_EVENT_LEAVE);
        assert_non_null(find_effect(f, OB_EFFECT_LEFT));
        fixture_free(f);
    }
}

static void own_fork_at_the_head_halts(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    step_round_done(f, FIXTURE_SAMPLES);
    f->machines[0].next = FIXTURE_SAMPLES;
    memset(&f->machines[0].head, 7, sizeof f->machines[0].head);
    receive_record(f, 0, 9); /* continues a chain that is not the one we signed */
    assert_non_null(find_effect(f, OB_EFFECT_HALT));
    fixture_free(f);
}

static void own_unsigned_fork_does_not_halt(void **state) {
    (void)state;
    uint8_t message[MESSAGE_MAX];
    struct fixture *f = fixture_new();
    fixture_start(f);
    step_round_done(f, FIXTURE_SAMPLES);
    size_t bytes = make_record(f, 0, 9, message);
    message[bytes - 1] ^= 1;
    step_message(f, 1, message, bytes);
    assert_null(find_effect(f, OB_EFFECT_HALT));
    fixture_free(f);
}

static void restore_continues_the_chains(void **state) {
    (void)state;
    uint8_t message[MESSAGE_MAX];
    struct fixture *f = fixture_new();
    struct ob_record record;
    fixture_make_peer(f);
    for (size_t machine = 0; machine < 2; machine++)
        for (uint32_t round = 0; round < 3; round++) {
            size_t bytes = make_record(f, machine, round, message);
            assert_int_equal(ob_record_decode(message + 2, bytes - 2, &f->options.bounds, &record, NULL),
                             OB_OK);
            assert_int_equal(ob_peer_restore_record(f->peer, &record, NULL), OB_OK);
            assert_int_equal(ob_peer_restore_record(f->peer, &record, NULL), OB_EMISMATCH);
        }
    step(f, OB_EVENT_START);
    const struct ob_effect *start = find_effect(f, OB_EFFECT_START_ROUND);
    assert_int_equal(start->start.first.index, 3 * FIXTURE_SAMPLES);
    assert_int_equal(start->start.round.index, 3);
    assert_int_equal(start->start.live, 2); /* machine 1 may be there: it has its time from START on */
    assert_int_equal(ob_peer_restore_record(f->peer, &record, NULL), OB_ESTATE);
    fixture_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(record_that_extends_is_persisted_then_applied),
        cmocka_unit_test(record_twice_counts_once),
        cmocka_unit_test(record_beyond_a_gap_asks_its_sender),
        cmocka_unit_test(record_with_a_bad_signature_changes_nothing),
        cmocka_unit_test(record_whose_round_does_not_rise_is_refused),
        cmocka_unit_test(two_bodies_for_one_sample_are_a_fork),
        cmocka_unit_test(record_after_another_head_is_not_taken),
        cmocka_unit_test(unsigned_differing_body_is_no_fork),
        cmocka_unit_test(own_lost_record_is_taken_back),
        cmocka_unit_test(own_record_beyond_a_gap_stops_signing),
        cmocka_unit_test(own_published_record_comes_back_as_duplicate),
        cmocka_unit_test(own_fork_halts),
        cmocka_unit_test(own_fork_at_the_head_halts),
        cmocka_unit_test(own_unsigned_fork_does_not_halt),
        cmocka_unit_test(restore_continues_the_chains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
