#include "tests/unit/peer/fixture.h"

#include "peer/message.h"

static struct fixture *start_closed(void) {
    struct fixture *f = fixture_new();
    f->certify = false;
    fixture_make_peer(f);
    certify_all(f);
    step(f, OB_EVENT_START);
    return f;
}

static void start_admits_whoever_has_a_certificate(void **state) {
    (void)state;
    struct fixture *f = start_closed();
    assert_int_equal(count_effects(f, OB_EFFECT_ADMIT), FIXTURE_MACHINES - 1);
    assert_true(look(f, 3).admitted);
    assert_string_equal(look(f, 3).name, "somebody");
    assert_non_null(find_effect(f, OB_EFFECT_START_ROUND));
    fixture_free(f);
}

static void stored_address_is_told_at_the_start(void **state) {
    (void)state;
    static const char ENDPOINT[] = "tcp://there:7300";
    uint8_t entry[OB_CONTROL_PLAIN_BYTES_MAX];
    struct fixture *f = fixture_new();
    f->certify = false;
    fixture_make_peer(f);
    certify_all(f);
    struct ob_control control = {.kind = OB_CONTROL_ADDRESS,
                                 .payload_bytes = sizeof ENDPOINT - 1,
                                 .signer = f->machines[3].id,
                                 .subject = f->machines[3].id,
                                 .payload = (const uint8_t *)ENDPOINT};
    size_t bytes = ob_control_sign(&f->options.run, &control, f->machines[3].secret_key, entry);
    assert_int_equal(ob_peer_restore_control(f->peer, entry, bytes, NULL), OB_OK);
    step(f, OB_EVENT_START);
    const struct ob_effect *reach = find_effect(f, OB_EFFECT_REACH);
    assert_non_null(reach);
    assert_true(ob_machine_equal(&reach->machine, &f->machines[3].id));
    assert_int_equal(reach->bytes, sizeof ENDPOINT - 1);
    assert_memory_equal(reach->data, ENDPOINT, reach->bytes);
    fixture_free(f);
}

static void record_without_a_certificate_is_taken_once_there_is_one(void **state) {
    (void)state;
    uint8_t entry[OB_CONTROL_PLAIN_BYTES_MAX], record[OB_RECORD_BYTES_MAX + 2];
    struct fixture *f = fixture_new();
    f->certify = false;
    fixture_start(f);
    assert_null(find_effect(f, OB_EFFECT_START_ROUND)); /* nor do we train without one */
    size_t record_bytes = make_record(f, 1, 0, record);
    step_message(f, 2, record, record_bytes);
    assert_null(find_effect(f, OB_EFFECT_APPLY));
    assert_int_equal(ob_peer_view(f->peer).counters.uncounted, 1);
    size_t bytes = make_certificate(f, 1, 1, 0, OB_CONTROL_NEVER, entry);
    receive_control(f, 2, entry, bytes);
    assert_int_equal(count_effects(f, OB_EFFECT_ADMIT), 1);
    step_message(f, 2, record, record_bytes);
    assert_int_equal(count_effects(f, OB_EFFECT_APPLY), 1);
    fixture_free(f);
}

static void certificate_of_a_stranger_or_another_run_is_not_taken(void **state) {
    (void)state;
    uint8_t entry[OB_CONTROL_PLAIN_BYTES_MAX];
    struct fixture *f = fixture_new();
    struct ob_error error;
    f->certify = false;
    fixture_start(f);
    struct ob_run_id run = f->options.run;
    f->options.run.hash.bytes[0] ^= 1;
    size_t bytes = make_certificate(f, 1, 1, 0, OB_CONTROL_NEVER, entry);
    f->options.run = run;
    receive_control(f, 2, entry, bytes);
    assert_null(find_effect(f, OB_EFFECT_PERSIST_CONTROL));
    assert_int_equal(ob_peer_check_certificate(f->peer, entry, bytes, 0, &error), OB_EMISMATCH);
    f->authority = f->machines[5].id; /* somebody who is no authority */
    memcpy(f->authority_key, f->machines[5].secret_key, sizeof f->authority_key);
    bytes = make_certificate(f, 1, 1, 0, OB_CONTROL_NEVER, entry);
    receive_control(f, 2, entry, bytes);
    assert_null(find_effect(f, OB_EFFECT_PERSIST_CONTROL));
    assert_int_equal(ob_peer_check_certificate(f->peer, entry, bytes, 0, &error), OB_EREFUSED);
    fixture_free(f);
}

