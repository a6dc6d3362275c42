#include "tests/unit/peer/fixture.h"

static enum ob_peer_life life(const struct fixture *f) {
    return ob_peer_view(f->peer).life;
}

static void start_alone_begins_round_0(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    const struct ob_effect *start = find_effect(f, OB_EFFECT_START_ROUND);
    assert_non_null(start);
    assert_int_equal(start->start.first.index, 0);
    assert_int_equal(start->start.round.index, 0);
    assert_int_equal(start->start.n, FIXTURE_SAMPLES);
    assert_int_equal(start->start.live, 1);
    assert_int_equal(life(f), OB_PEER_TRAINING);
    fixture_free(f);
}

static void round_done_persists_then_publishes_then_applies(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    f->now_ns += 200 * MILLISECOND;
    step_round_done(f, FIXTURE_SAMPLES);
    const struct ob_effect *e = f->effects.items;
    assert_int_equal(f->effects.count, 4);
    assert_int_equal(e[0].kind, OB_EFFECT_PERSIST_OWN);
    assert_int_equal(e[1].kind, OB_EFFECT_PUBLISH);
    assert_int_equal(e[2].kind, OB_EFFECT_APPLY);
    assert_int_equal(e[3].kind, OB_EFFECT_START_ROUND);
    assert_int_equal(e[3].start.round.index, 1);
    assert_int_equal(e[3].start.first.index, FIXTURE_SAMPLES);
    struct ob_record record;
    assert_int_equal(ob_record_decode(e[1].data + 2, e[1].bytes - 2, &f->options.bounds, &record, NULL),
                     OB_OK);
    assert_true(ob_record_verify(&f->options.run, &record));
    assert_int_equal(record.n, FIXTURE_SAMPLES);
    assert_int_equal(record.exponent, 1);
    assert_memory_equal(record.bytes, e[0].record.bytes, record.n);
    assert_memory_equal(record.signature, e[0].record.signature, 64);
    assert_int_equal(ob_peer_view(f->peer).median_round_ns, 200 * MILLISECOND);
    fixture_free(f);
}

static void round_done_chain_names_the_hash_before(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    step_round_done(f, FIXTURE_SAMPLES);
    struct ob_hash first = ob_record_hash(&f->options.run, &f->effects.items[0].record);
    step_round_done(f, 2);
    assert_true(ob_hash_equal(&f->effects.items[0].record.prev, &first));
    assert_int_equal(f->effects.items[0].record.n, 2);
    assert_int_equal(ob_peer_view(f->peer).next.index, FIXTURE_SAMPLES + 2);
    fixture_free(f);
}

static void round_done_unusable_results_are_refused(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    step_round_done(f, FIXTURE_SAMPLES + 1);
    assert_null(find_effect(f, OB_EFFECT_PERSIST_OWN));
    assert_non_null(find_notice(f, OB_NOTICE_REFUSED));
    step_round_done(f, 1); /* asked for again meanwhile? no: not before the next step */
    f->now_ns += SECOND;
    step(f, OB_EVENT_TICK);
    assert_int_equal(life(f), OB_PEER_TRAINING);
    step_round_done(f, 0);
    assert_null(find_effect(f, OB_EFFECT_PERSIST_OWN));
    step(f, OB_EVENT_TICK);
    assert_non_null(find_effect(f, OB_EFFECT_START_ROUND));
    fixture_free(f);
}

/* Two machines, k given: the other one has been heard and finished `other` rounds; how far do we get? */
static uint32_t rounds_until_blocked(uint32_t staleness, uint32_t other) {
    struct fixture *f = fixture_new();
    f->options.max_staleness = staleness;
    fixture_start(f);
    receive_heartbeat(f, 1, true);
    for (uint32_t round = 0; round < other; round++)
        receive_record(f, 1, round);
    uint32_t done = 0;
    while (life(f) == OB_PEER_TRAINING && done < 50) {
        step_round_done(f, FIXTURE_SAMPLES);
        done++;
    }
    assert_int_equal(life(f), OB_PEER_WAITING);
    receive_record(f, 1, other);
    const struct ob_effect *start = find_effect(f, OB_EFFECT_START_ROUND);
    assert_non_null(start);
    assert_int_equal(start->start.live, 2);
    fixture_free(f);
    return done;
}

