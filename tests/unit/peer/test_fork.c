#include "tests/unit/peer/fixture.h"

#include "peer/message.h"

#define RECORDS 9

/* Machine 1 signed two chains: common up to `parts`, then one that we hold, and another that machine 2 holds.
 */
struct forked {
    struct fixture *f;
    size_t bytes[RECORDS];
    uint8_t other[RECORDS][OB_RECORD_OVERHEAD_BYTES + FIXTURE_SAMPLES];
};

static void make_forked(struct forked *forked, uint32_t parts) {
    uint8_t message[OB_RECORD_BYTES_MAX + 2];
    struct fixture *f = forked->f = fixture_new();
    fixture_start(f);
    struct fixture_machine at_fork = {0};
    for (uint32_t i = 0; i < RECORDS; i++) {
        if (i == parts)
            at_fork = f->machines[1];
        size_t bytes = make_record(f, 1, i, message);
        step_message(f, 1, message, bytes);
        memcpy(forked->other[i], message + 2, bytes - 2);
    }
    f->machines[1] = at_fork;
    for (uint32_t i = parts; i < RECORDS; i++) { /* equal samples and bytes, other rounds */
        size_t bytes = make_record(f, 1, i + 100, message);
        memcpy(forked->other[i], message + 2, bytes - 2);
    }
}

/* Answers as machine 2, which holds the other chain, until something other than a question comes. */
static unsigned answer_questions(struct forked *forked) {
    static uint8_t answer[OB_MESSAGE_MAX];
    struct fixture *f = forked->f;
    unsigned questions = 0;
    for (;;) {
        const struct ob_effect *question = find_sent(f, OB_MESSAGE_RECORDS_ASK);
        struct ob_records_ask ask;
        if (question == NULL)
            return questions;
        questions++;
        assert_true(ob_records_ask_decode(ob_reader_init(question->data + 2, question->bytes - 2), &ask));
        assert_int_equal(ask.count, 1);
        struct ob_message_records list;
        ob_message_records_start(&list, &f->options.run, answer, sizeof answer);
        assert_true(ob_message_records_add(&list, forked->other[ask.first.index / FIXTURE_SAMPLES],
                                           OB_RECORD_OVERHEAD_BYTES + FIXTURE_SAMPLES));
        step_message(f, 2, answer, ob_message_records_end(&list));
    }
}

static void receive_other_head(struct forked *forked) {
    static uint8_t page[OB_MESSAGE_MAX];
    struct fixture *f = forked->f;
    struct ob_hash other = {{9}};
    step_machine(f, OB_EVENT_LINK_UP, 2);
    size_t bytes = make_heartbeat(f, 2, true, &other, page);
    step_message(f, 2, page, bytes);
    bytes = make_frontier(f, (size_t[]){1}, 1, page);
    step_message(f, 2, page, bytes);
}

static void equal_counts_are_bisected_to_the_record_where_they_part(void **state) {
    (void)state;
    for (uint32_t parts = 0; parts < RECORDS; parts++) {
        struct forked forked;
        make_forked(&forked, parts);
        receive_other_head(&forked);
        unsigned questions = answer_questions(&forked);
        assert_true(questions >= 1 && questions <= 6);
        struct fixture *f = forked.f;
        const struct ob_effect *persist = find_effect(f, OB_EFFECT_PERSIST_CONTROL);
        struct ob_control control;
        assert_non_null(persist);
        assert_int_equal(ob_control_decode(persist->data, persist->bytes, &control, NULL), OB_OK);
        assert_int_equal(control.kind, OB_CONTROL_EVIDENCE);
        assert_true(ob_control_verify(&f->options.run, &control));
        assert_int_equal(ob_control_cut(&control).index, (uint64_t)parts * FIXTURE_SAMPLES);
        assert_non_null(find_effect(f, OB_EFFECT_PUBLISH));
        assert_int_equal(find_effect(f, OB_EFFECT_UNAPPLY)->unapply.first.index,
                         (uint64_t)parts * FIXTURE_SAMPLES);
        assert_non_null(find_effect(f, OB_EFFECT_EXPEL));
        assert_int_equal(look(f, 1).next.index, (uint64_t)parts * FIXTURE_SAMPLES);
        assert_true(look(f, 1).forked);
        fixture_free(f);
    }
}

static void evidence_cuts_everybody_at_the_same_place(void **state) {
    (void)state;
    static uint8_t message[OB_MESSAGE_MAX];
    struct forked forked;
    make_forked(&forked, 4);
    receive_other_head(&forked);
    (void)answer_questions(&forked);
    const struct ob_effect *publish = find_effect(forked.f, OB_EFFECT_PUBLISH);
    size_t bytes = publish->bytes;
    memcpy(message, publish->data, bytes);
    struct ob_hash ours = ob_peer_view(forked.f->peer).log_digest;
    struct fixture *other = fixture_new(); /* holds the other chain */
    fixture_start(other);
    uint8_t record[OB_RECORD_BYTES_MAX + 2] = {OB_MESSAGE_RECORD, OB_PROTOCOL_VERSION};
    for (uint32_t i = 0; i < RECORDS; i++) {
        memcpy(record + 2, forked.other[i], sizeof forked.other[i]);
        step_message(other, 1, record, 2 + sizeof forked.other[i]);
    }
    step_message(other, 3, message, bytes);
    assert_non_null(find_effect(other, OB_EFFECT_UNAPPLY));
    struct ob_hash theirs = ob_peer_view(other->peer).log_digest;
    assert_true(ob_hash_equal(&ours, &theirs));
    fixture_free(other);
    fixture_free(forked.f);
}

