#include "tests/unit/peer/fixture.h"

#include <sodium.h>

#include "peer/evaluation.h"
#include "peer/message.h"
#include "peer/report.h"
#include "peer/versions.h"
#include "record/sign.h"
#include "tests/unit/record/golden.h"

#define ROW(number, kind, receiver) +1
#define KINDS                       (0 OB_PEER_MESSAGES(ROW)) /* from 1 on */

static void heartbeat_golden_round_trips(void **state) {
    (void)state;
    uint8_t golden[OB_HEARTBEAT_BYTES], again[OB_HEARTBEAT_BYTES], body[OB_HEARTBEAT_BODY_BYTES];
    size_t bytes;
    assert_int_equal(
        sodium_hex2bin(golden, sizeof golden, GOLDEN_HEARTBEAT, strlen(GOLDEN_HEARTBEAT), NULL, &bytes, NULL),
        0);
    assert_int_equal(bytes, OB_HEARTBEAT_BYTES);
    struct ob_heartbeat heartbeat;
    assert_true(ob_heartbeat_decode(ob_reader_init(golden + 2, bytes - 2), &heartbeat));
    assert_true(heartbeat.instance == 0x1122334455667788u && heartbeat.trains);
    assert_int_equal(heartbeat.sequence, 9);
    assert_int_equal(heartbeat.twin, 0x99aa);
    assert_int_equal(heartbeat.next.index, 1004);
    assert_int_equal(heartbeat.round.index, 78);
    assert_int_equal(heartbeat.log.bytes[0], 0x11);
    assert_int_equal(heartbeat.weights_log.bytes[31], 0x44);
    assert_int_equal(ob_heartbeat_encode(&heartbeat, again), bytes);
    assert_memory_equal(again, golden, bytes);
    size_t body_bytes = ob_heartbeat_body(&heartbeat, body);
    assert_int_equal(
        crypto_sign_verify_detached(heartbeat.signature, body, body_bytes, heartbeat.machine.key), 0);
}

static void heartbeat_reserved_flags_are_refused(void **state) {
    (void)state;
    uint8_t golden[OB_HEARTBEAT_BYTES];
    size_t bytes;
    assert_int_equal(
        sodium_hex2bin(golden, sizeof golden, GOLDEN_HEARTBEAT, strlen(GOLDEN_HEARTBEAT), NULL, &bytes, NULL),
        0);
    struct ob_heartbeat heartbeat;
    golden[2 + 32 + 32 + 8 + 8 + 8] = 2;
    assert_false(ob_heartbeat_decode(ob_reader_init(golden + 2, bytes - 2), &heartbeat));
}

static void records_add_stops_when_full(void **state) {
    (void)state;
    static uint8_t buffer[OB_MESSAGE_MAX], record[OB_RECORD_BYTES_MAX];
    struct ob_run_id run = {{{1}}};
    struct ob_message_records list;
    ob_message_records_start(&list, &run, buffer, sizeof buffer);
    uint32_t added = 0;
    while (ob_message_records_add(&list, record, sizeof record))
        added++;
    size_t bytes = ob_message_records_end(&list);
    assert_int_equal(bytes, 2 + 32 + 4 + added * (4 + sizeof record));
    assert_true(bytes <= OB_MESSAGE_MAX && bytes + 4 + sizeof record > OB_MESSAGE_MAX);
    assert_int_equal(ob_load_u32(buffer + 34), added);
    assert_int_equal(added, 15);
}

