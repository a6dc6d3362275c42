#include "tests/unit/peer/fixture.h"

#include <math.h>

#include "peer/evaluation.h"
#include "peer/message.h"
#include "peer/report.h"
#include "record/sign.h"

static size_t make_report(struct fixture *f, size_t number, uint64_t sequence, double loss,
                          uint8_t *ret_message) {
    struct ob_report report = {.run = f->options.run,
                               .machine = f->machines[number].id,
                               .instance = 50,
                               .sequence = sequence,
                               .loss = loss,
                               .rate = 12.5,
                               .version = "1.2.3"};
    uint8_t body[OB_REPORT_BODY_MAX], signature[64];
    size_t bytes = ob_report_body(&report, body);
    ob_record_ed25519_sign(f->machines[number].secret_key, body, bytes, signature);
    report.signature = signature;
    return ob_report_encode(&report, ret_message);
}

static size_t make_evaluation(struct fixture *f, size_t number, uint32_t below, uint8_t log, double loss,
                              uint8_t *ret_message) {
    struct ob_evaluation evaluation = {
        .run = f->options.run, .machine = f->machines[number].id, .below = {below}, .log = {{log}}};
    uint8_t body[OB_EVALUATION_BODY_BYTES], signature[64];
    ob_score_item(&evaluation.score, loss * 2, 2);
    ob_score_item(&evaluation.score, loss * 3, 3);
    size_t bytes = ob_evaluation_body(&evaluation, body);
    ob_record_ed25519_sign(f->machines[number].secret_key, body, bytes, signature);
    evaluation.signature = signature;
    return ob_evaluation_encode(&evaluation, ret_message);
}

static const struct ob_effect *find_published(const struct fixture *f, enum ob_message_kind kind) {
    for (size_t i = 0; i < f->effects.count; i++)
        if (f->effects.items[i].kind == OB_EFFECT_PUBLISH && f->effects.items[i].data[0] == kind)
            return &f->effects.items[i];
    return NULL;
}

static void what_others_tell_is_shown(void **state) {
    (void)state;
    uint8_t message[OB_SMALL_MESSAGE_BYTES_MAX];
    struct fixture *f = fixture_new();
    fixture_start(f);
    step_message(f, 1, message, make_report(f, 1, 5, 3.25, message));
    struct ob_peer_machine machine = look(f, 1);
    assert_true(machine.report_ns == f->now_ns);
    assert_float_equal(machine.reported_loss, 3.25, 0);
    assert_float_equal(machine.reported_rate, 12.5, 0);
    assert_string_equal(machine.version, "1.2.3");
    step_message(f, 1, message, make_report(f, 1, 4, 9, message)); /* overtaken */
    assert_float_equal(look(f, 1).reported_loss, 3.25, 0);
    step_message(f, 1, message, make_report(f, 1, 6, NAN, message));
    assert_true(isnan(look(f, 1).reported_loss));
    assert_null(find_published(f, OB_MESSAGE_REPORT));
    assert_true(look(f, 2).report_ns == 0);
    fixture_free(f);
}

static void what_is_out_of_bounds_or_not_signed_is_refused(void **state) {
    (void)state;
    uint8_t message[OB_SMALL_MESSAGE_BYTES_MAX];
    struct fixture *f = fixture_new();
    fixture_start(f);
    step_message(f, 1, message, make_report(f, 1, 5, 1e9, message));
    assert_int_equal(ob_peer_view(f->peer).counters.refused, 1);
    step_message(f, 1, message, make_report(f, 1, 5, INFINITY, message));
    assert_int_equal(ob_peer_view(f->peer).counters.refused, 2);
    size_t bytes = make_report(f, 1, 5, 3, message);
    message[bytes - 65] = '\n'; /* the end of the version */
    step_message(f, 1, message, bytes);
    message[bytes - 65] = '4';
    step_message(f, 1, message, bytes);
    assert_int_equal(ob_peer_view(f->peer).counters.refused, 4);
    assert_int_equal(ob_peer_view(f->peer).counters.bad_signatures, 1);
    bytes = make_evaluation(f, 1, 64, 1, 3, message);
    message[bytes - 70] ^= 1;
    step_message(f, 1, message, bytes);
    step_message(f, 1, message, make_evaluation(f, 1, 64, 1, -3, message));
    step_message(f, 1, message, make_evaluation(f, 1, 64, 1, 1e9, message));
    step_message(f, 1, message, make_evaluation(f, 1, f->options.bounds.max_rounds + 1, 1, 3, message));
    assert_int_equal(ob_peer_view(f->peer).counters.refused, 8);
    struct ob_score score;
    struct ob_hash log = {{1}};
    assert_int_equal(ob_peer_score(f->peer, &log, &score), 0);
    fixture_free(f);
}

