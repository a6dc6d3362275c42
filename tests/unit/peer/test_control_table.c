#include "tests/unit/peer/fixture.h"

#include "peer/message.h"

static void higher_sequence_stays_in_any_order(void **state) {
    (void)state;
    uint8_t low[OB_SMALL_MESSAGE_BYTES_MAX], high[OB_SMALL_MESSAGE_BYTES_MAX];
    struct ob_hash digests[2];
    for (int order = 0; order < 2; order++) {
        struct fixture *f = fixture_new();
        fixture_start(f);
        size_t low_bytes = make_goodbye(f, 1, 3, 40, low), high_bytes = make_goodbye(f, 1, 4, 8, high);
        step_message(f, 2, order == 0 ? low : high, order == 0 ? low_bytes : high_bytes);
        assert_int_equal(count_effects(f, OB_EFFECT_PERSIST_CONTROL), 1);
        step_message(f, 2, order == 0 ? high : low, order == 0 ? high_bytes : low_bytes);
        assert_int_equal(count_effects(f, OB_EFFECT_PERSIST_CONTROL), order == 0);
        step_message(f, 2, high, high_bytes);
        assert_int_equal(f->effects.count, 0);
        digests[order] = ob_peer_view(f->peer).control_digest;
        fixture_free(f);
    }
    assert_true(ob_hash_equal(&digests[0], &digests[1]));
}

static void equal_sequences_end_the_same_in_any_order(void **state) {
    (void)state;
    uint8_t one[OB_SMALL_MESSAGE_BYTES_MAX], two[OB_SMALL_MESSAGE_BYTES_MAX];
    struct ob_hash digests[2];
    for (int order = 0; order < 2; order++) {
        struct fixture *f = fixture_new();
        fixture_start(f);
        size_t one_bytes = make_goodbye(f, 1, 3, 40, one), two_bytes = make_goodbye(f, 1, 3, 44, two);
        step_message(f, 2, order == 0 ? one : two, order == 0 ? one_bytes : two_bytes);
        step_message(f, 2, order == 0 ? two : one, order == 0 ? two_bytes : one_bytes);
        digests[order] = ob_peer_view(f->peer).control_digest;
        fixture_free(f);
    }
    assert_true(ob_hash_equal(&digests[0], &digests[1]));
}

static void goodbye_with_a_bad_signature_is_refused(void **state) {
    (void)state;
    uint8_t message[OB_SMALL_MESSAGE_BYTES_MAX];
    struct fixture *f = fixture_new();
    fixture_start(f);
    size_t bytes = make_goodbye(f, 1, 0, 0, message);
    message[bytes - 1] ^= 1;
    step_message(f, 2, message, bytes);
    assert_null(find_effect(f, OB_EFFECT_PERSIST_CONTROL));
    assert_non_null(find_notice(f, OB_NOTICE_REFUSED));
    assert_int_equal(ob_peer_view(f->peer).counters.bad_signatures, 1);
    fixture_free(f);
}

static void differing_digest_asks_and_is_answered(void **state) {
    (void)state;
    uint8_t message[OB_SMALL_MESSAGE_BYTES_MAX];
    struct fixture *f = fixture_new();
    fixture_start(f);
    size_t bytes = make_goodbye(f, 1, 0, 0, message), heartbeat_bytes;
    static const struct ob_hash EMPTY[OB_LEAVES];
    uint8_t question[OB_CONTROL_ASK_BYTES];
    uint8_t heartbeat[OB_HEARTBEAT_BYTES];
    heartbeat_bytes = make_heartbeat(f, 3, true, NULL, heartbeat); /* of a machine with an empty table */
    step_message(f, 1, message, bytes);
    step_message(f, 3, heartbeat, heartbeat_bytes);
    assert_non_null(find_sent(f, OB_MESSAGE_CONTROL_ASK));
    bytes = ob_control_ask_encode(&f->options.run, EMPTY, question);
    step_message(f, 3, question, bytes);
    const struct ob_effect *answer = find_sent(f, OB_MESSAGE_CONTROL);
    assert_non_null(answer);
    struct fixture *other = fixture_new();
    fixture_start(other);
    step_message(other, 3, answer->data, answer->bytes);
    struct ob_hash ours = ob_peer_view(f->peer).control_digest,
                   theirs = ob_peer_view(other->peer).control_digest;
    assert_true(ob_hash_equal(&ours, &theirs));
    step_message(f, 3, heartbeat, heartbeat_bytes);
    step_message(f, 3, question, bytes); /* once more: nothing is remembered of who was told */
    assert_non_null(find_sent(f, OB_MESSAGE_CONTROL));
    fixture_free(other);
    fixture_free(f);
}

static void own_goodbye_of_an_earlier_life_is_followed_by_a_higher_one(void **state) {
    (void)state;
    uint8_t message[OB_SMALL_MESSAGE_BYTES_MAX];
    struct fixture *f = fixture_new();
    fixture_start(f);
    size_t bytes = make_goodbye(f, 0, 6, 0, message);
    step_message(f, 1, message, bytes);
    assert_null(find_notice(f, OB_NOTICE_LEFT));
    step(f, OB_EVENT_LEAVE);
    step_round_done(f, 2);
    const struct ob_effect *entry = find_effect(f, OB_EFFECT_PERSIST_CONTROL);
    struct ob_control goodbye;
    assert_int_equal(ob_control_decode(entry->data, entry->bytes, &goodbye, NULL), OB_OK);
    assert_int_equal(goodbye.sequence, 7);
    fixture_free(f);
}

/* Every step a newer goodbye; what it costs others is bounded, and in the end they have the last one. */
static void goodbyes_that_come_too_fast_are_taken_later(void **state) {
    (void)state;
    uint8_t message[OB_SMALL_MESSAGE_BYTES_MAX];
    struct fixture *f = fixture_new();
    fixture_start(f);
    size_t taken = 0, bytes = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        f->now_ns += 10 * MILLISECOND;
        bytes = make_goodbye(f, 1, i, 0, message);
        step_message(f, 2, message, bytes);
        taken += count_effects(f, OB_EFFECT_PERSIST_CONTROL);
    }
    assert_in_range(taken, 4, 12);
    assert_int_equal(ob_peer_view(f->peer).counters.postponed, 1000 - taken);
    f->now_ns += 5 * SECOND;
    step_message(f, 2, message, bytes);
    assert_int_equal(count_effects(f, OB_EFFECT_PERSIST_CONTROL), 1);
    fixture_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(higher_sequence_stays_in_any_order),
        cmocka_unit_test(equal_sequences_end_the_same_in_any_order),
        cmocka_unit_test(goodbye_with_a_bad_signature_is_refused),
        cmocka_unit_test(differing_digest_asks_and_is_answered),
        cmocka_unit_test(goodbyes_that_come_too_fast_are_taken_later),
        cmocka_unit_test(own_goodbye_of_an_earlier_life_is_followed_by_a_higher_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