static size_t make_any(struct fixture *f, uint8_t kind, uint8_t *message) {
    static const struct ob_hash LEAVES[OB_LEAVES] = {{{3}}};
    struct ob_hash digest = {{3}};
    struct ob_records_ask ask = {.run = f->options.run, .machine = f->machines[2].id};
    struct ob_holds holds = {.run = f->options.run, .machine = f->machines[2].id, .next = {4}};
    uint8_t signature[64] = {1};
    struct ob_held_ask held_ask = {
        .run = f->options.run, .asker = f->machines[2].id, .machine = f->machines[3].id, .hops = 2};
    struct ob_held held = {.run = f->options.run,
                           .asker = f->machines[2].id,
                           .machine = f->machines[3].id,
                           .hops = 2,
                           .signature = signature};
    struct ob_report report = {.run = f->options.run, .machine = f->machines[1].id, .version = "1"};
    struct ob_evaluation evaluation = {.run = f->options.run, .machine = f->machines[1].id, .log = digest};
    uint8_t body[OB_SMALL_MESSAGE_BYTES_MAX];
    struct ob_message_records list;
    uint8_t record[OB_RECORD_BYTES_MAX + 2];
    size_t bytes;
    switch (kind) {
    case OB_MESSAGE_RECORD:
        return make_record(f, 1, f->machines[1].head_round + 1, message);
    case OB_MESSAGE_HEARTBEAT:
        return make_heartbeat(f, 1, true, &digest, message);
    case OB_MESSAGE_FRONTIER_ASK:
        return ob_frontier_ask_encode(&f->options.run, 0, message);
    case OB_MESSAGE_FRONTIER:
        return make_frontier(f, (size_t[]){1, 2, 3}, 3, message);
    case OB_MESSAGE_RECORDS_ASK:
        return ob_records_ask_encode(&ask, message);
    case OB_MESSAGE_HOLDS_ASK:
        return ob_holds_ask_encode(&f->options.run, &f->machines[2].id, message);
    case OB_MESSAGE_HOLDS:
        return ob_holds_encode(&holds, message);
    case OB_MESSAGE_HELD_ASK:
        return ob_held_ask_encode(&held_ask, message);
    case OB_MESSAGE_HELD:
        return ob_held_encode(&held, message);
    case OB_MESSAGE_RECORDS:
        bytes = make_record(f, 3, f->machines[3].head_round + 1, record);
        ob_message_records_start(&list, &f->options.run, message, OB_MESSAGE_MAX);
        (void)ob_message_records_add(&list, record + 2, bytes - 2);
        return ob_message_records_end(&list);
    case OB_MESSAGE_REPORT:
        ob_record_ed25519_sign(f->machines[1].secret_key, body, ob_report_body(&report, body), signature);
        report.signature = signature;
        return ob_report_encode(&report, message);
    case OB_MESSAGE_EVALUATION:
        ob_score_item(&evaluation.score, 3, 1);
        ob_record_ed25519_sign(f->machines[1].secret_key, body, ob_evaluation_body(&evaluation, body),
                               signature);
        evaluation.signature = signature;
        return ob_evaluation_encode(&evaluation, message);
    case OB_MESSAGE_VERSIONS:
        return ob_versions_encode(
            &(struct ob_versions){f->options.run, OB_PROTOCOL_LOWEST, OB_PROTOCOL_VERSION}, message);
    case OB_MESSAGE_CONTROL_ASK:
        return ob_control_ask_encode(&f->options.run, LEAVES, message);
    default:
        return make_goodbye(f, 4, 1, 0, message);
    }
}

static struct fixture *start_with_some_state(void) {
    struct fixture *f = fixture_new();
    fixture_start(f);
    for (size_t i = 1; i < 4; i++) {
        step_machine(f, OB_EVENT_LINK_UP, i);
        receive_record(f, i, 0);
        receive_record(f, i, 1);
    }
    return f;
}

static void any_truncation_is_refused(void **state) {
    (void)state;
    static uint8_t message[OB_MESSAGE_MAX];
    for (uint8_t kind = 1; kind <= KINDS; kind++) {
        struct fixture *f = start_with_some_state();
        size_t bytes = make_any(f, kind, message);
        if (kind == OB_MESSAGE_FRONTIER) { /* taken only when asked for */
            uint8_t heartbeat[OB_HEARTBEAT_BYTES];
            struct ob_hash other = {{9}};
            size_t heartbeat_bytes = make_heartbeat(f, 1, true, &other, heartbeat);
            step_message(f, 1, heartbeat, heartbeat_bytes);
        }
        for (size_t length = 0; length < bytes; length++) {
            uint64_t refused = ob_peer_view(f->peer).counters.refused;
            step_message(f, 1, message, length);
            assert_int_equal(ob_peer_view(f->peer).counters.refused, refused + 1);
            assert_null(find_effect(f, OB_EFFECT_APPLY));
        }
        uint64_t refused = ob_peer_view(f->peer).counters.refused;
        step_message(f, 1, message, bytes);
        assert_int_equal(ob_peer_view(f->peer).counters.refused, refused);
        fixture_free(f);
    }
}

static void any_other_run_is_refused(void **state) {
    (void)state;
    static uint8_t message[OB_MESSAGE_MAX];
    for (uint8_t kind = 1; kind <= KINDS; kind++) {
        struct fixture *f = start_with_some_state();
        struct ob_run_id ours = f->options.run;
        f->options.run.hash.bytes[5] ^= 1;
        size_t bytes = make_any(f, kind, message);
        f->options.run = ours;
        step_message(f, 1, message, bytes);
        assert_int_equal(ob_peer_view(f->peer).counters.refused, 1);
        assert_non_null(find_notice(f, OB_NOTICE_REFUSED));
        assert_int_equal(f->effects.count, 1);
        fixture_free(f);
    }
}

