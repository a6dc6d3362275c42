#include "tests/unit/peer/fixture.h"

#include "peer/message.h"

static void answer_with_more_to_come_asks_on(void **state) {
    (void)state;
    static uint8_t records[OB_MESSAGE_MAX], late[OB_RECORD_BYTES_MAX + 2];
    uint8_t record[OB_RECORD_BYTES_MAX + 2];
    struct fixture *f = fixture_new();
    fixture_start(f);
    struct ob_message_records list;
    ob_message_records_start(&list, &f->options.run, records, sizeof records);
    for (uint32_t round = 0; round < 3; round++) {
        size_t bytes = make_record(f, 1, round, record);
        assert_true(ob_message_records_add(&list, record + 2, bytes - 2));
    }
    (void)make_record(f, 1, 3, record);
    size_t late_bytes = make_record(f, 1, 4, late);
    step_message(f, 2, late, late_bytes);
    assert_non_null(find_sent(f, OB_MESSAGE_RECORDS_ASK));
    step_message(f, 2, records, ob_message_records_end(&list));
    assert_int_equal(count_effects(f, OB_EFFECT_PERSIST), 3);
    const struct ob_effect *ask = find_sent(f, OB_MESSAGE_RECORDS_ASK);
    assert_non_null(ask);
    assert_int_equal(ob_load_u64(ask->data + ask->bytes - 10), 3 * FIXTURE_SAMPLES);
    fixture_free(f);
}

/* A gap in the chain of machine 1, told by machine 2. */
static void make_gap(struct fixture *f) {
    uint8_t record[OB_RECORD_BYTES_MAX + 2];
    (void)make_record(f, 1, 0, record);
    size_t bytes = make_record(f, 1, 1, record);
    step_message(f, 2, record, bytes);
}

static void busy_peer_asks_for_nothing_until_it_is_free(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    step_machine(f, OB_EVENT_LINK_UP, 2);
    receive_heartbeat(f, 2, true);
    step(f, OB_EVENT_BUSY);
    make_gap(f);
    assert_null(find_sent(f, OB_MESSAGE_RECORDS_ASK));
    for (unsigned i = 0; i < 300; i++) { /* far beyond the tries after which a claim is dropped */
        if (i % 10 == 0)
            receive_heartbeat(f, 2, true);
        step(f, OB_EVENT_TICK);
        assert_null(find_sent(f, OB_MESSAGE_RECORDS_ASK));
        f->now_ns += 100 * MILLISECOND;
    }
    step(f, OB_EVENT_FREE);
    step(f, OB_EVENT_TICK);
    assert_non_null(find_sent(f, OB_MESSAGE_RECORDS_ASK));
    fixture_free(f);
}

static void silent_claimant_is_followed_by_another(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    step_machine(f, OB_EVENT_LINK_UP, 2);
    step_machine(f, OB_EVENT_LINK_UP, 3);
    receive_heartbeat(f, 2, true);
    receive_heartbeat(f, 3, true);
    make_gap(f);
    assert_true(ob_machine_equal(&find_sent(f, OB_MESSAGE_RECORDS_ASK)->machine, &f->machines[2].id));
    pass(f, 1900 * MILLISECOND);
    assert_null(find_sent(f, OB_MESSAGE_RECORDS_ASK));
    pass(f, 100 * MILLISECOND);
    assert_true(ob_machine_equal(&find_sent(f, OB_MESSAGE_RECORDS_ASK)->machine, &f->machines[3].id));
    fixture_free(f);
}

static void frontier_is_asked_when_a_difference_lasts(void **state) {
    (void)state;
    uint8_t message[OB_SMALL_MESSAGE_BYTES_MAX];
    struct ob_hash other = {{9}};
    struct fixture *f = fixture_new();
    fixture_start(f);
    size_t bytes = make_heartbeat(f, 1, true, &other, message);
    step_message(f, 1, message, bytes);
    assert_null(find_sent(f, OB_MESSAGE_FRONTIER_ASK));
    step_message(f, 1, message, bytes); /* a copy does not count */
    assert_null(find_sent(f, OB_MESSAGE_FRONTIER_ASK));
    f->now_ns += SECOND;
    bytes = make_heartbeat(f, 1, true, &other, message);
    step_message(f, 1, message, bytes);
    assert_non_null(find_sent(f, OB_MESSAGE_FRONTIER_ASK));
    bytes = make_heartbeat(f, 1, true, &other, message);
    step_message(f, 1, message, bytes); /* asked just now */
    assert_null(find_sent(f, OB_MESSAGE_FRONTIER_ASK));
    fixture_free(f);
}