static void pacing_lockstep_and_staleness(void **state) {
    (void)state;
    assert_int_equal(rounds_until_blocked(0, 0), 1);
    assert_int_equal(rounds_until_blocked(0, 1), 2);
    assert_int_equal(rounds_until_blocked(2, 0), 3);
    assert_int_equal(rounds_until_blocked(2, 2), 5);
}

/* After its last round nothing is missing from it, however long it is silent. */
static void pacing_a_machine_that_has_done_all_rounds_is_not_told_to_be_quiet(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    f->options.bounds.max_rounds = 2;
    fixture_start(f);
    receive_record(f, 1, 0);
    receive_record(f, 1, 1);
    bool told = false, paced = look(f, 1).paced;
    step_round_done(f, FIXTURE_SAMPLES);
    step_round_done(f, FIXTURE_SAMPLES); /* as we have */
    assert_int_equal(life(f), OB_PEER_FINISHED);
    for (int i = 0; i < 100; i++) {
        pass(f, 100 * MILLISECOND);
        paced = paced || look(f, 1).paced;
        told = told || find_notice(f, OB_NOTICE_QUIET);
    }
    assert_true(paced);
    assert_false(look(f, 1).paced);
    assert_false(told);
    fixture_free(f);
}

static void pacing_quiet_machine_is_left_behind_and_comes_back(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    f->options.max_staleness = 0;
    fixture_start(f);
    receive_record(f, 1, 0);
    step_round_done(f, FIXTURE_SAMPLES);
    step_round_done(f, FIXTURE_SAMPLES);
    assert_int_equal(life(f), OB_PEER_WAITING);
    for (int i = 0; i < 49; i++) {
        pass(f, 100 * MILLISECOND);
        receive_heartbeat(f, 1, true); /* heartbeats alone do not count */
        assert_int_equal(life(f), OB_PEER_WAITING);
    }
    pass(f, 100 * MILLISECOND);
    assert_non_null(find_notice(f, OB_NOTICE_QUIET));
    const struct ob_effect *start = find_effect(f, OB_EFFECT_START_ROUND);
    assert_non_null(start);
    assert_int_equal(start->start.live, 1);
    step_round_done(f, FIXTURE_SAMPLES);
    receive_record(f, 1, 1); /* we are in round 3 */
    assert_false(look(f, 1).paced);
    receive_record(f, 1, 2);
    assert_true(look(f, 1).paced);
    assert_non_null(find_notice(f, OB_NOTICE_BACK));
    fixture_free(f);
}

static void pacing_long_rounds_make_quiet_later(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    f->options.max_staleness = 0;
    fixture_start(f);
    receive_record(f, 1, 0);
    f->now_ns += 10 * SECOND;
    step_round_done(f, FIXTURE_SAMPLES);
    assert_true(look(f, 1).paced);
    step_round_done(f, 0);
    f->now_ns += 15 * SECOND;
    step(f, OB_EVENT_TICK);
    assert_true(look(f, 1).paced); /* 25 s without a record, and 3 median rounds are 30 s */
    f->now_ns += 5 * SECOND;
    step(f, OB_EVENT_TICK);
    assert_false(look(f, 1).paced);
    fixture_free(f);
}

static void pacing_idle_machine_is_not_waited_for(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    f->options.max_staleness = 0;
    fixture_start(f);
    receive_record(f, 1, 0);
    step_round_done(f, FIXTURE_SAMPLES);
    step_round_done(f, FIXTURE_SAMPLES);
    assert_int_equal(life(f), OB_PEER_WAITING);
    receive_heartbeat(f, 1, false);
    pass(f, 100 * MILLISECOND);
    assert_int_equal(life(f), OB_PEER_TRAINING);
    fixture_free(f);
}

