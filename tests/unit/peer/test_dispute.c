/* Named frontiers, weights digests at them, and what follows when two peers say different things. */
#include "tests/unit/peer/fixture.h"

#include <stdlib.h>

static const struct ob_hash OURS = {{1}}, THEIRS = {{2}};

/* We and machine 1 train; both are through with these rounds, and we are in the next one. */
static void train_to(struct fixture *f, uint32_t rounds) {
    for (uint32_t round = f->machines[1].head_round + (f->machines[1].next > 0); round < rounds; round++) {
        receive_record(f, 1, round);
        receive_heartbeat(f, 1, true);
        step_round_done(f, FIXTURE_SAMPLES);
    }
}

static struct fixture *two_that_train(uint32_t interval) {
    struct fixture *f = fixture_new();
    f->options.digest_interval = interval;
    fixture_start(f);
    step_machine(f, OB_EVENT_LINK_UP, 1);
    receive_heartbeat(f, 1, true);
    return f;
}

static void answer(struct fixture *f, const struct ob_hash *log, const struct ob_hash *weights) {
    step_event(f, (struct ob_event){.kind = OB_EVENT_DIGEST, .log = *log, .weights = *weights});
}

static void report(struct fixture *f, size_t machine, const struct ob_hash *log,
                   const struct ob_hash *weights) {
    struct ob_peer_view view = ob_peer_view(f->peer);
    uint8_t message[OB_HEARTBEAT_BYTES], body[OB_HEARTBEAT_BODY_BYTES], signature[64];
    struct ob_heartbeat heartbeat = {.run = f->options.run,
                                     .machine = f->machines[machine].id,
                                     .instance = 50 + machine,
                                     .sequence = ++f->machines[machine].heartbeats,
                                     .trains = true,
                                     .next = {f->machines[machine].next},
                                     .log = view.log_digest,
                                     .control = view.control_digest,
                                     .weights = *weights,
                                     .weights_log = *log,
                                     .signature = signature};
    size_t bytes = ob_heartbeat_body(&heartbeat, body);
    f->options.crypto.sign(f->machines[machine].secret_key, body, bytes, signature);
    step_message(f, machine, message, ob_heartbeat_encode(&heartbeat, message));
}

/* The digest of what everybody had when all had passed round 4 and nobody more, however far we are since. */
static void a_frontier_is_named_when_all_have_passed_it(void **state) {
    (void)state;
    struct fixture *f = two_that_train(4);
    train_to(f, 4);
    struct ob_hash below = ob_peer_view(f->peer).log_digest;
    step(f, OB_EVENT_TICK);
    assert_null(find_effect(f, OB_EFFECT_DIGEST)); /* nobody has a record of round 4 */
    step_round_done(f, FIXTURE_SAMPLES);
    step(f, OB_EVENT_TICK);
    assert_null(find_effect(f, OB_EFFECT_DIGEST)); /* one has */
    receive_record(f, 1, 6);                       /* it jumped */
    step(f, OB_EVENT_TICK);
    const struct ob_effect *effect = find_effect(f, OB_EFFECT_DIGEST);
    assert_non_null(effect);
    assert_int_equal(effect->digest.below.index, 4);
    assert_true(ob_hash_equal(&effect->digest.log, &below));
    step(f, OB_EVENT_TICK);
    assert_null(find_effect(f, OB_EFFECT_DIGEST)); /* once */
    answer(f, &below, &OURS);
    struct ob_peer_view view = ob_peer_view(f->peer);
    assert_int_equal(view.named, 4);
    assert_true(ob_hash_equal(&view.named_log, &below) && ob_hash_equal(&view.named_weights, &OURS));
    fixture_free(f);
}