static void frontier_is_asked_after_a_new_link(void **state) {
    (void)state;
    uint8_t message[OB_SMALL_MESSAGE_BYTES_MAX];
    struct ob_hash other = {{9}};
    struct fixture *f = fixture_new();
    fixture_start(f);
    step_machine(f, OB_EVENT_LINK_UP, 1);
    size_t bytes = make_heartbeat(f, 1, true, &other, message);
    step_message(f, 1, message, bytes);
    assert_non_null(find_sent(f, OB_MESSAGE_FRONTIER_ASK));
    fixture_free(f);
}

static void machine_that_claims_more_of_itself_is_asked(void **state) {
    (void)state;
    uint8_t record[OB_RECORD_BYTES_MAX + 2];
    struct fixture *f = fixture_new();
    fixture_start(f);
    (void)make_record(f, 1, 0, record); /* published, and lost on its way */
    receive_heartbeat(f, 1, true);
    assert_null(find_sent(f, OB_MESSAGE_RECORDS_ASK));
    f->now_ns += SECOND;
    receive_heartbeat(f, 1, true);
    assert_non_null(find_sent(f, OB_MESSAGE_RECORDS_ASK));
    fixture_free(f);
}

static void records_ask_is_served_from_the_store(void **state) {
    (void)state;
    uint8_t message[OB_SMALL_MESSAGE_BYTES_MAX];
    struct fixture *f = fixture_new();
    fixture_start(f);
    receive_record(f, 1, 0);
    struct ob_records_ask ask = {.run = f->options.run, .machine = f->machines[1].id, .count = 7};
    size_t bytes = ob_records_ask_encode(&ask, message);
    message[0] = OB_MESSAGE_RECORDS_ASK;
    step_message(f, 2, message, bytes);
    const struct ob_effect *serve = find_effect(f, OB_EFFECT_SERVE);
    assert_non_null(serve);
    assert_true(ob_machine_equal(&serve->machine, &f->machines[2].id));
    assert_true(ob_machine_equal(&serve->serve.of, &f->machines[1].id));
    assert_int_equal(serve->serve.first.index, 0);
    assert_int_equal(serve->serve.bytes_max, OB_MESSAGE_MAX);
    assert_int_equal(serve->serve.count, 7);
    ask.first.index = FIXTURE_SAMPLES;
    bytes = ob_records_ask_encode(&ask, message);
    step_message(f, 2, message, bytes);
    assert_null(find_effect(f, OB_EFFECT_SERVE)); /* we have none, and say how far we are */
    const struct ob_effect *answer = find_sent(f, OB_MESSAGE_HOLDS);
    struct ob_holds holds;
    assert_true(ob_holds_decode(ob_reader_init(answer->data + 2, answer->bytes - 2), &holds));
    assert_int_equal(holds.next.index, FIXTURE_SAMPLES);
    fixture_free(f);
}

static void frontier_ask_is_answered_with_every_chain(void **state) {
    (void)state;
    uint8_t message[OB_SMALL_MESSAGE_BYTES_MAX];
    struct fixture *f = fixture_new();
    fixture_start(f);
    for (size_t i = 1; i < 4; i++)
        receive_record(f, i, 0);
    step_machine(f, OB_EVENT_EXPECT, 5); /* known, without records: not in it */
    size_t bytes = ob_frontier_ask_encode(&f->options.run, 1, message);
    step_message(f, 6, message, bytes);
    const struct ob_effect *page = find_sent(f, OB_MESSAGE_FRONTIER);
    struct ob_run_id run;
    struct ob_frontier_page decoded;
    assert_true(ob_frontier_decode(ob_reader_init(page->data + 2, page->bytes - 2), &run, &decoded));
    assert_int_equal(decoded.total, 3);
    assert_int_equal(decoded.first, 1);
    assert_int_equal(decoded.count, 2);
    struct ob_frontier_entry one, two;
    assert_true(ob_frontier_next(&decoded.entries, &one) && ob_frontier_next(&decoded.entries, &two));
    assert_true(ob_machine_compare(&one.machine, &two.machine) < 0);
    assert_int_equal(one.next.index, FIXTURE_SAMPLES);
    bytes = ob_frontier_ask_encode(&f->options.run, 4000000000u, message);
    step_message(f, 6, message, bytes);
    assert_non_null(find_sent(f, OB_MESSAGE_FRONTIER));
    fixture_free(f);
}