static void goodbye_leaves_the_pacing_set_at_once(void **state) {
    (void)state;
    uint8_t message[OB_SMALL_MESSAGE_BYTES_MAX];
    struct fixture *f = fixture_new();
    f->options.max_staleness = 0;
    fixture_start(f);
    receive_record(f, 1, 0);
    step_round_done(f, FIXTURE_SAMPLES);
    step_round_done(f, FIXTURE_SAMPLES);
    size_t bytes = make_goodbye(f, 1, 0, f->machines[1].next, message);
    step_message(f, 1, message, bytes);
    assert_non_null(find_notice(f, OB_NOTICE_LEFT));
    assert_non_null(find_effect(f, OB_EFFECT_PERSIST_CONTROL));
    assert_true(look(f, 1).left);
    pass(f, 100 * MILLISECOND);
    assert_int_equal(life(f), OB_PEER_TRAINING);
    receive_record(f, 1, 2); /* it came back */
    assert_false(look(f, 1).left);
    assert_true(look(f, 1).paced);
    fixture_free(f);
}

static void newcomer_starts_after_the_lower_median(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    fixture_make_peer(f);
    step_machine(f, OB_EVENT_EXPECT, 1);
    step(f, OB_EVENT_START);
    assert_null(find_effect(f, OB_EFFECT_START_ROUND));
    static const uint32_t HEADS[] = {40, 44, 42, 60};
    for (size_t i = 0; i < 4; i++)
        receive_record(f, i + 1, HEADS[i]);
    receive_heartbeat(f, 1, true); /* its log is ours: its answer */
    const struct ob_effect *start = find_effect(f, OB_EFFECT_START_ROUND);
    assert_non_null(start);
    assert_int_equal(start->start.round.index, 43);
    assert_int_equal(start->start.live, 5);
    fixture_free(f);
}

static void far_behind_jumps_to_the_median(void **state) {
    (void)state;
    struct fixture *f = fixture_new(); /* k = 2 */
    fixture_start(f);
    receive_record(f, 1, 3);
    receive_record(f, 2, 3);
    receive_record(f, 3, 90);
    step_round_done(f, FIXTURE_SAMPLES);
    assert_int_equal(find_effect(f, OB_EFFECT_START_ROUND)->start.round.index, 1); /* 3 is within 2 of 1 */
    receive_record(f, 1, 5);
    receive_record(f, 2, 5);
    step_round_done(f, FIXTURE_SAMPLES);
    assert_int_equal(find_effect(f, OB_EFFECT_START_ROUND)->start.round.index, 5);
    fixture_free(f);
}

/* ---- one machine, whatever it claims ---- */

/* One signature buys a record of the last round; nobody goes there, and nobody's run is over. */
static void last_round_of_one_machine_moves_nobody(void **state) {
    (void)state;
    for (size_t others = 1; others <= 3; others++) {
        struct fixture *f = fixture_new(); /* k = 2 */
        fixture_start(f);
        for (size_t i = 2; i <= others; i++)
            receive_record(f, i, 0);
        receive_record(f, 1, f->options.bounds.max_rounds - 1);
        for (uint32_t round = 0; round < 20; round++) {
            for (size_t i = 2; i <= others && round > 0; i++)
                receive_record(f, i, round);
            assert_int_equal(life(f), OB_PEER_TRAINING);
            assert_int_equal(ob_peer_view(f->peer).round.index, round);
            pass(f, 100 * MILLISECOND);
            step_round_done(f, FIXTURE_SAMPLES);
        }
        fixture_free(f);
    }
}

static void newcomer_is_not_finished_by_one_machine(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    fixture_make_peer(f);
    step_machine(f, OB_EVENT_EXPECT, 1);
    step(f, OB_EVENT_START);
    receive_record(f, 1, f->options.bounds.max_rounds - 1);
    receive_heartbeat(f, 1, true);
    const struct ob_effect *start = find_effect(f, OB_EFFECT_START_ROUND);
    assert_non_null(start);
    assert_int_equal(start->start.round.index, 1); /* as far as its samples go */
    fixture_free(f);
}

