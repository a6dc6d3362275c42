#include "tests/unit/peer/fixture.h"

#include "peer/message.h"
#include "record/sign.h"

#define NEIGHBOUR 1 /* linked */
#define OTHER     2 /* linked as well */
#define FAR       3 /* known by its records only, which the neighbours hand on */

static void hear(struct fixture *f, size_t machine, uint32_t round, size_t first, size_t second) {
    uint8_t record[OB_RECORD_BYTES_MAX + 2];
    size_t bytes = make_record(f, machine, round, record);
    step_message(f, first, record, bytes);
    step_message(f, second, record, bytes);
}

/* The newest record of FAR came from NEIGHBOUR first. */
static struct fixture *start_overlay(void) {
    struct fixture *f = fixture_new();
    f->options.isolation_rounds = 4;
    f->options.max_staleness = 100;
    fixture_start(f);
    step_machine(f, OB_EVENT_LINK_UP, NEIGHBOUR);
    step_machine(f, OB_EVENT_LINK_UP, OTHER);
    hear(f, FAR, 0, NEIGHBOUR, OTHER);
    return f;
}

static struct ob_held held_by_far(struct fixture *f, uint8_t signature[static 64]) {
    struct ob_held held = {.run = f->options.run,
                           .asker = f->machines[0].id,
                           .machine = f->machines[FAR].id,
                           .hops = 5,
                           .next = look(f, 0).next,
                           .signature = signature};
    uint8_t body[OB_HELD_BODY_BYTES];
    ob_record_ed25519_sign(f->machines[FAR].secret_key, body, ob_held_body(&held, body), signature);
    return held;
}

static void far_machine_acknowledges_by_a_signed_answer(void **state) {
    (void)state;
    struct fixture *f = start_overlay();
    uint8_t message[OB_SMALL_MESSAGE_BYTES_MAX], signature[64];
    train_rounds(f, 6);
    assert_int_equal(ob_peer_view(f->peer).last_live, 2);
    assert_int_equal(ob_peer_view(f->peer).acknowledge, 1);
    struct ob_held held = held_by_far(f, signature);
    signature[5] ^= 1;
    step_message(f, NEIGHBOUR, message, ob_held_encode(&held, message));
    assert_int_equal(ob_peer_view(f->peer).counters.bad_signatures, 1);
    signature[5] ^= 1;
    uint64_t next = held.next.index;
    held.next.index--; /* another statement than the one that was signed */
    step_message(f, NEIGHBOUR, message, ob_held_encode(&held, message));
    assert_int_equal(ob_peer_view(f->peer).counters.bad_signatures, 2);
    held.next.index = next;
    step_message(f, NEIGHBOUR, message, ob_held_encode(&held, message));
    step(f, OB_EVENT_TICK);
    assert_int_equal(ob_peer_view(f->peer).counters.bad_signatures, 2);
    assert_int_equal(ob_peer_view(f->peer).acknowledge, 2);
    fixture_free(f);
}

static void far_machines_are_asked_by_one_way_then_another(void **state) {
    (void)state;
    struct fixture *f = start_overlay();
    size_t asked[2] = {0};
    train_rounds(f, 1);
    for (unsigned i = 0; i < 80; i++) {
        f->now_ns += 100 * MILLISECOND;
        step(f, OB_EVENT_TICK);
        const struct ob_effect *ask = find_sent(f, OB_MESSAGE_HELD_ASK);
        if (ask != NULL)
            asked[ob_machine_equal(&ask->machine, &f->machines[OTHER].id)]++;
        if (ob_peer_view(f->peer).life == OB_PEER_TRAINING)
            step_round_done(f, FIXTURE_SAMPLES);
    }
    assert_true(asked[0] >= 1 && asked[1] >= 1);
    assert_true(asked[0] + asked[1] <= 5); /* less and less often */
    fixture_free(f);
}

static struct ob_held_ask question(const struct fixture *f) {
    return (struct ob_held_ask){
        .run = f->options.run, .asker = f->machines[5].id, .machine = f->machines[FAR].id, .hops = 3};
}