static void expiry_expels_and_renewal_admits_again(void **state) {
    (void)state;
    uint8_t entry[OB_CONTROL_PLAIN_BYTES_MAX];
    struct ob_error error;
    struct fixture *f = start_closed();
    f->wall_s = 1000;
    size_t bytes = make_certificate(f, 1, 2, 1005, OB_CONTROL_NEVER, entry);
    receive_control(f, 2, entry, bytes);
    f->wall_s = 1004;
    step(f, OB_EVENT_TICK);
    assert_null(find_effect(f, OB_EFFECT_EXPEL));
    f->wall_s = 1005;
    step(f, OB_EVENT_TICK);
    const struct ob_effect *expel = find_effect(f, OB_EFFECT_EXPEL);
    assert_non_null(expel);
    assert_true(ob_machine_equal(&expel->machine, &f->machines[1].id));
    assert_int_equal(ob_peer_check_certificate(f->peer, entry, bytes, 1005, &error), OB_ETIMEOUT);
    receive_record(f, 1, 0); /* expiry gates connections, never records */
    assert_non_null(find_effect(f, OB_EFFECT_APPLY));
    bytes = make_certificate(f, 1, 3, 2000, OB_CONTROL_NEVER, entry);
    receive_control(f, 2, entry, bytes);
    assert_non_null(find_effect(f, OB_EFFECT_ADMIT));
    fixture_free(f);
}

static void revocation_takes_out_what_is_above_and_a_lower_one_more(void **state) {
    (void)state;
    uint8_t entry[OB_CONTROL_PLAIN_BYTES_MAX];
    struct fixture *f = start_closed();
    uint8_t fourth[OB_RECORD_BYTES_MAX + 2], message[OB_RECORD_BYTES_MAX + 2];
    size_t fourth_bytes = 0;
    for (uint32_t round = 0; round < 5; round++) {
        size_t record_bytes = make_record(f, 1, round, message);
        step_message(f, 1, message, record_bytes);
        if (round == 3)
            memcpy(fourth, message, fourth_bytes = record_bytes);
    }
    struct ob_hash five = ob_peer_view(f->peer).log_digest;
    size_t bytes = make_revocation(f, 1, 1, 3 * FIXTURE_SAMPLES + 1, entry); /* within the fourth record */
    receive_control(f, 2, entry, bytes);
    assert_non_null(find_effect(f, OB_EFFECT_EXPEL));
    const struct ob_effect *unapply = find_effect(f, OB_EFFECT_UNAPPLY);
    assert_int_equal(unapply->unapply.first.index, 3 * FIXTURE_SAMPLES);
    assert_int_equal(look(f, 1).next.index, 3 * FIXTURE_SAMPLES);
    assert_int_equal(look(f, 1).head_round.index, 2);
    step_message(f, 2, fourth, fourth_bytes); /* extends the chain, and ends above the cut */
    assert_null(find_effect(f, OB_EFFECT_PERSIST));
    assert_int_equal(ob_peer_view(f->peer).counters.uncounted, 1);
    bytes = make_revocation(f, 1, 2, 4 * FIXTURE_SAMPLES, entry); /* a higher one changes nothing */
    receive_control(f, 2, entry, bytes);
    assert_null(find_effect(f, OB_EFFECT_PERSIST_CONTROL));
    bytes = make_revocation(f, 1, 2, FIXTURE_SAMPLES, entry);
    receive_control(f, 2, entry, bytes);
    assert_int_equal(find_effect(f, OB_EFFECT_UNAPPLY)->unapply.first.index, FIXTURE_SAMPLES);
    struct ob_hash after = ob_peer_view(f->peer).log_digest;
    assert_false(ob_hash_equal(&five, &after));
    /* the same as one that never had more */
    struct fixture *other = start_closed();
    receive_record(other, 1, 0);
    struct ob_hash plain = ob_peer_view(other->peer).log_digest;
    assert_true(ob_hash_equal(&plain, &after));
    receive_record(f, 1, 9); /* what comes after the cut is neither stored nor fetched */
    assert_null(find_effect(f, OB_EFFECT_PERSIST));
    assert_null(find_sent(f, OB_MESSAGE_RECORDS_ASK));
    fixture_free(other);
    fixture_free(f);
}