/* Two of five are no majority; with a third one they are, whoever that is. */
static void jump_needs_a_majority(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    receive_record(f, 1, 500);
    receive_record(f, 2, 600);
    receive_record(f, 3, 0);
    receive_record(f, 4, 0);
    step_round_done(f, FIXTURE_SAMPLES);
    assert_int_equal(find_effect(f, OB_EFFECT_START_ROUND)->start.round.index, 1);
    receive_record(f, 3, 550);
    step_round_done(f, FIXTURE_SAMPLES);
    assert_int_equal(find_effect(f, OB_EFFECT_START_ROUND)->start.round.index, 500);
    fixture_free(f);
}

/* Behind a single other one that did its rounds: twice as fast as we walk, until it waits for us again. */
static void half_is_followed_at_double_speed(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    for (uint32_t round = 0; round <= 9; round++)
        receive_record(f, 1, round);
    static const uint32_t ROUNDS[] = {2, 4, 6, 7, 8, 9, 10};
    for (size_t i = 0; i < sizeof ROUNDS / sizeof ROUNDS[0]; i++) {
        step_round_done(f, FIXTURE_SAMPLES);
        assert_int_equal(find_effect(f, OB_EFFECT_START_ROUND)->start.round.index, ROUNDS[i]);
    }
    fixture_free(f);
}

/* Those who are far ahead turn out to be one person: without their certificates pace is what it was. */
static void pace_is_worked_out_anew_after_a_revocation(void **state) {
    (void)state;
    uint8_t entry[OB_CONTROL_PLAIN_BYTES_MAX];
    struct fixture *f = fixture_new();
    fixture_make_peer(f);
    step_machine(f, OB_EVENT_EXPECT, 1);
    step(f, OB_EVENT_START);
    receive_record(f, 1, f->options.bounds.max_rounds - 1);
    receive_record(f, 2, f->options.bounds.max_rounds - 1);
    receive_heartbeat(f, 1, true);
    assert_int_equal(life(f), OB_PEER_FINISHED);
    receive_control(f, 3, entry, make_revocation(f, 1, 1, 0, entry));
    receive_control(f, 3, entry, make_revocation(f, 2, 1, 0, entry));
    pass(f, 200 * MILLISECOND);
    assert_int_equal(life(f), OB_PEER_TRAINING);
    assert_int_equal(ob_peer_view(f->peer).round.index, 0);
    fixture_free(f);
}

/* A zero byte every 4.4 s is never silent, and for three machines 16 rounds a second become 0.35. */
static void who_is_far_slower_than_the_others_is_not_waited_for(void **state) {
    (void)state;
    struct fixture *f = fixture_new(); /* k = 2 */
    fixture_start(f);
    uint32_t slow = 0, rounds = 0, at_40_s = 0;
    bool told = false, waited = false;
    for (int tick = 0; tick < 900; tick++) {
        if (tick % 44 == 0)
            receive_record(f, 1, slow++);
        for (size_t other = 2; other <= 3; other++)
            if (f->machines[other].head_round + (f->machines[other].next > 0) < rounds + 1)
                receive_record(f, other, rounds);
        waited |= ob_peer_view(f->peer).waits;
        pass(f, 100 * MILLISECOND);
        told |= find_notice(f, OB_NOTICE_SLOW) != NULL;
        if (life(f) == OB_PEER_TRAINING) {
            step_round_done(f, FIXTURE_SAMPLES);
            rounds++;
        }
        at_40_s = tick == 400 ? rounds : at_40_s;
    }
    assert_true(waited && told);
    assert_true(rounds - at_40_s > 300); /* of 500: it comes back now and then, for 5 s */
    fixture_free(f);
}

