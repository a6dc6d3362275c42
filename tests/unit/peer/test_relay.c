#include "tests/unit/peer/fixture.h"

#include "peer/message.h"

static struct fixture *relaying(void) {
    struct fixture *f = fixture_new();
    f->options.relay = true;
    fixture_start(f);
    return f;
}

static size_t published_records(const struct fixture *f) {
    size_t count = 0;
    for (size_t i = 0; i < f->effects.count; i++)
        count +=
            f->effects.items[i].kind == OB_EFFECT_PUBLISH && f->effects.items[i].data[0] == OB_MESSAGE_RECORD;
    return count;
}

static void new_record_is_published_onwards_once(void **state) {
    (void)state;
    uint8_t record[OB_RECORD_BYTES_MAX + 2];
    struct fixture *f = relaying();
    size_t bytes = make_record(f, 1, 0, record);
    step_message(f, 2, record, bytes);
    const struct ob_effect *relayed = find_effect(f, OB_EFFECT_PUBLISH);
    assert_non_null(relayed);
    assert_int_equal(relayed->bytes, bytes);
    assert_memory_equal(relayed->data, record, bytes);
    step_message(f, 3, record, bytes);
    assert_int_equal(published_records(f), 0);
    assert_int_equal(ob_peer_view(f->peer).counters.relayed, 1);
    fixture_free(f);
}

static void nothing_is_relayed_unless_asked_for(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    receive_record(f, 1, 0);
    assert_int_equal(count_effects(f, OB_EFFECT_PERSIST), 1);
    assert_int_equal(published_records(f), 0);
    fixture_free(f);
}

static void refused_record_goes_no_further(void **state) {
    (void)state;
    uint8_t record[OB_RECORD_BYTES_MAX + 2];
    struct fixture *f = relaying();
    size_t bytes = make_record(f, 1, 0, record);
    record[bytes - 1] ^= 1;
    step_message(f, 2, record, bytes);
    assert_int_equal(published_records(f), 0);
    fixture_free(f);
}

static void of_one_machine_only_so_many_in_a_while(void **state) {
    (void)state;
    struct fixture *f = relaying();
    size_t relayed = 0;
    for (uint32_t round = 0; round < 20; round++) {
        receive_record(f, 1, round);
        relayed += published_records(f);
    }
    assert_int_equal(relayed, 16);
    receive_record(f, 2, 0); /* another machine has its own share */
    assert_int_equal(published_records(f), 1);
    f->now_ns += SECOND;
    receive_record(f, 1, 20);
    assert_int_equal(published_records(f), 1);
    fixture_free(f);
}

/* Of a chain that is being caught up with, only its newest record is news. */
static void catching_up_floods_nobody(void **state) {
    (void)state;
    static uint8_t records[OB_MESSAGE_MAX], late[OB_RECORD_BYTES_MAX + 2];
    uint8_t record[OB_RECORD_BYTES_MAX + 2];
    struct fixture *f = relaying();
    struct ob_message_records list;
    ob_message_records_start(&list, &f->options.run, records, sizeof records);
    for (uint32_t round = 0; round < 5; round++) {
        size_t bytes = make_record(f, 1, round, round < 4 ? record : late);
        assert_true(ob_message_records_add(&list, (round < 4 ? record : late) + 2, bytes - 2));
    }
    step_message(f, 2, late, OB_RECORD_OVERHEAD_BYTES + FIXTURE_SAMPLES + 2);
    assert_non_null(find_sent(f, OB_MESSAGE_RECORDS_ASK));
    step_message(f, 2, records, ob_message_records_end(&list));
    assert_int_equal(count_effects(f, OB_EFFECT_PERSIST), 5);
    assert_int_equal(published_records(f), 1);
    assert_memory_equal(find_effect(f, OB_EFFECT_PUBLISH)->data, late,
                        OB_RECORD_OVERHEAD_BYTES + FIXTURE_SAMPLES + 2);
    fixture_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_record_is_published_onwards_once),
        cmocka_unit_test(nothing_is_relayed_unless_asked_for),
        cmocka_unit_test(refused_record_goes_no_further),
        cmocka_unit_test(of_one_machine_only_so_many_in_a_while),
        cmocka_unit_test(catching_up_floods_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