/* A record of an earlier round changes what is below the frontier: another log digest, another digest. */
static void a_straggler_has_the_digest_made_anew(void **state) {
    (void)state;
    struct fixture *f = two_that_train(4);
    train_to(f, 5);
    step(f, OB_EVENT_TICK);
    const struct ob_effect *effect = find_effect(f, OB_EFFECT_DIGEST);
    assert_non_null(effect);
    struct ob_hash before = effect->digest.log;
    answer(f, &before, &OURS);
    receive_record(f, 2, 1);
    receive_record(f, 2, 2);
    step(f, OB_EVENT_TICK);
    effect = find_effect(f, OB_EFFECT_DIGEST);
    assert_non_null(effect);
    assert_int_equal(effect->digest.below.index, 4);
    assert_false(ob_hash_equal(&effect->digest.log, &before));
    fixture_free(f);
}

/* A straggler comes after a frontier was named and before its digest could be asked for, because another one was being made:
 * the digest that is asked for is of what is below the frontier by then. */
static void a_straggler_before_the_question_changes_it(void **state) {
    (void)state;
    struct fixture *f = two_that_train(4);
    train_to(f, 5);
    step(f, OB_EVENT_TICK);
    const struct ob_effect *effect = find_effect(f, OB_EFFECT_DIGEST);
    assert_non_null(effect);
    struct ob_hash first = effect->digest.log;
    train_to(f, 8);
    struct ob_hash below_8 = ob_peer_view(f->peer).log_digest;
    train_to(f, 9);
    pass(f, 200 * MILLISECOND); /* named; the first digest is still being made */
    receive_record(f, 2, 1);
    answer(f, &first, &OURS);
    effect = pass_until(f, 10 * SECOND, OB_EFFECT_DIGEST);
    assert_non_null(effect);
    assert_int_equal(effect->digest.below.index, 8);
    assert_false(ob_hash_equal(&effect->digest.log, &below_8));
    fixture_free(f);
}

static void a_log_at_rest_has_a_digest(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    f->options.observer = true;
    fixture_start(f);
    receive_record(f, 1, 0);
    const struct ob_effect *effect = pass_until(f, 3 * SECOND, OB_EFFECT_DIGEST);
    assert_non_null(effect);
    assert_int_equal(effect->digest.below.index, OB_ROUNDS_ALL);
    struct ob_hash log = ob_peer_view(f->peer).log_digest;
    assert_true(ob_hash_equal(&effect->digest.log, &log));
    answer(f, &log, &(struct ob_hash){{0}}); /* it cannot be had */
    assert_null(pass_until(f, 5 * SECOND, OB_EFFECT_DIGEST));
    receive_record(f, 1, 1);
    assert_non_null(pass_until(f, 3 * SECOND, OB_EFFECT_DIGEST));
    fixture_free(f);
}

/* Both passed round 4 and our digest there is OURS; returns its log. */
static struct ob_hash with_digest(struct fixture *f) {
    train_to(f, 5);
    step(f, OB_EVENT_TICK);
    const struct ob_effect *effect = find_effect(f, OB_EFFECT_DIGEST);
    assert_non_null(effect);
    struct ob_hash log = effect->digest.log;
    answer(f, &log, &OURS);
    return log;
}

static void equal_digests_are_counted_and_change_nothing(void **state) {
    (void)state;
    struct fixture *f = two_that_train(4);
    struct ob_hash log = with_digest(f), other = {{9}};
    report(f, 1, &other, &THEIRS); /* of other records: says nothing */
    assert_false(look(f, 1).compared);
    report(f, 1, &log, &OURS);
    report(f, 1, &log, &OURS);
    assert_true(look(f, 1).compared && look(f, 1).agrees);
    assert_int_equal(ob_peer_view(f->peer).counters.agreements, 1);
    assert_int_equal(ob_peer_view(f->peer).counters.disagreements, 0);
    step_round_done(f, FIXTURE_SAMPLES);
    assert_non_null(find_effect(f, OB_EFFECT_START_ROUND));
    fixture_free(f);
}