/* Three times slower than the others is slow, and waited for. */
static void who_is_slower_by_less_is_waited_for(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    uint32_t rounds = 0, slow = 0;
    for (int tick = 0; tick < 600; tick++) {
        if (tick % 3 == 0)
            receive_record(f, 1, slow++);
        for (size_t other = 2; other <= 3; other++)
            if (f->machines[other].head_round + (f->machines[other].next > 0) < rounds + 1)
                receive_record(f, other, rounds);
        pass(f, 100 * MILLISECOND);
        assert_true(look(f, 1).paced && !look(f, 1).slow);
        if (life(f) == OB_PEER_TRAINING) {
            step_round_done(f, FIXTURE_SAMPLES);
            rounds++;
        }
    }
    assert_in_range(rounds, 195, 206);
    fixture_free(f);
}

static void rounds_used_up_finishes(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    f->options.bounds.max_rounds = 2;
    fixture_start(f);
    step_round_done(f, FIXTURE_SAMPLES);
    step_round_done(f, FIXTURE_SAMPLES);
    assert_int_equal(life(f), OB_PEER_FINISHED);
    assert_non_null(find_notice(f, OB_NOTICE_FINISHED));
    receive_record(f, 1, 0); /* it still takes in what others sign */
    assert_non_null(find_effect(f, OB_EFFECT_APPLY));
    fixture_free(f);
}

static void finished_goes_on_when_its_certificate_allows_more(void **state) {
    (void)state;
    uint8_t entry[OB_CONTROL_PLAIN_BYTES_MAX];
    struct fixture *f = fixture_new();
    f->certify = false;
    fixture_start(f);
    receive_control(f, 1, entry, make_certificate(f, 1, 1, 0, OB_CONTROL_NEVER, entry));
    receive_control(f, 1, entry, make_certificate(f, 0, 1, 0, 0, entry)); /* round 0 is its last */
    step_round_done(f, FIXTURE_SAMPLES);
    assert_int_equal(life(f), OB_PEER_FINISHED);
    receive_control(f, 1, entry, make_certificate(f, 0, 2, 0, 5, entry));
    assert_int_equal(life(f), OB_PEER_TRAINING);
    assert_int_equal(find_effect(f, OB_EFFECT_START_ROUND)->start.round.index, 1);
    fixture_free(f);
}

/* Of a twin, or lost before this start and told late. */
static void own_later_record_during_a_round_moves_the_next_one(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    assert_int_equal(life(f), OB_PEER_TRAINING);
    receive_record(f, 0, 7);
    assert_non_null(find_notice(f, OB_NOTICE_RECOVERED_OWN));
    step(f, OB_EVENT_TICK);
    step_round_done(f, FIXTURE_SAMPLES); /* of samples that are used: thrown away */
    assert_null(find_effect(f, OB_EFFECT_PERSIST_OWN));
    step(f, OB_EVENT_TICK);
    assert_int_equal(ob_peer_view(f->peer).round.index, 8);
    fixture_free(f);
}

static void pause_stops_after_the_round_and_resume_goes_on(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    step(f, OB_EVENT_PAUSE);
    assert_int_equal(life(f), OB_PEER_PAUSED);
    step_round_done(f, FIXTURE_SAMPLES);
    assert_non_null(find_effect(f, OB_EFFECT_PERSIST_OWN));
    assert_null(find_effect(f, OB_EFFECT_START_ROUND));
    pass(f, SECOND);
    assert_int_equal(life(f), OB_PEER_PAUSED);
    step(f, OB_EVENT_RESUME);
    assert_non_null(find_effect(f, OB_EFFECT_START_ROUND));
    step(f, OB_EVENT_PAUSE);
    step(f, OB_EVENT_RESUME); /* the round still runs: no second one */
    assert_null(find_effect(f, OB_EFFECT_START_ROUND));
    assert_int_equal(life(f), OB_PEER_TRAINING);
    fixture_free(f);
}

