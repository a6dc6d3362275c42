/* What questions may cost: bounded for each machine and in all, with a share for who asks for little. */
#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "daemon/answers.h"
#include "record/wire.h"

#define MS 1000000ull
#define S  (1000 * MS)

static struct ob_machine_id machine(uint8_t number) {
    return (struct ob_machine_id){{number, 1}};
}

/* So many answers of 60 kB as it gets in `for_ms`, asked for 1,000 times a second. */
static uint64_t drain(struct ob_answers *answers, uint8_t number, uint64_t from_ns, unsigned for_ms) {
    struct ob_machine_id who = machine(number);
    uint64_t bytes = 0;
    for (unsigned i = 0; i < for_ms; i++)
        if (ob_answers_question(answers, &who, from_ns + i * MS) &&
            ob_answers_pay(answers, &who, 60000, from_ns + i * MS))
            bytes += 60000;
    return bytes;
}

static void one_machine_gets_a_bounded_rate(void **state) {
    (void)state;
    static struct ob_answers answers;
    uint64_t bytes = drain(&answers, 1, S, 10000);
    assert_true(bytes >= 40u << 20 && bytes <= 50u << 20); /* 10 s of 4 MiB and a burst of 8 */
    assert_true(answers.refused > 1000);
}

static void questions_are_bounded_too(void **state) {
    (void)state;
    static struct ob_answers answers;
    struct ob_machine_id who = machine(1);
    unsigned taken = 0;
    for (unsigned i = 0; i < 20000; i++)
        taken += ob_answers_question(&answers, &who, S + i * MS / 10);
    assert_true(taken >= 1024 + 500 && taken <= 1024 + 520);
    assert_int_equal(answers.refused, 20000 - taken);
}

/* Ten that ask as fast as they can, and one that comes late. */
static void a_newcomer_gets_its_share(void **state) {
    (void)state;
    static struct ob_answers answers;
    uint64_t theirs = 0, its = 0;
    for (unsigned i = 0; i < 20000; i++) {
        for (uint8_t k = 0; k < 10; k++)
            theirs += drain(&answers, k, S + i * MS, 1);
        if (i >= 10000 && i < 11000)
            its += drain(&answers, 99, S + i * MS, 1);
    }
    assert_true(its >= 3u << 20);
    assert_true(theirs + its <= (uint64_t)(20 * 16 + 20) << 20);
}

static void questions_for_records_wait(void **state) {
    (void)state;
    static struct ob_answers answers;
    struct ob_machine_id greedy = machine(1), modest = machine(2);
    struct ob_waiting_question next;
    (void)drain(&answers, 1, S, 3000);
    for (unsigned i = 0; i < 100; i++)
        ob_answers_wait(&answers, &greedy, &(struct ob_effect_serve){.first = {i}});
    assert_int_equal(answers.waiting_count, OB_ANSWERS_WAITING_EACH);
    ob_answers_paid(&answers, &greedy, 8 << 20, 4 * S);
    ob_answers_wait(&answers, &modest, &(struct ob_effect_serve){.first = {7}});
    assert_true(ob_answers_next(&answers, 4 * S, &next)); /* whoever can be paid for comes first */
    assert_true(ob_machine_equal(&next.machine, &modest));
    assert_int_equal(next.serve.first.index, 7);
    assert_false(ob_answers_next(&answers, 4 * S, &next));
    for (unsigned i = 0; i < OB_ANSWERS_WAITING_EACH; i++) { /* in their order */
        assert_true(ob_answers_next(&answers, 60 * S, &next));
        assert_int_equal(next.serve.first.index, i);
    }
    assert_false(ob_answers_next(&answers, 60 * S, &next));
}

static void many_machines_are_remembered_within_bounds(void **state) {
    (void)state;
    static struct ob_answers answers;
    for (unsigned i = 0; i < 4 * OB_ANSWERS_ACCOUNTS; i++) {
        struct ob_machine_id who = {{(uint8_t)i, (uint8_t)(i >> 8)}};
        (void)ob_answers_question(&answers, &who, S + i);
    }
    assert_int_equal(answers.account_count, OB_ANSWERS_ACCOUNTS);
}

static void questions_are_known_by_their_kind(void **state) {
    (void)state;
    assert_true(ob_answers_is_question((const uint8_t[]){OB_MESSAGE_MANIFEST_ASK}, 1));
    assert_true(ob_answers_is_question((const uint8_t[]){OB_MESSAGE_RECORDS_ASK}, 1));
    assert_false(ob_answers_is_question((const uint8_t[]){OB_MESSAGE_RECORDS}, 1));
    assert_false(ob_answers_is_question((const uint8_t[]){0}, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_machine_gets_a_bounded_rate),
        cmocka_unit_test(questions_are_bounded_too),
        cmocka_unit_test(a_newcomer_gets_its_share),
        cmocka_unit_test(questions_for_records_wait),
        cmocka_unit_test(many_machines_are_remembered_within_bounds),
        cmocka_unit_test(questions_are_known_by_their_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