/* Its report came first. */
static void a_digest_of_ours_is_held_against_what_was_reported(void **state) {
    (void)state;
    struct fixture *f = two_that_train(4);
    train_to(f, 5);
    step(f, OB_EVENT_TICK);
    struct ob_hash log = find_effect(f, OB_EFFECT_DIGEST)->digest.log;
    report(f, 1, &log, &THEIRS);
    assert_null(find_notice(f, OB_NOTICE_DISAGREE));
    answer(f, &log, &OURS);
    assert_non_null(find_notice(f, OB_NOTICE_DISAGREE));
    assert_non_null(find_effect(f, OB_EFFECT_REBUILD));
    fixture_free(f);
}

static void rebuilt(struct fixture *f, bool healed) {
    step_event(f, (struct ob_event){.kind = OB_EVENT_REBUILT, .healed = healed});
}

static void who_disagrees_does_not_train_until_it_is_proven(void **state) {
    (void)state;
    struct fixture *f = two_that_train(4);
    struct ob_hash log = with_digest(f);
    uint64_t held = ob_peer_view(f->peer).next.index;
    report(f, 1, &log, &THEIRS);
    assert_non_null(find_notice(f, OB_NOTICE_DISAGREE));
    assert_non_null(find_effect(f, OB_EFFECT_REBUILD));
    assert_true(ob_peer_view(f->peer).disputed);
    report(f, 1, &log, &THEIRS);
    assert_null(find_notice(f, OB_NOTICE_DISAGREE)); /* told once */
    assert_null(find_effect(f, OB_EFFECT_REBUILD));
    step_round_done(f, FIXTURE_SAMPLES); /* the round that ran is thrown away */
    assert_null(find_effect(f, OB_EFFECT_PUBLISH));
    assert_null(find_effect(f, OB_EFFECT_START_ROUND));
    assert_int_equal(ob_peer_view(f->peer).next.index, held);
    receive_heartbeat(f, 1, true);
    assert_null(pass_until(f, 3 * SECOND, OB_EFFECT_START_ROUND));
    rebuilt(f, false);
    assert_non_null(find_notice(f, OB_NOTICE_PROVEN));
    assert_non_null(find_effect(f, OB_EFFECT_START_ROUND));
    struct ob_peer_counters counters = ob_peer_view(f->peer).counters;
    assert_int_equal(counters.rebuilds, 1);
    assert_int_equal(counters.heals, 0);
    fixture_free(f);
}

/* Or any member could stop all others again and again. */
static void who_was_wrong_is_not_listened_to_for_long(void **state) {
    (void)state;
    struct fixture *f = two_that_train(4);
    struct ob_hash log = with_digest(f);
    report(f, 1, &log, &THEIRS);
    pass(f, 2 * SECOND);
    rebuilt(f, false);
    report(f, 1, &log, &(struct ob_hash){{3}});
    assert_non_null(find_notice(f, OB_NOTICE_DISAGREE));
    assert_null(find_effect(f, OB_EFFECT_REBUILD));
    report(f, 2, &log, &THEIRS); /* another one is */
    assert_non_null(find_effect(f, OB_EFFECT_REBUILD));
    rebuilt(f, false);
    pass(f, 193 * SECOND);
    report(f, 1, &log, &(struct ob_hash){{4}});
    assert_non_null(find_effect(f, OB_EFFECT_REBUILD));
    rebuilt(f, false);
    pass(f, 70 * SECOND); /* twice as long now */
    report(f, 1, &log, &(struct ob_hash){{5}});
    assert_null(find_effect(f, OB_EFFECT_REBUILD));
    fixture_free(f);
}

