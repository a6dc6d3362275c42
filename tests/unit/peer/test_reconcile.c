#include "tests/unit/peer/fixture.h"

#include "peer/message.h"

static enum ob_peer_life life(const struct fixture *f) {
    return ob_peer_view(f->peer).life;
}

static void start_expecting(struct fixture *f) {
    fixture_make_peer(f);
    step_machine(f, OB_EVENT_EXPECT, 1);
    step(f, OB_EVENT_START);
    assert_int_equal(life(f), OB_PEER_RECONCILING);
}

static void link_up_sends_heartbeat_and_asks_the_frontier(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    start_expecting(f);
    assert_non_null(find_effect(f, OB_EFFECT_PUBLISH)); /* a heartbeat at the start */
    step_machine(f, OB_EVENT_LINK_UP, 1);
    assert_non_null(find_sent(f, OB_MESSAGE_HEARTBEAT));
    assert_non_null(find_sent(f, OB_MESSAGE_FRONTIER_ASK));
    fixture_free(f);
}

static void empty_frontier_of_everybody_ends_it(void **state) {
    (void)state;
    uint8_t message[OB_SMALL_MESSAGE_BYTES_MAX];
    struct fixture *f = fixture_new();
    start_expecting(f);
    step_machine(f, OB_EVENT_LINK_UP, 1);
    size_t bytes = make_frontier(f, NULL, 0, message);
    step_message(f, 1, message, bytes);
    assert_int_equal(life(f), OB_PEER_TRAINING);
    fixture_free(f);
}

static void unasked_frontier_counts_for_nothing(void **state) {
    (void)state;
    uint8_t message[OB_SMALL_MESSAGE_BYTES_MAX];
    struct fixture *f = fixture_new();
    start_expecting(f);
    size_t bytes = make_frontier(f, NULL, 0, message);
    step_message(f, 1, message, bytes);
    assert_int_equal(life(f), OB_PEER_RECONCILING);
    fixture_free(f);
}

static void claims_are_fetched_before_anything_is_signed(void **state) {
    (void)state;
    static uint8_t records[OB_MESSAGE_MAX];
    uint8_t message[OB_SMALL_MESSAGE_BYTES_MAX], record[OB_RECORD_BYTES_MAX + 2];
    struct fixture *f = fixture_new();
    start_expecting(f);
    struct ob_message_records list;
    ob_message_records_start(&list, &f->options.run, records, sizeof records);
    for (uint32_t round = 0; round < 3; round++) {
        size_t bytes = make_record(f, 0, round, record); /* our own, lost */
        assert_true(ob_message_records_add(&list, record + 2, bytes - 2));
    }
    size_t records_bytes = ob_message_records_end(&list);
    step_machine(f, OB_EVENT_LINK_UP, 1);
    size_t bytes = make_frontier(f, (size_t[]){0}, 1, message);
    step_message(f, 1, message, bytes);
    assert_int_equal(life(f), OB_PEER_RECONCILING);
    assert_non_null(find_sent(f, OB_MESSAGE_RECORDS_ASK));
    pass(f, SECOND);
    assert_int_equal(life(f), OB_PEER_RECONCILING);
    step_message(f, 1, records, records_bytes);
    assert_int_equal(count_effects(f, OB_EFFECT_PERSIST_OWN), 3);
    assert_int_equal(count_effects(f, OB_EFFECT_APPLY), 3);
    const struct ob_effect *start = find_effect(f, OB_EFFECT_START_ROUND);
    assert_non_null(start);
    assert_int_equal(start->start.first.index, 3 * FIXTURE_SAMPLES);
    assert_int_equal(start->start.round.index, 3);
    fixture_free(f);
}

static void equal_heartbeat_is_an_answer(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    start_expecting(f);
    receive_heartbeat(f, 1, true);
    assert_int_equal(life(f), OB_PEER_TRAINING);
    assert_int_equal(find_effect(f, OB_EFFECT_START_ROUND)->start.live, 2);
    fixture_free(f);
}

static void silence_ends_after_rejoin_wait_only_when_allowed(void **state) {
    (void)state;
    for (int alone = 0; alone < 2; alone++) {
        struct fixture *f = fixture_new();
        f->options.may_start_alone = alone;
        start_expecting(f);
        pass(f, 4900 * MILLISECOND);
        assert_int_equal(life(f), OB_PEER_RECONCILING);
        pass(f, 100 * MILLISECOND);
        assert_int_equal(life(f), alone ? OB_PEER_TRAINING : OB_PEER_RECONCILING);
        pass(f, 60 * SECOND);
        assert_int_equal(life(f), alone ? OB_PEER_TRAINING : OB_PEER_RECONCILING);
        fixture_free(f);
    }
}

static void one_answer_is_enough_after_rejoin_wait(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    f->options.may_start_alone = false;
    fixture_make_peer(f);
    step_machine(f, OB_EVENT_EXPECT, 1);
    step_machine(f, OB_EVENT_EXPECT, 2);
    step(f, OB_EVENT_START);
    receive_heartbeat(f, 1, true);
    pass(f, 4900 * MILLISECOND);
    assert_int_equal(life(f), OB_PEER_RECONCILING);
    pass(f, 100 * MILLISECOND);
    assert_int_equal(life(f), OB_PEER_TRAINING);
    fixture_free(f);
}

