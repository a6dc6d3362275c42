/* A table of machines that is full, an arena that has to be tidied, and two daemons with one key that have no
 * way to each other. */
#include "tests/unit/peer/fixture.h"

#include "peer/message.h"

static void full_table_refuses_newcomers_and_keeps_the_others(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    f->options.machines_max = 3;
    f->options.open = true; /* without certificates records alone fill it */
    fixture_start(f);
    receive_record(f, 1, 0);
    receive_record(f, 2, 0);
    receive_record(f, 3, 0);
    assert_null(find_effect(f, OB_EFFECT_APPLY));
    assert_null(find_effect(f, OB_EFFECT_PERSIST));
    const struct ob_effect *told = find_notice(f, OB_NOTICE_REFUSED);
    assert_non_null(told);
    assert_non_null(strstr(told->text, "full (3 machines)"));
    for (uint32_t round = 1; round < 20; round++) { /* not told each time */
        receive_record(f, 3, round);
        assert_null(find_notice(f, OB_NOTICE_REFUSED));
    }
    assert_int_equal(ob_peer_view(f->peer).machines, 3);
    assert_true(ob_peer_view(f->peer).counters.refused >= 20);
    receive_record(f, 1, 1);
    assert_non_null(find_effect(f, OB_EFFECT_APPLY));
    assert_non_null(find_effect(f, OB_EFFECT_PERSIST));
    fixture_free(f);
}

static struct ob_hash digest_after(uint64_t first, uint64_t last) {
    uint8_t message[OB_SMALL_MESSAGE_BYTES_MAX];
    struct fixture *f = fixture_new();
    fixture_start(f);
    for (uint64_t i = first; i <= last; i++) {
        f->now_ns += 2 * SECOND; /* not too fast */
        for (size_t machine = 1; machine < 4; machine++) {
            size_t bytes = make_goodbye(f, machine, i, 4 * i, message);
            step_message(f, machine, message, bytes);
            assert_int_equal(count_effects(f, OB_EFFECT_PERSIST_CONTROL), 1);
        }
    }
    struct ob_hash digest = ob_peer_view(f->peer).control_digest;
    fixture_free(f);
    return digest;
}

/* Many times what the arena holds: what was replaced makes room, and what is there stays as it is. */
static void control_arena_is_tidied_for_ever(void **state) {
    (void)state;
    struct ob_hash many = digest_after(1, 3000), last = digest_after(3000, 3000);
    assert_true(ob_hash_equal(&many, &last));
}

/* The instance whose heartbeat is published again when this one is heard; 0: none is. */
static uint64_t hear(struct fixture *f, uint64_t instance) {
    uint8_t message[OB_HEARTBEAT_BYTES], body[OB_HEARTBEAT_BODY_BYTES], signature[64];
    struct ob_peer_view view = ob_peer_view(f->peer);
    struct ob_heartbeat heartbeat = {.run = f->options.run,
                                     .machine = f->machines[1].id,
                                     .instance = instance,
                                     .sequence = ++f->machines[1].heartbeats,
                                     .trains = true,
                                     .log = view.log_digest,
                                     .control = view.control_digest,
                                     .signature = signature};
    f->options.crypto.sign(f->machines[1].secret_key, body, ob_heartbeat_body(&heartbeat, body), signature);
    f->now_ns += SECOND / 4;
    step_message(f, 1, message, ob_heartbeat_encode(&heartbeat, message));
    for (size_t i = 0; i < f->effects.count; i++) {
        const struct ob_effect *effect = &f->effects.items[i];
        struct ob_heartbeat again;
        if (effect->kind == OB_EFFECT_PUBLISH && effect->data[0] == OB_MESSAGE_HEARTBEAT &&
            ob_heartbeat_decode(ob_reader_init(effect->data + 2, effect->bytes - 2), &again) &&
            ob_machine_equal(&again.machine, &f->machines[1].id))
            return again.instance;
    }
    return 0;
}

static void third_peer_hands_on_that_two_daemons_share_a_key(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    assert_int_equal(hear(f, 50), 0);
    assert_int_equal(hear(f, 60), 0); /* it was started again */
    assert_null(find_notice(f, OB_NOTICE_TWIN));
    assert_int_equal(hear(f, 50), 60); /* the lower one must hear of the higher, not the other way round */
    assert_non_null(find_notice(f, OB_NOTICE_TWIN));
    assert_int_equal(hear(f, 60), 0);
    assert_int_equal(hear(f, 50), 0); /* not each time */
    assert_int_equal(hear(f, 60), 0);
    assert_null(find_notice(f, OB_NOTICE_TWIN));
    f->now_ns += 2 * SECOND;
    assert_int_equal(hear(f, 60), 0);
    assert_int_equal(hear(f, 50), 60);
    fixture_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_table_refuses_newcomers_and_keeps_the_others),
        cmocka_unit_test(control_arena_is_tidied_for_ever),
        cmocka_unit_test(third_peer_hands_on_that_two_daemons_share_a_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