/* A wrong digest and at once the right one, five pairs a second: one check, and it is proven wrong. */
static void a_later_agreement_does_not_clear_an_accusation(void **state) {
    (void)state;
    struct fixture *f = two_that_train(4);
    struct ob_hash log = with_digest(f);
    unsigned told = 0, proven = 0, rebuilds = 0;
    for (uint8_t i = 0; i < 200; i++) { /* 40 s */
        report(f, 1, &log, &(struct ob_hash){{(uint8_t)(i + 3)}});
        told += find_notice(f, OB_NOTICE_DISAGREE) != NULL;
        bool begins = find_effect(f, OB_EFFECT_REBUILD) != NULL;
        rebuilds += begins;
        report(f, 1, &log, &OURS);
        assert_null(find_notice(f, OB_NOTICE_DISAGREE));
        f->now_ns += 200 * MILLISECOND;
        if (!begins)
            continue;
        rebuilt(f, false);
        proven += find_notice(f, OB_NOTICE_PROVEN) != NULL;
    }
    assert_int_equal(rebuilds, 1);
    assert_int_equal(proven, 1);
    assert_int_equal(look(f, 1).false_alarms, 1);
    assert_in_range(told, 1, 5);
    fixture_free(f);
}

/* Five certificates of one member, one after the other. */
static void accusers_in_turn_take_a_small_part_of_our_time(void **state) {
    (void)state;
    struct fixture *f = two_that_train(4);
    struct ob_hash log = with_digest(f);
    report(f, 1, &log, &OURS);
    report(f, 2, &log, &OURS);
    unsigned rebuilds = 0;
    bool open = false;
    for (uint8_t i = 0; i < 200; i++) { /* 100 s; a check takes 1 s */
        report(f, 3 + i % 5u, &log, &(struct ob_hash){{(uint8_t)(i + 3)}});
        f->now_ns += 500 * MILLISECOND;
        step(f, OB_EVENT_TICK);
        bool is_open = ob_peer_view(f->peer).disputed;
        rebuilds += is_open && !open;
        open = is_open;
        if (open && i % 2 == 1)
            rebuilt(f, false);
        open = ob_peer_view(f->peer).disputed;
    }
    assert_in_range(rebuilds, 1, 4);
    report(f, 1, &log, &THEIRS); /* one that was always right has its turn as well */
    pass(f, 300 * SECOND);
    assert_true(ob_peer_view(f->peer).disputed);
    fixture_free(f);
}

/* After two checks in vain; nobody waits for a turn when most of all say the same. */
static void most_of_all_do_not_wait_for_their_turn(void **state) {
    (void)state;
    struct fixture *f = two_that_train(4);
    struct ob_hash log = with_digest(f);
    for (size_t i = 1; i <= 2; i++) {
        report(f, i, &log, &THEIRS);
        pass(f, SECOND);
        rebuilt(f, false);
    }
    report(f, 3, &log, &THEIRS);
    assert_false(ob_peer_view(f->peer).disputed);
    report(f, 4, &log, &OURS);
    assert_false(ob_peer_view(f->peer).disputed);
    for (size_t i = 5; i < FIXTURE_MACHINES; i++)
        report(f, i, &log, &THEIRS);
    assert_true(ob_peer_view(f->peer).disputed);
    fixture_free(f);
}

static void healed_weights_have_new_digests(void **state) {
    (void)state;
    struct fixture *f = two_that_train(4);
    struct ob_hash log = with_digest(f);
    report(f, 1, &log, &THEIRS);
    rebuilt(f, true);
    assert_non_null(find_notice(f, OB_NOTICE_HEALED));
    assert_int_equal(ob_peer_view(f->peer).counters.heals, 1);
    assert_false(look(f, 1).compared); /* what we said is forgotten */
    step(f, OB_EVENT_TICK);
    const struct ob_effect *effect = find_effect(f, OB_EFFECT_DIGEST);
    assert_non_null(effect);
    assert_true(ob_hash_equal(&effect->digest.log, &log));
    answer(f, &log, &THEIRS);
    assert_true(look(f, 1).compared && look(f, 1).agrees);
    fixture_free(f);
}