static void claimed_machines_make_way_for_real_ones(void **state) {
    (void)state;
    static uint8_t page[OB_MESSAGE_MAX];
    struct ob_hash other = {{9}};
    struct fixture *f = fixture_new();
    fixture_start(f);
    step_machine(f, OB_EVENT_LINK_UP, 1);
    size_t bytes = make_heartbeat(f, 1, true, &other, page);
    step_message(f, 1, page, bytes);
    struct ob_writer writer = ob_frontier_start(&f->options.run, 100, 0, 100, page, sizeof page);
    for (uint8_t i = 0; i < 100; i++)
        ob_frontier_add(&writer, &(struct ob_frontier_entry){.machine = {{i, 0xee}}, .next = {50}});
    step_message(f, 1, page, writer.used);
    assert_int_equal(ob_peer_view(f->peer).machines, FIXTURE_MACHINES);
    for (size_t i = 2; i < FIXTURE_MACHINES; i++) {
        receive_record(f, i, 0);
        assert_non_null(find_effect(f, OB_EFFECT_APPLY));
    }
    assert_int_equal(ob_peer_view(f->peer).machines, FIXTURE_MACHINES);
    pass(f, 60 * SECOND);
    for (size_t i = 1; i < FIXTURE_MACHINES; i++)
        assert_true(look(f, i).has_records || i == 1);
    fixture_free(f);
}

static void claimed_machines_are_forgotten_when_nobody_delivers(void **state) {
    (void)state;
    static uint8_t page[OB_MESSAGE_MAX];
    struct ob_hash other = {{9}};
    struct fixture *f = fixture_new();
    f->options.open = true; /* else a claim about a machine without certificate is passed over */
    fixture_start(f);
    step_machine(f, OB_EVENT_LINK_UP, 1);
    size_t bytes = make_heartbeat(f, 1, true, &other, page);
    step_message(f, 1, page, bytes);
    struct ob_writer writer = ob_frontier_start(&f->options.run, 1, 0, 1, page, sizeof page);
    ob_frontier_add(&writer, &(struct ob_frontier_entry){.machine = {{0xee}}, .next = {50}});
    step_message(f, 1, page, writer.used);
    assert_int_equal(ob_peer_view(f->peer).machines, 3);
    pass(f, 30 * SECOND);
    assert_int_equal(ob_peer_view(f->peer).machines, 2);
    fixture_free(f);
}

static void heartbeat_comes_every_second(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    size_t published = 0;
    for (int i = 0; i < 100; i++) {
        pass(f, 100 * MILLISECOND);
        published += count_effects(f, OB_EFFECT_PUBLISH);
    }
    assert_int_equal(published, 10);
    fixture_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answer_with_more_to_come_asks_on),
        cmocka_unit_test(busy_peer_asks_for_nothing_until_it_is_free),
        cmocka_unit_test(silent_claimant_is_followed_by_another),
        cmocka_unit_test(frontier_is_asked_when_a_difference_lasts),
        cmocka_unit_test(frontier_is_asked_after_a_new_link),
        cmocka_unit_test(machine_that_claims_more_of_itself_is_asked),
        cmocka_unit_test(records_ask_is_served_from_the_store),
        cmocka_unit_test(frontier_ask_is_answered_with_every_chain),
        cmocka_unit_test(claimed_machines_make_way_for_real_ones),
        cmocka_unit_test(claimed_machines_are_forgotten_when_nobody_delivers),
        cmocka_unit_test(heartbeat_comes_every_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