static void false_claim_about_our_chain_is_dropped(void **state) {
    (void)state;
    uint8_t message[OB_SMALL_MESSAGE_BYTES_MAX];
    struct fixture *f = fixture_new();
    f->options.may_start_alone = false;
    start_expecting(f);
    step_machine(f, OB_EVENT_LINK_UP, 1);
    f->machines[0].next = 1u << 30;
    size_t bytes = make_frontier(f, (size_t[]){0}, 1, message);
    step_message(f, 1, message, bytes);
    pass(f, 8 * SECOND);
    assert_int_equal(life(f), OB_PEER_RECONCILING);
    pass(f, 8 * SECOND);
    assert_int_equal(life(f), OB_PEER_TRAINING);
    assert_true(ob_peer_view(f->peer).counters.refused >= 1);
    fixture_free(f);
}

static void lost_question_is_asked_again(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    start_expecting(f);
    step_machine(f, OB_EVENT_LINK_UP, 1);
    pass(f, 900 * MILLISECOND);
    assert_null(find_sent(f, OB_MESSAGE_FRONTIER_ASK));
    pass(f, 100 * MILLISECOND);
    assert_non_null(find_sent(f, OB_MESSAGE_FRONTIER_ASK));
    fixture_free(f);
}

static void differing_own_record_at_another_is_fetched_and_halts(void **state) {
    (void)state;
    static uint8_t records[OB_MESSAGE_MAX];
    uint8_t message[OB_SMALL_MESSAGE_BYTES_MAX], record[OB_RECORD_BYTES_MAX + 2];
    struct fixture *f = fixture_new();
    fixture_start(f);
    step_round_done(f, FIXTURE_SAMPLES);
    step_machine(f, OB_EVENT_LINK_UP, 1);
    size_t record_bytes = make_record(f, 0, 7, record); /* what a copy of us signed */
    struct ob_hash other = {{9}};
    size_t bytes = make_heartbeat(f, 1, true, &other, message);
    step_message(f, 1, message, bytes);
    assert_non_null(find_sent(f, OB_MESSAGE_FRONTIER_ASK));
    bytes = make_frontier(f, (size_t[]){0}, 1, message);
    step_message(f, 1, message, bytes);
    assert_null(find_effect(f, OB_EFFECT_HALT)); /* a claim without a signature */
    assert_non_null(find_sent(f, OB_MESSAGE_RECORDS_ASK));
    struct ob_message_records list;
    ob_message_records_start(&list, &f->options.run, records, sizeof records);
    assert_true(ob_message_records_add(&list, record + 2, record_bytes - 2));
    step_message(f, 1, records, ob_message_records_end(&list));
    assert_non_null(find_effect(f, OB_EFFECT_HALT));
    fixture_free(f);
}

static void own_key_under_another_instance_halts(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    receive_heartbeat(f, 0, true); /* instance 50, ours is 1 */
    assert_non_null(find_effect(f, OB_EFFECT_HALT));
    fixture_free(f);
}

static size_t own_heartbeat(struct fixture *f, uint64_t instance, uint64_t twin, uint8_t *ret_message) {
    struct ob_heartbeat heartbeat = {.run = f->options.run,
                                     .machine = f->machines[0].id,
                                     .instance = instance,
                                     .sequence = 1,
                                     .twin = twin};
    uint8_t body[OB_HEARTBEAT_BODY_BYTES], signature[64];
    size_t bytes = ob_heartbeat_body(&heartbeat, body);
    f->options.crypto.sign(f->machines[0].secret_key, body, bytes, signature);
    heartbeat.signature = signature;
    return ob_heartbeat_encode(&heartbeat, ret_message);
}

/* An echo of an earlier life must not stop us; a twin that has heard us, or that started later, must. */
static void older_instance_halts_only_when_it_names_ours(void **state) {
    (void)state;
    uint8_t message[OB_HEARTBEAT_BYTES];
    struct fixture *f = fixture_new();
    f->options.instance = 100;
    fixture_start(f);
    step_message(f, 1, message, own_heartbeat(f, 99, 0, message));
    assert_null(find_effect(f, OB_EFFECT_HALT));
    step_message(f, 1, message, own_heartbeat(f, 99, 42, message));
    assert_null(find_effect(f, OB_EFFECT_HALT));
    step_message(f, 1, message, own_heartbeat(f, 99, 100, message));
    assert_non_null(find_effect(f, OB_EFFECT_HALT));
    const struct ob_effect *publish = find_effect(f, OB_EFFECT_PUBLISH);
    struct ob_heartbeat told;
    assert_true(ob_heartbeat_decode(ob_reader_init(publish->data + 2, publish->bytes - 2), &told));
    assert_int_equal(told.twin, 99);
    assert_non_null(pass_until(f, 2 * SECOND, OB_EFFECT_PUBLISH)); /* it may have been lost */
    fixture_free(f);
}