/* What a door says to a machine that is out: the evidence, whether it was revoked as well, or the revocation. */
static void who_is_out_can_be_told_why(void **state) {
    (void)state;
    uint8_t entry[OB_CONTROL_BYTES_MAX];
    struct forked forked;
    struct ob_control control;
    size_t bytes = 0;
    make_forked(&forked, 4);
    struct fixture *f = forked.f;
    assert_null(ob_peer_why_out(f->peer, &f->machines[1].id, &bytes));
    receive_other_head(&forked);
    (void)answer_questions(&forked);
    assert_true(look(f, 1).forked);
    for (size_t machine = 1; machine <= 2; machine++)
        receive_control(f, 3, entry, make_revocation(f, machine, 9, 0, entry));
    for (size_t machine = 1; machine <= 2; machine++) {
        const uint8_t *why = ob_peer_why_out(f->peer, &f->machines[machine].id, &bytes);
        assert_non_null(why);
        assert_int_equal(ob_control_decode(why, bytes, &control, NULL), OB_OK);
        assert_int_equal(control.kind, machine == 1 ? OB_CONTROL_EVIDENCE : OB_CONTROL_REVOCATION);
        assert_true(ob_machine_equal(&control.subject, &f->machines[machine].id));
        assert_true(ob_control_verify(&f->options.run, &control));
    }
    assert_null(ob_peer_why_out(f->peer, &f->machines[3].id, &bytes));
    fixture_free(f);
}

/* Records of other sizes: what holds the next sample of our chain begins before our last record. */
static void record_across_our_end_is_no_duplicate(void **state) {
    (void)state;
    uint8_t record[OB_RECORD_BYTES_MAX + 2];
    struct fixture *f = fixture_new();
    fixture_start(f);
    receive_record(f, 1, 0);
    struct fixture_machine at_fork = f->machines[1];
    for (uint32_t i = 1; i <= 2; i++) { /* samples 4 and 5 */
        size_t bytes = make_record_of(f, 1, i, 1, record);
        step_message(f, 2, record, bytes);
    }
    f->machines[1] = at_fork;
    size_t bytes = make_record_of(f, 1, 1, 4, record); /* samples 4 to 7, told by somebody else */
    record[bytes - 1] ^= 1;
    step_message(f, 3, record, bytes);
    assert_int_equal(ob_peer_view(f->peer).counters.bad_signatures, 1);
    assert_null(find_notice(f, OB_NOTICE_FORK));
    record[bytes - 1] ^= 1;
    step_message(f, 3, record, bytes);
    assert_non_null(find_notice(f, OB_NOTICE_FORK));
    assert_true(look(f, 1).forked);
    assert_int_equal(look(f, 1).next.index, FIXTURE_SAMPLES);
    fixture_free(f);
}

static void lost_answers_are_asked_for_again(void **state) {
    (void)state;
    struct forked forked;
    make_forked(&forked, 2);
    receive_other_head(&forked);
    assert_non_null(find_sent(forked.f, OB_MESSAGE_RECORDS_ASK));
    forked.f->now_ns += 2 * SECOND;
    step(forked.f, OB_EVENT_TICK);
    assert_non_null(find_sent(forked.f, OB_MESSAGE_RECORDS_ASK));
    assert_true(answer_questions(&forked) > 0);
    assert_int_equal(look(forked.f, 1).next.index, 2 * FIXTURE_SAMPLES);
    fixture_free(forked.f);
}

static void cut_survives_a_stop_between_evidence_and_unapply(void **state) {
    (void)state;
    struct forked forked;
    make_forked(&forked, 3);
    receive_other_head(&forked);
    (void)answer_questions(&forked);
    const struct ob_effect *persist = find_effect(forked.f, OB_EFFECT_PERSIST_CONTROL);
    uint8_t entry[OB_CONTROL_BYTES_MAX];
    size_t bytes = persist->bytes;
    memcpy(entry, persist->data, bytes);
    struct fixture *f = forked.f; /* a new life, whose store still has all records */
    fixture_make_peer(f);
    struct ob_record record;
    for (size_t i = 0; i < f->stored; i++) {
        f->store[i].there = true;
        assert_int_equal(
            ob_record_decode(f->store[i].data, f->store[i].bytes, &f->options.bounds, &record, NULL), OB_OK);
        assert_int_equal(ob_peer_restore_record(f->peer, &record, NULL), OB_OK);
    }
    assert_int_equal(ob_peer_restore_control(f->peer, entry, bytes, NULL), OB_OK);
    step(f, OB_EVENT_START);
    assert_int_equal(find_effect(f, OB_EFFECT_UNAPPLY)->unapply.first.index, 3 * FIXTURE_SAMPLES);
    fixture_free(f);
}