static void questions_are_handed_on_towards_the_records(void **state) {
    (void)state;
    struct fixture *f = start_overlay();
    uint8_t message[OB_SMALL_MESSAGE_BYTES_MAX];
    struct ob_held_ask ask = question(f), handed_on;
    step_message(f, OTHER, message, ob_held_ask_encode(&ask, message));
    const struct ob_effect *sent = find_sent(f, OB_MESSAGE_HELD_ASK);
    assert_non_null(sent);
    assert_true(ob_machine_equal(&sent->machine, &f->machines[NEIGHBOUR].id));
    assert_true(ob_held_ask_decode(ob_reader_init(sent->data + 2, sent->bytes - 2), &handed_on));
    assert_int_equal(handed_on.hops, 2);
    step_message(f, NEIGHBOUR, message, ob_held_ask_encode(&ask, message)); /* not back: the other way */
    sent = find_sent(f, OB_MESSAGE_HELD_ASK);
    assert_true(sent != NULL && ob_machine_equal(&sent->machine, &f->machines[OTHER].id));
    ask.hops = 0;
    step_message(f, OTHER, message, ob_held_ask_encode(&ask, message));
    assert_null(find_sent(f, OB_MESSAGE_HELD_ASK));
    ask.hops = 255;
    step_message(f, OTHER, message, ob_held_ask_encode(&ask, message));
    assert_null(find_sent(f, OB_MESSAGE_HELD_ASK));
    fixture_free(f);
}

/* After a start nobody may have heard a record of an isolated machine: its question shows the way back. */
static void question_shows_the_way_back(void **state) {
    (void)state;
    struct fixture *f = start_overlay();
    uint8_t message[OB_SMALL_MESSAGE_BYTES_MAX], signature[64] = {1};
    struct ob_held_ask ask = question(f);
    ask.asker = f->machines[5].id;
    receive_record(f, 5, 0); /* known, but by a link that is not there */
    step_message(f, OTHER, message, ob_held_ask_encode(&ask, message));
    assert_true(ob_machine_equal(&find_sent(f, OB_MESSAGE_HELD_ASK)->machine, &f->machines[NEIGHBOUR].id));
    struct ob_held held = {.run = f->options.run,
                           .asker = f->machines[5].id,
                           .machine = f->machines[FAR].id,
                           .hops = 9,
                           .signature = signature};
    step_message(f, NEIGHBOUR, message, ob_held_encode(&held, message));
    const struct ob_effect *sent = find_sent(f, OB_MESSAGE_HELD);
    assert_non_null(sent);
    assert_true(ob_machine_equal(&sent->machine, &f->machines[OTHER].id));
    fixture_free(f);
}

static void one_neighbour_has_only_so_much_handed_on(void **state) {
    (void)state;
    struct fixture *f = start_overlay();
    uint8_t message[OB_SMALL_MESSAGE_BYTES_MAX];
    struct ob_held_ask ask = question(f);
    size_t bytes = ob_held_ask_encode(&ask, message), handed_on = 0;
    for (unsigned i = 0; i < 1000; i++) {
        step_message(f, OTHER, message, bytes);
        handed_on += find_sent(f, OB_MESSAGE_HELD_ASK) != NULL;
    }
    assert_int_equal(handed_on, 256);
    step_message(f, NEIGHBOUR, message, bytes); /* another has its own share */
    assert_non_null(find_sent(f, OB_MESSAGE_HELD_ASK));
    fixture_free(f);
}

static void question_about_a_chain_is_answered_with_a_signature(void **state) {
    (void)state;
    struct fixture *f = start_overlay();
    uint8_t message[OB_SMALL_MESSAGE_BYTES_MAX], body[OB_HELD_BODY_BYTES];
    struct ob_held_ask ask = question(f);
    ask.asker = f->machines[FAR].id;
    ask.machine = f->machines[0].id;
    step_message(f, OTHER, message, ob_held_ask_encode(&ask, message));
    const struct ob_effect *sent = find_sent(f, OB_MESSAGE_HELD);
    assert_true(sent != NULL && ob_machine_equal(&sent->machine, &f->machines[OTHER].id)); /* as it came */
    ask.attempt = 1;
    step_message(f, OTHER, message, ob_held_ask_encode(&ask, message));
    sent = find_sent(f, OB_MESSAGE_HELD);
    struct ob_held held;
    assert_non_null(sent);
    assert_true(
        ob_machine_equal(&sent->machine, &f->machines[NEIGHBOUR].id)); /* where its record came from */
    assert_true(ob_held_decode(ob_reader_init(sent->data + 2, sent->bytes - 2), &held));
    assert_int_equal(held.next.index, FIXTURE_SAMPLES);
    assert_true(ob_machine_equal(&held.asker, &f->machines[FAR].id));
    assert_true(
        ob_record_ed25519_verify(NULL, &f->machines[0].id, body, ob_held_body(&held, body), held.signature));
    fixture_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(far_machine_acknowledges_by_a_signed_answer),
        cmocka_unit_test(far_machines_are_asked_by_one_way_then_another),
        cmocka_unit_test(questions_are_handed_on_towards_the_records),
        cmocka_unit_test(question_shows_the_way_back),
        cmocka_unit_test(one_neighbour_has_only_so_much_handed_on),
        cmocka_unit_test(question_about_a_chain_is_answered_with_a_signature),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