static void ours_is_told_and_told_again_unless_it_must_not_be(void **state) {
    (void)state;
    for (int shares = 0; shares < 2; shares++) {
        struct fixture *f = fixture_new();
        f->options.share_metrics = shares;
        memcpy(f->options.version, "0.9", 4);
        fixture_start(f);
        step_event(f, (struct ob_event){.kind = OB_EVENT_REPORT, .loss = 2.5, .rate = 7});
        struct ob_score own = {0}, score;
        struct ob_hash log = {{1}};
        ob_score_item(&own, 4, 2);
        step_event(f, (struct ob_event){.kind = OB_EVENT_EVALUATED, .below = 64, .log = log, .score = &own});
        assert_true((find_published(f, OB_MESSAGE_EVALUATION) != NULL) == shares);
        assert_int_equal(ob_peer_score(f->peer, &log, &score), 1);
        unsigned reports = 0, evaluations = 0;
        for (unsigned i = 0; i < 310; i++) {
            f->now_ns += SECOND / 10;
            step(f, OB_EVENT_TICK);
            const struct ob_effect *report = find_published(f, OB_MESSAGE_REPORT);
            evaluations += find_published(f, OB_MESSAGE_EVALUATION) != NULL;
            if (!report)
                continue;
            struct ob_report decoded;
            reports++;
            assert_true(ob_report_decode(ob_reader_init(report->data + 2, report->bytes - 2), &decoded));
            assert_float_equal(decoded.loss, 2.5, 0);
            assert_string_equal(decoded.version, "0.9");
            assert_true(ob_machine_equal(&decoded.machine, &f->options.machine));
        }
        assert_int_equal(reports, shares ? 7 : 0);
        assert_int_equal(evaluations, shares ? 2 : 0);
        fixture_free(f);
    }
}

static void scores_of_one_frontier_add_up_each_machine_once(void **state) {
    (void)state;
    uint8_t message[OB_SMALL_MESSAGE_BYTES_MAX];
    struct ob_score own = {0}, score;
    struct ob_hash log = {{1}}, other = {{2}};
    struct fixture *f = fixture_new();
    fixture_start(f);
    ob_score_item(&own, 2, 1);
    step_event(f, (struct ob_event){.kind = OB_EVENT_EVALUATED, .below = 64, .log = log, .score = &own});
    step_message(f, 1, message, make_evaluation(f, 1, 64, 1, 4, message));
    step_message(f, 1, message, make_evaluation(f, 1, 64, 1, 9, message)); /* the first counts */
    step_message(f, 3, message, make_evaluation(f, 2, 64, 1, 3, message)); /* handed on by another */
    step_message(f, 2, message, make_evaluation(f, 2, 64, 1, 3, message));
    step_message(f, 4, message, make_evaluation(f, 4, 64, 2, 7, message)); /* with other records */
    assert_int_equal(ob_peer_score(f->peer, &log, &score), 3);
    assert_int_equal(score.items, 5);
    assert_int_equal(score.units, 11);
    assert_float_equal(score.loss, 2 + 20 + 15, 1e-12);
    assert_int_equal(ob_peer_score(f->peer, &other, &score), 1);
    assert_int_equal(look(f, 1).score_below.index, 64);
    fixture_free(f);
}

static void old_frontiers_make_way_and_do_not_come_back(void **state) {
    (void)state;
    uint8_t message[OB_SMALL_MESSAGE_BYTES_MAX];
    struct ob_score score;
    struct fixture *f = fixture_new();
    fixture_start(f);
    for (uint8_t i = 1; i <= 6; i++)
        step_message(f, 1, message, make_evaluation(f, 1, 64u * i, i, 3, message));
    for (uint8_t i = 1; i <= 6; i++) {
        struct ob_hash log = {{i}};
        assert_int_equal(ob_peer_score(f->peer, &log, &score), i > 2);
        step_message(f, 1, message, make_evaluation(f, 1, 64u * i, i, 3, message));
        assert_int_equal(ob_peer_score(f->peer, &log, &score), i > 2);
    }
    fixture_free(f);
}

static void relay_hands_on_what_is_new_once(void **state) {
    (void)state;
    uint8_t message[OB_SMALL_MESSAGE_BYTES_MAX];
    struct fixture *f = fixture_new();
    f->options.relay = true;
    fixture_start(f);
    size_t bytes = make_report(f, 1, 1, 3, message);
    step_message(f, 1, message, bytes);
    const struct ob_effect *relayed = find_published(f, OB_MESSAGE_REPORT);
    assert_non_null(relayed);
    assert_int_equal(relayed->bytes, bytes);
    assert_memory_equal(relayed->data, message, bytes);
    step_message(f, 2, message, bytes);
    assert_null(find_published(f, OB_MESSAGE_REPORT));
    bytes = make_evaluation(f, 1, 64, 1, 3, message);
    step_message(f, 1, message, bytes);
    relayed = find_published(f, OB_MESSAGE_EVALUATION);
    assert_non_null(relayed);
    assert_memory_equal(relayed->data, message, bytes);
    step_message(f, 2, message, bytes);
    assert_null(find_published(f, OB_MESSAGE_EVALUATION));
    fixture_free(f);
}

static void machine_without_a_certificate_does_not_count(void **state) {
    (void)state;
    uint8_t message[OB_SMALL_MESSAGE_BYTES_MAX], entry[OB_CONTROL_BYTES_MAX];
    struct ob_score score;
    struct ob_hash log = {{1}};
    struct fixture *f = fixture_new();
    fixture_start(f);
    step_message(f, 1, message, make_evaluation(f, 1, 64, 1, 4, message));
    step_message(f, 2, message, make_evaluation(f, 2, 64, 1, 4, message));
    assert_int_equal(ob_peer_score(f->peer, &log, &score), 2);
    receive_control(f, 3, entry, make_revocation(f, 2, 1, 0, entry));
    assert_int_equal(ob_peer_score(f->peer, &log, &score), 1);
    fixture_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_others_tell_is_shown),
        cmocka_unit_test(what_is_out_of_bounds_or_not_signed_is_refused),
        cmocka_unit_test(ours_is_told_and_told_again_unless_it_must_not_be),
        cmocka_unit_test(scores_of_one_frontier_add_up_each_machine_once),
        cmocka_unit_test(old_frontiers_make_way_and_do_not_come_back),
        cmocka_unit_test(relay_hands_on_what_is_new_once),
        cmocka_unit_test(machine_without_a_certificate_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