static uint64_t published_twin(const struct fixture *f) {
    const struct ob_effect *publish = find_effect(f, OB_EFFECT_PUBLISH);
    struct ob_heartbeat told;
    assert_non_null(publish);
    assert_true(ob_heartbeat_decode(ob_reader_init(publish->data + 2, publish->bytes - 2), &told));
    return told.twin;
}

/* The other host is put back from a backup, or started again, while this one stands halted with records that only it holds. */
static void halted_host_stops_the_other_one_again(void **state) {
    (void)state;
    uint8_t message[OB_HEARTBEAT_BYTES];
    struct fixture *f = fixture_new();
    f->options.instance = 100;
    fixture_start(f);
    step_message(f, 1, message, own_heartbeat(f, 200, 0, message));
    assert_non_null(find_effect(f, OB_EFFECT_HALT));
    step_message(f, 1, message, own_heartbeat(f, 300, 0, message));
    assert_null(find_effect(f, OB_EFFECT_HALT));
    assert_int_equal(published_twin(f), 300);
    step_message(f, 1, message,
                 own_heartbeat(f, 300, 0, message)); /* heard again: told once a second as it is */
    assert_null(find_effect(f, OB_EFFECT_PUBLISH));
    step_message(f, 1, message, own_heartbeat(f, 250, 0, message)); /* an echo */
    assert_null(find_effect(f, OB_EFFECT_PUBLISH));
    assert_non_null(pass_until(f, 2 * SECOND, OB_EFFECT_PUBLISH));
    assert_int_equal(published_twin(f), 300);
    size_t bytes = own_heartbeat(f, 400, 0, message);
    message[bytes - 1] ^= 1; /* a bad signature */
    step_message(f, 1, message, bytes);
    assert_null(find_effect(f, OB_EFFECT_PUBLISH));
    fixture_free(f);
}

static void machine_that_said_goodbye_is_not_expected(void **state) {
    (void)state;
    uint8_t message[OB_SMALL_MESSAGE_BYTES_MAX];
    struct fixture *f = fixture_new();
    fixture_make_peer(f);
    step_machine(f, OB_EVENT_EXPECT, 1);
    step_machine(f, OB_EVENT_EXPECT, 2);
    size_t header = 2 + OB_HASH_BYTES + 4 + 2;
    size_t bytes = make_goodbye(f, 1, 0, 0, message);
    assert_int_equal(ob_peer_restore_control(f->peer, message + header, bytes - header, NULL), OB_OK);
    step(f, OB_EVENT_START);
    receive_heartbeat(f, 2, true);
    assert_int_equal(life(f), OB_PEER_TRAINING);
    fixture_free(f);
}

static void samples_that_were_signed_and_cut_are_not_signed_again(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    f->options.signed_below = (struct ob_sample){2 * FIXTURE_SAMPLES};
    fixture_start(f);
    assert_null(find_effect(f, OB_EFFECT_START_ROUND));
    assert_non_null(find_effect(f, OB_EFFECT_HALT));
    fixture_free(f);
    f = fixture_new(); /* the log still has them, or has them again */
    f->options.signed_below = (struct ob_sample){FIXTURE_SAMPLES};
    fixture_make_peer(f);
    uint8_t message[OB_RECORD_BYTES_MAX + 2];
    struct ob_record record;
    size_t bytes = make_record(f, 0, 3, message);
    assert_int_equal(ob_record_decode(message + 2, bytes - 2, &f->options.bounds, &record, NULL), OB_OK);
    assert_int_equal(ob_peer_restore_record(f->peer, &record, NULL), OB_OK);
    step(f, OB_EVENT_START);
    const struct ob_effect *start = find_effect(f, OB_EFFECT_START_ROUND);
    assert_non_null(start);
    assert_int_equal(start->start.first.index, FIXTURE_SAMPLES);
    fixture_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_that_were_signed_and_cut_are_not_signed_again),
        cmocka_unit_test(link_up_sends_heartbeat_and_asks_the_frontier),
        cmocka_unit_test(empty_frontier_of_everybody_ends_it),
        cmocka_unit_test(unasked_frontier_counts_for_nothing),
        cmocka_unit_test(claims_are_fetched_before_anything_is_signed),
        cmocka_unit_test(equal_heartbeat_is_an_answer),
        cmocka_unit_test(silence_ends_after_rejoin_wait_only_when_allowed),
        cmocka_unit_test(one_answer_is_enough_after_rejoin_wait),
        cmocka_unit_test(false_claim_about_our_chain_is_dropped),
        cmocka_unit_test(lost_question_is_asked_again),
        cmocka_unit_test(differing_own_record_at_another_is_fetched_and_halts),
        cmocka_unit_test(own_key_under_another_instance_halts),
        cmocka_unit_test(older_instance_halts_only_when_it_names_ours),
        cmocka_unit_test(halted_host_stops_the_other_one_again),
        cmocka_unit_test(machine_that_said_goodbye_is_not_expected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