/* What we were asked to send to machine 1 says this of our weights; nothing was sent: false. */
static bool told_it(const struct fixture *f, const struct ob_hash *log, const struct ob_hash *weights) {
    const struct ob_effect *sent = find_sent(f, OB_MESSAGE_HEARTBEAT);
    struct ob_heartbeat heartbeat;
    if (sent == NULL)
        return false;
    assert_true(ob_machine_equal(&sent->machine, &f->machines[1].id));
    assert_true(ob_heartbeat_decode(ob_reader_init(sent->data + 2, sent->bytes - 2), &heartbeat));
    assert_true(ob_hash_equal(&heartbeat.weights_log, log) && ob_hash_equal(&heartbeat.weights, weights));
    return true;
}

/* It is slow: its digest of a frontier comes when ours are of a later one, that it has no digest of. It may be the one that
 * is wrong. */
static void who_disagrees_late_is_sent_our_digest_of_the_same_records(void **state) {
    (void)state;
    static const struct ob_hash LATER = {{7}};
    struct fixture *f = two_that_train(4);
    struct ob_hash log = with_digest(f);
    report(f, 1, &log, &THEIRS);
    assert_false(told_it(f, &log, &OURS)); /* our next heartbeat says so to everybody */
    rebuilt(f, false);
    train_to(f, 9);
    const struct ob_effect *effect = pass_until(f, 10 * SECOND, OB_EFFECT_DIGEST);
    assert_non_null(effect);
    struct ob_hash later = effect->digest.log;
    answer(f, &later, &LATER);
    report(f, 1, &log, &THEIRS);
    assert_true(told_it(f, &log, &OURS));
    report(f, 1, &log, &THEIRS);
    assert_false(told_it(f, &log, &OURS)); /* a flood of questions has few answers */
    pass(f, SECOND);
    report(f, 1, &log, &THEIRS);
    assert_true(told_it(f, &log, &OURS)); /* the first one may be lost */
    pass(f, SECOND);
    report(f, 1, &log, &OURS);
    assert_false(told_it(f, &log, &OURS));
    report(f, 1, &(struct ob_hash){{9}}, &THEIRS);
    assert_false(told_it(f, &log, &OURS));
    fixture_free(f);
}

static void the_memory_check_stops_rounds_as_well(void **state) {
    (void)state;
    struct fixture *f = two_that_train(4);
    train_to(f, 2);
    step(f, OB_EVENT_DISPUTE);
    assert_non_null(find_effect(f, OB_EFFECT_REBUILD));
    step(f, OB_EVENT_DISPUTE);
    assert_null(find_effect(f, OB_EFFECT_REBUILD));
    step_round_done(f, FIXTURE_SAMPLES);
    assert_null(find_effect(f, OB_EFFECT_START_ROUND));
    rebuilt(f, true);
    assert_non_null(find_effect(f, OB_EFFECT_START_ROUND));
    fixture_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frontier_is_named_when_all_have_passed_it),
        cmocka_unit_test(a_straggler_has_the_digest_made_anew),
        cmocka_unit_test(a_straggler_before_the_question_changes_it),
        cmocka_unit_test(a_log_at_rest_has_a_digest),
        cmocka_unit_test(equal_digests_are_counted_and_change_nothing),
        cmocka_unit_test(a_digest_of_ours_is_held_against_what_was_reported),
        cmocka_unit_test(who_disagrees_does_not_train_until_it_is_proven),
        cmocka_unit_test(who_was_wrong_is_not_listened_to_for_long),
        cmocka_unit_test(a_later_agreement_does_not_clear_an_accusation),
        cmocka_unit_test(accusers_in_turn_take_a_small_part_of_our_time),
        cmocka_unit_test(most_of_all_do_not_wait_for_their_turn),
        cmocka_unit_test(healed_weights_have_new_digests),
        cmocka_unit_test(who_disagrees_late_is_sent_our_digest_of_the_same_records),
        cmocka_unit_test(the_memory_check_stops_rounds_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