/* Our own key was used twice, and one other peer alone is there, which holds the other chain up to `count`. */
static void own_fork_is_proven_before_we_stop(void **state) {
    (void)state;
    for (uint32_t count = 2; count <= RECORDS;
         count += RECORDS - 2) { /* it is shorter than ours, or longer */
        static uint8_t message[OB_MESSAGE_MAX];
        struct forked forked = {.f = fixture_new()};
        struct fixture *f = forked.f;
        fixture_start(f);
        step_round_done(f, FIXTURE_SAMPLES); /* common to both chains */
        memcpy(forked.other[0], f->store[0].data, f->store[0].bytes);
        f->machines[0].next = look(f, 0).next.index;
        f->machines[0].head = look(f, 0).head;
        for (uint32_t i = 1; i < RECORDS; i++) {
            size_t bytes = make_record(f, 0, i + 100, message);
            memcpy(forked.other[i], message + 2, bytes - 2);
            if (i + 1 == count)
                break;
        }
        train_rounds(f, 4);
        step_machine(f, OB_EVENT_LINK_UP, 2);
        struct ob_hash other = {{9}};
        step_message(f, 2, message, make_heartbeat(f, 2, true, &other, message));
        step_message(f, 2, message, make_frontier(f, (size_t[]){0}, 1, message));
        bool proven = false;
        for (int i = 0; i < 20 && !proven; i++) {
            const struct ob_effect *question = find_sent(f, OB_MESSAGE_RECORDS_ASK);
            struct ob_records_ask ask;
            assert_non_null(question);
            assert_true(ob_records_ask_decode(ob_reader_init(question->data + 2, question->bytes - 2), &ask));
            assert_null(find_effect(f, OB_EFFECT_HALT));
            assert_true(ask.first.index / FIXTURE_SAMPLES < count);
            struct ob_message_records list;
            ob_message_records_start(&list, &f->options.run, message, sizeof message);
            assert_true(ob_message_records_add(&list, forked.other[ask.first.index / FIXTURE_SAMPLES],
                                               OB_RECORD_OVERHEAD_BYTES + FIXTURE_SAMPLES));
            step_message(f, 2, message, ob_message_records_end(&list));
            assert_null(find_effect(f, OB_EFFECT_START_ROUND));
            proven = find_effect(f, OB_EFFECT_HALT) != NULL;
        }
        assert_true(proven);
        assert_non_null(find_notice(f, OB_NOTICE_FORK));
        assert_non_null(find_effect(f, OB_EFFECT_PERSIST_CONTROL));
        assert_int_equal(find_effect(f, OB_EFFECT_PUBLISH)->data[0], OB_MESSAGE_CONTROL);
        /* halted, it still says what it knows: the evidence may have been lost */
        pass(f, SECOND);
        f->now_ns += SECOND;
        step(f, OB_EVENT_TICK);
        assert_int_equal(find_effect(f, OB_EFFECT_PUBLISH)->data[0], OB_MESSAGE_HEARTBEAT);
        struct ob_hash leaves[OB_LEAVES] = {{{0}}};
        step_message(f, 2, message, ob_control_ask_encode(&f->options.run, leaves, message));
        assert_non_null(find_sent(f, OB_MESSAGE_CONTROL));
        fixture_free(f);
    }
}

/* The same, when the other peer falls silent: we stop all the same. */
static void own_fork_without_answers_stops_us(void **state) {
    (void)state;
    static uint8_t message[OB_MESSAGE_MAX];
    struct fixture *f = fixture_new();
    fixture_start(f);
    step_round_done(f, FIXTURE_SAMPLES);
    f->machines[0].next = look(f, 0).next.index;
    f->machines[0].head = look(f, 0).head;
    (void)make_record(f, 0, 101, message);
    train_rounds(f, 2);
    size_t bytes = make_record(f, 0, 102, message); /* of the other chain, in the middle of ours */
    step_machine(f, OB_EVENT_LINK_UP, 2);
    step_message(f, 2, message, bytes);
    assert_null(find_effect(f, OB_EFFECT_HALT));
    step_round_done(f, FIXTURE_SAMPLES); /* the round that ran is thrown away */
    assert_null(find_effect(f, OB_EFFECT_PERSIST_OWN));
    assert_non_null(pass_until(f, 30 * SECOND, OB_EFFECT_HALT));
    fixture_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_fork_is_proven_before_we_stop),
        cmocka_unit_test(own_fork_without_answers_stops_us),
        cmocka_unit_test(equal_counts_are_bisected_to_the_record_where_they_part),
        cmocka_unit_test(evidence_cuts_everybody_at_the_same_place),
        cmocka_unit_test(who_is_out_can_be_told_why),
        cmocka_unit_test(record_across_our_end_is_no_duplicate),
        cmocka_unit_test(lost_answers_are_asked_for_again),
        cmocka_unit_test(cut_survives_a_stop_between_evidence_and_unapply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