static void other_version_is_told_once_in_a_while(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    const uint8_t message[] = {OB_MESSAGE_FRONTIER_ASK, OB_PROTOCOL_VERSION + 1, 0, 0};
    step_message(f, 1, message, sizeof message);
    const struct ob_effect *notice = find_notice(f, OB_NOTICE_VERSION);
    assert_non_null(notice);
    assert_non_null(strstr(notice->text, "upgrade onebyte on this machine"));
    step_message(f, 1, message, sizeof message);
    assert_int_equal(f->effects.count, 0);
    f->now_ns += 10 * SECOND;
    const uint8_t older[] = {OB_MESSAGE_FRONTIER_ASK, OB_PROTOCOL_VERSION - 1, 0, 0};
    step_message(f, 1, older, sizeof older);
    notice = find_notice(f, OB_NOTICE_VERSION);
    assert_non_null(notice);
    assert_non_null(strstr(notice->text, "upgrade onebyte there"));
    fixture_free(f);
}

static void unknown_kinds_are_refused(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    fixture_start(f);
    for (unsigned kind = 0; kind < 256; kind++) {
        const uint8_t message[] = {(uint8_t)kind, OB_PROTOCOL_VERSION};
        step_message(f, 1, message, sizeof message);
    }
    assert_int_equal(ob_peer_view(f->peer).counters.refused, 256);
    static const uint8_t LONG[OB_MESSAGE_MAX + 1] = {OB_MESSAGE_FRONTIER_ASK, OB_PROTOCOL_VERSION};
    step_message(f, 1, LONG, sizeof LONG);
    assert_int_equal(ob_peer_view(f->peer).counters.refused, 257);
    fixture_free(f);
}

/* Changed and random messages of every kind: nothing breaks, and nothing without a signature is applied. */
static void garbage_changes_nothing(void **state) {
    (void)state;
    static uint8_t message[OB_MESSAGE_MAX];
    struct fixture *f = start_with_some_state();
    struct ob_hash before = ob_peer_view(f->peer).log_digest;
    static const uint8_t SEED[randombytes_SEEDBYTES] = {42};
    static uint8_t random[1 << 16];
    randombytes_buf_deterministic(random, sizeof random, SEED);
    for (size_t i = 0; i < 20000; i++) {
        const uint8_t *dice = random + i * 3;
        size_t bytes = dice[2] * 4u + 2;
        memcpy(message, random + i, bytes);
        message[0] = (uint8_t)(1 + dice[0] % KINDS);
        message[1] = OB_PROTOCOL_VERSION;
        if (dice[1] % 2 == 0) /* up to its run it is plausible */
            memcpy(message + 2, f->options.run.hash.bytes, OB_HASH_BYTES);
        step_message(f, 1 + i % 3, message, bytes);
        assert_null(find_effect(f, OB_EFFECT_APPLY));
        assert_null(find_effect(f, OB_EFFECT_PERSIST_CONTROL));
    }
    struct ob_hash after = ob_peer_view(f->peer).log_digest;
    assert_true(ob_hash_equal(&before, &after));
    fixture_free(f);
}

static void flipped_bits_change_nothing(void **state) {
    (void)state;
    static uint8_t message[OB_MESSAGE_MAX];
    for (uint8_t kind = 1; kind <= KINDS; kind++) {
        struct fixture *f = start_with_some_state();
        size_t bytes = make_any(f, kind, message);
        for (size_t bit = 0; bit < 8 * bytes; bit++) {
            message[bit / 8] ^= (uint8_t)(1u << bit % 8);
            step_message(f, 1, message, bytes);
            message[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_null(find_effect(f, OB_EFFECT_APPLY));
        }
        fixture_free(f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heartbeat_golden_round_trips),
        cmocka_unit_test(heartbeat_reserved_flags_are_refused),
        cmocka_unit_test(records_add_stops_when_full),
        cmocka_unit_test(any_truncation_is_refused),
        cmocka_unit_test(any_other_run_is_refused),
        cmocka_unit_test(other_version_is_told_once_in_a_while),
        cmocka_unit_test(unknown_kinds_are_refused),
        cmocka_unit_test(garbage_changes_nothing),
        cmocka_unit_test(flipped_bits_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
