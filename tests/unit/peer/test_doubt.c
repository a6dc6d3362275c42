/* A member that claims records and serves them badly signed, for as long as it likes. */
#include "tests/unit/peer/fixture.h"

#include "peer/message.h"

#define LIAR   2
#define HONEST 3

/* Machine 1's chain: two records that exist, of which the peer has been shown neither. */
struct chain {
    uint8_t records[2][OB_RECORD_BYTES_MAX + 2];
    size_t bytes[2];
};

static struct fixture *start(void) {
    struct fixture *f = fixture_new();
    fixture_start(f);
    for (size_t i = LIAR; i <= HONEST; i++) {
        step_machine(f, OB_EVENT_LINK_UP, i);
        receive_heartbeat(f, i, true);
    }
    return f;
}

static struct chain make_chain(struct fixture *f) {
    struct chain chain;
    for (uint32_t i = 0; i < 2; i++)
        chain.bytes[i] = make_record(f, 1, i, chain.records[i]);
    return chain;
}

static void give(struct fixture *f, size_t sender, const struct chain *chain, bool bad) {
    static uint8_t message[OB_MESSAGE_MAX];
    uint8_t record[OB_RECORD_BYTES_MAX + 2];
    struct ob_message_records list;
    ob_message_records_start(&list, &f->options.run, message, sizeof message);
    for (size_t i = 0; i < 2; i++) {
        memcpy(record, chain->records[i], chain->bytes[i]);
        record[chain->bytes[i] - 1] ^= bad; /* the signature's last byte */
        assert_true(ob_message_records_add(&list, record + 2, chain->bytes[i] - 2));
    }
    step_message(f, sender, message, ob_message_records_end(&list));
}

/* A record beyond what we hold, as published by `sender`. */
static void publish_head(struct fixture *f, size_t sender, const struct chain *chain) {
    step_message(f, sender, chain->records[1], chain->bytes[1]);
}

static bool asks(const struct fixture *f, size_t machine) {
    const struct ob_effect *ask = find_sent(f, OB_MESSAGE_RECORDS_ASK);
    return ask != NULL && ob_machine_equal(&ask->machine, &f->machines[machine].id);
}

static uint64_t fetches(const struct fixture *f) {
    return ob_peer_view(f->peer).counters.fetches;
}

/* Whatever is asked of anybody, for 90 s: the liar answers badly, the honest machine that it holds nothing.
 */
static void serve_badly(struct fixture *f, const struct chain *chain) {
    bool liar_asked = asks(f, LIAR), honest_asked = asks(f, HONEST);
    if (liar_asked)
        give(f, LIAR, chain, true);
    if (!honest_asked)
        return;
    uint8_t message[OB_SMALL_MESSAGE_BYTES_MAX];
    struct ob_holds holds = {.run = f->options.run, .machine = f->machines[1].id};
    step_message(f, HONEST, message, ob_holds_encode(&holds, message));
}

static void liar_is_asked_ever_less_often(void **state) {
    (void)state;
    struct fixture *f = start();
    struct chain chain = make_chain(f);
    for (unsigned i = 0; i < 900; i++) {
        f->now_ns += 100 * MILLISECOND;
        if (i % 10 == 0) {
            receive_heartbeat(f, LIAR, true);
            receive_heartbeat(f, HONEST, true);
        }
        publish_head(f, LIAR, &chain);
        for (unsigned k = 0; k < 8 && find_sent(f, OB_MESSAGE_RECORDS_ASK) != NULL; k++)
            serve_badly(f, &chain);
        step(f, OB_EVENT_TICK);
        for (unsigned k = 0; k < 8 && find_sent(f, OB_MESSAGE_RECORDS_ASK) != NULL; k++)
            serve_badly(f, &chain);
    }
    print_message("%llu fetches in 90 s\n", (unsigned long long)fetches(f));
    assert_in_range(fetches(f), 4, 16);
    assert_in_range(ob_peer_view(f->peer).counters.bad_answers, 4, 8);
    assert_true(ob_peer_view(f->peer).counters.bad_signatures >= 4);
    fixture_free(f);
}

static void bad_answer_goes_to_another_source_at_once(void **state) {
    (void)state;
    struct fixture *f = start();
    struct chain chain = make_chain(f);
    publish_head(f, LIAR, &chain);
    assert_true(asks(f, LIAR));
    give(f, LIAR, &chain, true);
    assert_true(asks(f, HONEST));
    assert_int_equal(ob_peer_view(f->peer).counters.bad_answers, 1);
    give(f, HONEST, &chain, false);
    assert_int_equal(count_effects(f, OB_EFFECT_PERSIST), 2);
    fixture_free(f);
}

static void claim_of_a_doubted_source_is_not_believed(void **state) {
    (void)state;
    struct fixture *f = start();
    struct chain chain = make_chain(f);
    publish_head(f, LIAR, &chain);
    give(f, LIAR, &chain, true);
    step_machine(f, OB_EVENT_LINK_DOWN, HONEST);
    pass(f, 500 * MILLISECOND);
    uint64_t before = fetches(f);
    publish_head(f, LIAR, &chain);
    pass(f, SECOND);
    assert_int_equal(fetches(f), before);
    pass(f, 5 * SECOND); /* the first doubt lasts two seconds, the claim that came to nothing rests five */
    publish_head(f, LIAR, &chain);
    assert_int_equal(fetches(f), before + 1);
    fixture_free(f);
}

static void good_record_ends_the_doubt(void **state) {
    (void)state;
    struct fixture *f = start();
    struct chain chain = make_chain(f);
    publish_head(f, LIAR, &chain);
    give(f, LIAR, &chain, true);
    give(f, LIAR, &chain, false); /* late, and good */
    assert_int_equal(count_effects(f, OB_EFFECT_PERSIST), 2);
    chain = make_chain(f);
    publish_head(f, LIAR, &chain);
    assert_true(asks(f, LIAR));
    fixture_free(f);
}

static void source_that_is_bad_for_many_chains_is_not_asked_for_any(void **state) {
    (void)state;
    struct fixture *f = start();
    struct chain chain = make_chain(f);
    for (size_t i = 4; i < FIXTURE_MACHINES; i++) {
        memcpy(chain.records[0] + 2, f->machines[i].id.key, OB_KEY_BYTES);
        give(f, LIAR, &chain, true);
    }
    assert_int_equal(ob_peer_view(f->peer).counters.bad_answers, FIXTURE_MACHINES - 4);
    chain = make_chain(f);
    step_machine(f, OB_EVENT_LINK_DOWN, HONEST);
    publish_head(f, LIAR, &chain);
    assert_false(asks(f, LIAR));
    fixture_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(liar_is_asked_ever_less_often),
        cmocka_unit_test(bad_answer_goes_to_another_source_at_once),
        cmocka_unit_test(claim_of_a_doubted_source_is_not_believed),
        cmocka_unit_test(good_record_ends_the_doubt),
        cmocka_unit_test(source_that_is_bad_for_many_chains_is_not_asked_for_any),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
