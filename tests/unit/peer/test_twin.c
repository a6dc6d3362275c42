/* Two daemons with the key of machine 1, heard by a peer that must make both stop. */
#include "tests/unit/peer/fixture.h"

#include "peer/message.h"

#define COPIED 1

struct heard {
    uint8_t data[OB_HEARTBEAT_BYTES];
    size_t bytes;
};

static struct heard say(struct fixture *f, uint64_t instance, uint64_t twin) {
    struct fixture_machine *machine = &f->machines[COPIED];
    struct ob_peer_view view = ob_peer_view(f->peer);
    struct ob_heartbeat heartbeat = {.run = f->options.run,
                                     .machine = machine->id,
                                     .instance = instance,
                                     .sequence = ++machine->heartbeats,
                                     .twin = twin,
                                     .log = view.log_digest,
                                     .control = view.control_digest};
    uint8_t body[OB_HEARTBEAT_BODY_BYTES], signature[64];
    size_t bytes = ob_heartbeat_body(&heartbeat, body);
    ob_record_ed25519_sign(machine->secret_key, body, bytes, signature);
    heartbeat.signature = signature;
    struct heard heard;
    heard.bytes = ob_heartbeat_encode(&heartbeat, heard.data);
    step_message(f, COPIED, heard.data, heard.bytes);
    return heard;
}

/* Whether the last step published these bytes. */
static bool brought(const struct fixture *f, const struct heard *heard) {
    for (size_t i = 0; i < f->effects.count; i++) {
        const struct ob_effect *effect = &f->effects.items[i];
        if (effect->kind == OB_EFFECT_PUBLISH && effect->bytes == heard->bytes &&
            memcmp(effect->data, heard->data, heard->bytes) == 0)
            return true;
    }
    return false;
}

static size_t brought_any(const struct fixture *f) {
    size_t count = 0;
    for (size_t i = 0; i < f->effects.count; i++) {
        const struct ob_effect *effect = &f->effects.items[i];
        struct ob_heartbeat heartbeat;
        count += effect->kind == OB_EFFECT_PUBLISH && effect->data[0] == OB_MESSAGE_HEARTBEAT &&
                 ob_heartbeat_decode(ob_reader_init(effect->data + 2, effect->bytes - 2), &heartbeat) &&
                 ob_machine_equal(&heartbeat.machine, &f->machines[COPIED].id);
    }
    return count;
}

/* Instance 200 starts while 100 stands halted: each is brought what the other says. */
static void expect_both_are_stopped(struct fixture *f) {
    struct heard started = say(f, 200, 0);
    assert_true(brought(f, &started));
    struct heard named = say(f, 100, 200);
    assert_true(brought(f, &named));
}

/* One host stands halted and says so every second; the other one is started again. However their turns fall, the first one
 * hears of it at once, and so does the second one of what the first one says then. */
static void host_started_again_is_stopped_within_an_exchange(void **state) {
    (void)state;
    for (uint64_t phase = 0; phase < 20; phase++) {
        struct fixture *f = fixture_new();
        fixture_start(f);
        for (int second = 0; second < 7; second++) {
            say(f, 100, 90);
            pass(f, SECOND);
        }
        f->now_ns += phase * 100 * MILLISECOND;
        expect_both_are_stopped(f);
        fixture_free(f);
    }
}

/* Both stand halted, and name one another every second: there is room for what is new. */
static void two_that_have_stopped_leave_room_for_news(void **state) {
    (void)state;
    for (uint64_t phase = 0; phase < 20; phase++) {
        struct fixture *f = fixture_new();
        fixture_start(f);
        for (int second = 0; second < 20; second++) {
            say(f, 100, 90);
            pass(f, 300 * MILLISECOND);
            say(f, 90, 100);
            pass(f, 700 * MILLISECOND);
        }
        f->now_ns += phase * 100 * MILLISECOND;
        expect_both_are_stopped(f);
        fixture_free(f);
    }
}

/* The halted one is linked only later. */
static void older_host_gets_the_newest_when_it_is_heard(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    struct heard newest = say(f, 200, 0);
    assert_int_equal(brought_any(f), 0);
    say(f, 100, 90);
    assert_true(brought(f, &newest));
    say(f, 100, 90);
    assert_int_equal(brought_any(f), 0); /* a moment ago */
    pass(f, 2 * SECOND);
    newest = say(f, 200, 0);
    say(f, 100, 90); /* it was lost */
    assert_true(brought(f, &newest));
    fixture_free(f);
}

static void newest_that_is_silent_stops_nobody(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    say(f, 200, 0);
    pass(f, 5 * SECOND);
    for (int i = 0; i < 5; i++) {
        say(f, 100, 0); /* its state was lost, and its clock set back */
        assert_int_equal(brought_any(f), 0);
        pass(f, SECOND);
    }
    fixture_free(f);
}

/* A start like any other; what comes late of the earlier life costs one message, which the new one takes no notice of. */
static void restart_is_not_brought_to_anybody(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    say(f, 100, 0);
    struct heard newest = say(f, 200, 0);
    assert_int_equal(brought_any(f), 0);
    say(f, 100, 0);
    assert_true(brought(f, &newest));
    for (int i = 0; i < 5; i++) {
        say(f, 200, 0);
        assert_int_equal(brought_any(f), 0);
        pass(f, SECOND);
    }
    fixture_free(f);
}

static void made_up_instances_cost_others_little(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    size_t count = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        say(f, 1000 + i, 7 * i + 1);
        count += brought_any(f);
        say(f, 3 * i, 0);
        count += brought_any(f);
        f->now_ns += 10 * MILLISECOND;
    }
    assert_true(count > 0 && count <= 2 * (4 + 10));
    fixture_free(f);
}

static void what_another_machine_says_of_it_is_not_handed_on(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    struct heard newest = say(f, 200, 0), older = say(f, 100, 90);
    pass(f, 10 * SECOND);
    step_message(f, 2, older.data, older.bytes);
    assert_int_equal(brought_any(f), 0);
    step_message(f, 2, newest.data, newest.bytes);
    assert_int_equal(brought_any(f), 0);
    newest.data[newest.bytes - 1] ^= 1; /* a bad signature */
    step_message(f, COPIED, newest.data, newest.bytes);
    assert_int_equal(brought_any(f), 0);
    fixture_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_started_again_is_stopped_within_an_exchange),
        cmocka_unit_test(two_that_have_stopped_leave_room_for_news),
        cmocka_unit_test(older_host_gets_the_newest_when_it_is_heard),
        cmocka_unit_test(newest_that_is_silent_stops_nobody),
        cmocka_unit_test(restart_is_not_brought_to_anybody),
        cmocka_unit_test(made_up_instances_cost_others_little),
        cmocka_unit_test(what_another_machine_says_of_it_is_not_handed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