static void last_round_bounds_records_whenever_it_arrives(void **state) {
    (void)state;
    uint8_t entry[OB_CONTROL_PLAIN_BYTES_MAX];
    struct ob_hash digests[2];
    for (int early = 0; early < 2; early++) {
        struct fixture *f = start_closed();
        size_t bytes = make_certificate(f, 1, 2, 0, 7, entry);
        if (early)
            receive_control(f, 2, entry, bytes);
        receive_record(f, 1, 3);
        receive_record(f, 1, 7);
        receive_record(f, 1, 8);
        receive_record(f, 1, 12);
        if (!early) {
            receive_control(f, 2, entry, bytes);
            assert_int_equal(find_effect(f, OB_EFFECT_UNAPPLY)->unapply.first.index, 2 * FIXTURE_SAMPLES);
        }
        assert_int_equal(look(f, 1).next.index, 2 * FIXTURE_SAMPLES);
        digests[early] = ob_peer_view(f->peer).log_digest;
        fixture_free(f);
    }
    assert_true(ob_hash_equal(&digests[0], &digests[1]));
}

static void own_revocation_halts(void **state) {
    (void)state;
    uint8_t entry[OB_CONTROL_PLAIN_BYTES_MAX];
    struct fixture *f = start_closed();
    size_t bytes = make_revocation(f, 0, 1, 0, entry);
    receive_control(f, 2, entry, bytes);
    assert_non_null(find_effect(f, OB_EFFECT_HALT));
    fixture_free(f);
}

static size_t make_rotation(struct fixture *f, const struct ob_machine_id *to, uint64_t sequence,
                            uint64_t until, uint8_t *entry) {
    uint8_t payload[8];
    ob_store_u64(payload, until);
    struct ob_control control = {.kind = OB_CONTROL_ROTATION,
                                 .payload_bytes = 8,
                                 .signer = f->authority,
                                 .subject = *to,
                                 .sequence = sequence,
                                 .payload = payload};
    return ob_control_sign(&f->options.run, &control, f->authority_key, entry);
}

/* Two rotations of one key: whatever comes first, the lower sequence wins, and so do its certificates. */
static void conflicting_rotations_end_the_same_in_any_order(void **state) {
    (void)state;
    struct ob_hash digests[2];
    for (int order = 0; order < 2; order++) {
        uint8_t entries[3][OB_CONTROL_PLAIN_BYTES_MAX];
        size_t bytes[3];
        struct fixture *f = start_closed();
        bytes[0] = make_rotation(f, &f->machines[6].id, 5, 100, entries[0]);
        bytes[1] = make_rotation(f, &f->machines[7].id, 4, 100, entries[1]);
        f->authority = f->machines[6].id; /* the loser's key certifies machine 1 with a last round */
        memcpy(f->authority_key, f->machines[6].secret_key, sizeof f->authority_key);
        bytes[2] = make_certificate(f, 1, 9, 0, 3, entries[2]);
        const int turns[2][3] = {{0, 2, 1}, {1, 0, 2}};
        for (int i = 0; i < 3; i++)
            receive_control(f, 2, entries[turns[order][i]], bytes[turns[order][i]]);
        receive_record(f, 1, 8); /* beyond the loser's last round */
        assert_non_null(find_effect(f, OB_EFFECT_APPLY));
        digests[order] = ob_peer_view(f->peer).control_digest;
        fixture_free(f);
    }
    assert_true(ob_hash_equal(&digests[0], &digests[1]));
}

static void rotated_key_counts_below_until_only(void **state) {
    (void)state;
    uint8_t entry[OB_CONTROL_PLAIN_BYTES_MAX];
    struct fixture *f = start_closed();
    size_t bytes = make_rotation(f, &f->machines[6].id, 5, 10, entry);
    receive_control(f, 2, entry, bytes);
    assert_non_null(find_notice(f, OB_NOTICE_ROTATED));
    assert_true(look(f, 1).admitted); /* its certificate has sequence 1 */
    bytes = make_certificate(f, 1, 10, 0, 3, entry);
    receive_control(f, 2, entry, bytes);
    assert_null(find_effect(f, OB_EFFECT_PERSIST_CONTROL));
    bytes = make_certificate(f, 1, 9, 0, 3, entry);
    receive_control(f, 2, entry, bytes);
    assert_non_null(find_effect(f, OB_EFFECT_PERSIST_CONTROL));
    fixture_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(start_admits_whoever_has_a_certificate),
        cmocka_unit_test(stored_address_is_told_at_the_start),
        cmocka_unit_test(record_without_a_certificate_is_taken_once_there_is_one),
        cmocka_unit_test(certificate_of_a_stranger_or_another_run_is_not_taken),
        cmocka_unit_test(expiry_expels_and_renewal_admits_again),
        cmocka_unit_test(revocation_takes_out_what_is_above_and_a_lower_one_more),
        cmocka_unit_test(last_round_bounds_records_whenever_it_arrives),
        cmocka_unit_test(own_revocation_halts),
        cmocka_unit_test(conflicting_rotations_end_the_same_in_any_order),
        cmocka_unit_test(rotated_key_counts_below_until_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