static void leave_waits_for_the_round_and_says_goodbye(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    step(f, OB_EVENT_LEAVE);
    assert_int_equal(life(f), OB_PEER_LEAVING);
    assert_int_equal(f->effects.count, 0);
    step_round_done(f, 1);
    static const enum ob_effect_kind ORDER[] = {OB_EFFECT_PERSIST_OWN,     OB_EFFECT_PUBLISH, OB_EFFECT_APPLY,
                                                OB_EFFECT_PERSIST_CONTROL, OB_EFFECT_PUBLISH, OB_EFFECT_LEFT};
    assert_int_equal(f->effects.count, 6);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(f->effects.items[i].kind, ORDER[i]);
    struct ob_control goodbye;
    const struct ob_effect *entry = &f->effects.items[3];
    assert_int_equal(ob_control_decode(entry->data, entry->bytes, &goodbye, NULL), OB_OK);
    assert_true(ob_control_verify(&f->options.run, &goodbye));
    assert_int_equal(ob_control_goodbye_next(&goodbye).index, 1);
    assert_int_equal(life(f), OB_PEER_LEFT);
    receive_record(f, 1, 0);
    assert_int_equal(f->effects.count, 0);
    fixture_free(f);
}

static void leave_without_a_round_leaves_at_once(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    fixture_make_peer(f);
    step_machine(f, OB_EVENT_EXPECT, 1);
    step(f, OB_EVENT_START);
    step(f, OB_EVENT_LEAVE); /* reconciling: nothing may be signed, not even a goodbye */
    assert_null(find_effect(f, OB_EFFECT_PERSIST_CONTROL));
    assert_non_null(find_effect(f, OB_EFFECT_LEFT));
    fixture_start(f);
    step_round_done(f, 0);
    step(f, OB_EVENT_PAUSE);
    step(f, OB_EVENT_LEAVE);
    assert_non_null(find_effect(f, OB_EFFECT_PERSIST_CONTROL));
    assert_non_null(find_effect(f, OB_EFFECT_LEFT));
    fixture_free(f);
}

static void observer_never_trains(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    f->options.observer = true;
    fixture_start(f);
    assert_null(pass_until(f, 20 * SECOND, OB_EFFECT_START_ROUND));
    receive_record(f, 1, 0);
    assert_non_null(find_effect(f, OB_EFFECT_PERSIST));
    assert_null(find_effect(f, OB_EFFECT_START_ROUND));
    fixture_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(start_alone_begins_round_0),
        cmocka_unit_test(round_done_persists_then_publishes_then_applies),
        cmocka_unit_test(round_done_chain_names_the_hash_before),
        cmocka_unit_test(round_done_unusable_results_are_refused),
        cmocka_unit_test(pacing_lockstep_and_staleness),
        cmocka_unit_test(pacing_a_machine_that_has_done_all_rounds_is_not_told_to_be_quiet),
        cmocka_unit_test(pacing_quiet_machine_is_left_behind_and_comes_back),
        cmocka_unit_test(pacing_long_rounds_make_quiet_later),
        cmocka_unit_test(pacing_idle_machine_is_not_waited_for),
        cmocka_unit_test(goodbye_leaves_the_pacing_set_at_once),
        cmocka_unit_test(newcomer_starts_after_the_lower_median),
        cmocka_unit_test(far_behind_jumps_to_the_median),
        cmocka_unit_test(last_round_of_one_machine_moves_nobody),
        cmocka_unit_test(newcomer_is_not_finished_by_one_machine),
        cmocka_unit_test(jump_needs_a_majority),
        cmocka_unit_test(half_is_followed_at_double_speed),
        cmocka_unit_test(pace_is_worked_out_anew_after_a_revocation),
        cmocka_unit_test(who_is_far_slower_than_the_others_is_not_waited_for),
        cmocka_unit_test(who_is_slower_by_less_is_waited_for),
        cmocka_unit_test(rounds_used_up_finishes),
        cmocka_unit_test(finished_goes_on_when_its_certificate_allows_more),
        cmocka_unit_test(own_later_record_during_a_round_moves_the_next_one),
        cmocka_unit_test(pause_stops_after_the_round_and_resume_goes_on),
        cmocka_unit_test(leave_waits_for_the_round_and_says_goodbye),
        cmocka_unit_test(leave_without_a_round_leaves_at_once),
        cmocka_unit_test(observer_never_trains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
