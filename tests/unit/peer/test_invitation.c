/* Invitations: what counts is the same whatever came first, uses are a bound, doors look at the clock. */
#include "tests/unit/peer/fixture.h"

#include <sodium.h>

#include "peer/message.h"
#include "record/invited.h"

#define NEVER OB_CONTROL_NEVER

struct key {
    struct ob_machine_id id;
    uint8_t secret[64];
};

struct entry {
    uint8_t data[OB_CONTROL_BYTES_MAX];
    size_t bytes;
};

static struct key make_key(uint8_t number) {
    uint8_t seed[32] = {'i', number};
    struct key key;
    crypto_sign_seed_keypair(key.id.key, key.secret, seed);
    return key;
}

static struct entry signed_by_authority(struct fixture *f, struct ob_control control) {
    struct entry entry;
    control.signer = f->authority;
    entry.bytes = ob_control_sign(&f->options.run, &control, f->authority_key, entry.data);
    return entry;
}

static struct entry make_invitation(struct fixture *f, const struct key *key, uint64_t sequence,
                                    struct ob_invitation says) {
    uint8_t payload[OB_INVITATION_BYTES_MAX];
    struct ob_control control = {
        .kind = OB_CONTROL_INVITATION, .subject = key->id, .sequence = sequence, .payload = payload};
    if (!says.pattern[0])
        memcpy(says.pattern, "node-*", 7);
    if (says.last_round == 0)
        says.last_round = NEVER;
    assert_int_equal(ob_invitation_encode(&says, payload, &control.payload_bytes, NULL), OB_OK);
    return signed_by_authority(f, control);
}

static struct entry make_withdrawal(struct fixture *f, const struct key *key, uint64_t sequence,
                                    const size_t *machines, size_t count) {
    uint8_t payload[OB_WITHDRAWAL_BYTES_MAX];
    struct ob_machine_id keys[FIXTURE_MACHINES];
    struct ob_control control = {
        .kind = OB_CONTROL_WITHDRAWAL, .subject = key->id, .sequence = sequence, .payload = payload};
    for (size_t i = 0; i < count; i++)
        keys[i] = f->machines[machines[i]].id;
    assert_int_equal(ob_withdrawal_encode(keys, count, payload, &control.payload_bytes, NULL), OB_OK);
    return signed_by_authority(f, control);
}

static struct entry admit(struct fixture *f, const struct key *key, size_t machine) {
    struct entry entry;
    static const struct ob_invitation ANY = {.uses = 1, .pattern = "*"};
    char name[32];
    (void)snprintf(name, sizeof name, "node-%zu", machine);
    assert_int_equal(ob_invited_admit(&f->options.run, &ANY, key->secret, &f->machines[machine].id, name,
                                      entry.data, &entry.bytes, NULL),
                     OB_OK);
    return entry;
}

static void give(struct fixture *f, const struct entry *entry) {
    receive_control(f, 7, entry->data, entry->bytes);
}

static struct entry shown(const struct entry *invitation, const struct entry *admission) {
    struct entry both = *invitation;
    memcpy(both.data + both.bytes, admission->data, admission->bytes);
    both.bytes += admission->bytes;
    return both;
}

static enum ob_err at_door(struct fixture *f, const struct entry *invitation, const struct entry *admission,
                           uint64_t wall_s) {
    struct entry both = shown(invitation, admission);
    return ob_peer_check_invited(f->peer, both.data, both.bytes, wall_s, NULL);
}

/* Only we and machine 7 have certificates. */
static struct fixture *start_two(void) {
    struct fixture *f = fixture_new();
    struct entry entry;
    f->certify = false;
    fixture_make_peer(f);
    for (size_t i = 0; i < FIXTURE_MACHINES; i += 7) {
        entry.bytes = make_certificate(f, i, 1, 0, NEVER, entry.data);
        step_event(f, (struct ob_event){.kind = OB_EVENT_CONTROL, .data = entry.data, .bytes = entry.bytes});
    }
    step(f, OB_EVENT_START);
    return f;
}

static size_t members(const struct fixture *f, size_t from, size_t to) {
    size_t count = 0;
    for (size_t i = from; i < to; i++)
        count += look(f, i).admitted;
    return count;
}

static void invitation_admits_the_machine_that_its_key_signs(void **state) {
    (void)state;
    struct fixture *f = start_two();
    struct key key = make_key(1);
    struct entry admission = admit(f, &key, 3),
                 invitation = make_invitation(f, &key, 1, (struct ob_invitation){.uses = 2});
    give(f, &admission); /* too early: nobody knows the invitation */
    assert_false(look(f, 3).admitted);
    give(f, &invitation);
    give(f, &admission);
    assert_true(look(f, 3).admitted);
    assert_string_equal(look(f, 3).name, "node-3");
    assert_non_null(find_effect(f, OB_EFFECT_ADMIT));
    uint8_t record[OB_RECORD_BYTES_MAX + 2];
    size_t bytes = make_record(f, 3, 0, record);
    step_message(f, 7, record, bytes);
    assert_non_null(find_effect(f, OB_EFFECT_APPLY));
    fixture_free(f);
}

static void name_outside_the_pattern_is_refused(void **state) {
    (void)state;
    struct fixture *f = start_two();
    struct key key = make_key(1);
    struct entry admission = admit(f, &key, 3),
                 invitation =
                     make_invitation(f, &key, 1, (struct ob_invitation){.uses = 2, .pattern = "other-*"});
    give(f, &invitation);
    give(f, &admission);
    assert_false(look(f, 3).admitted);
    assert_int_equal(at_door(f, &invitation, &admission, 0), OB_EREFUSED);
    fixture_free(f);
}

/* Every order of four admissions for two uses ends with the same two, and with the same table. */
static void uses_are_a_bound_in_any_order(void **state) {
    (void)state;
    struct key key = make_key(1);
    struct ob_hash first = {{0}};
    for (size_t order = 0; order < 24; order++) {
        struct fixture *f = start_two();
        struct entry invitation = make_invitation(f, &key, 1, (struct ob_invitation){.uses = 2}),
                     again = make_invitation(f, &key, 2, (struct ob_invitation){.uses = 2});
        size_t left[4] = {1, 2, 3, 4}, divisor = 6, number = order;
        give(f, order % 2 ? &invitation : &again);
        for (size_t i = 0; i < 4; i++) {
            size_t at = number / divisor;
            number %= divisor;
            divisor = i < 2 ? divisor / (3 - i) : 1;
            struct entry admission = admit(f, &key, left[at]);
            give(f, &admission);
            memmove(&left[at], &left[at + 1], (3 - i - at) * sizeof left[0]);
            assert_true(members(f, 1, 5) <= 2);
        }
        give(f, &again);
        assert_int_equal(members(f, 1, 5), 2);
        struct ob_hash digest = ob_peer_view(f->peer).control_digest;
        if (order == 0)
            first = digest;
        assert_true(ob_hash_equal(&digest, &first));
        fixture_free(f);
    }
}

/* Who is put out of place by a use too many: its records, and what it said of itself, go as if it had never been. */
static void what_came_of_a_displaced_machine_goes(void **state) {
    (void)state;
    struct key key = make_key(1);
    struct ob_hash digests[2];
    for (size_t order = 0; order < 2; order++) {
        struct fixture *f = start_two();
        struct entry invitation = make_invitation(f, &key, 1, (struct ob_invitation){.uses = 1});
        struct ob_hash ranks[2] = {ob_invitation_rank(&key.id, &f->machines[1].id),
                                   ob_invitation_rank(&key.id, &f->machines[2].id)};
        size_t wins = memcmp(&ranks[0], &ranks[1], sizeof ranks[0]) < 0 ? 1 : 2, loses = 3 - wins;
        struct entry winner = admit(f, &key, wins), loser = admit(f, &key, loses);
        uint8_t goodbye[OB_SMALL_MESSAGE_BYTES_MAX], record[OB_RECORD_BYTES_MAX + 2];
        size_t goodbye_bytes = make_goodbye(f, loses, 1, 4, goodbye),
               bytes = make_record(f, loses, 0, record);
        give(f, &invitation);
        if (order == 1)
            give(f, &winner);
        give(f, &loser);
        step_message(f, 7, record, bytes);
        assert_int_equal(find_effect(f, OB_EFFECT_APPLY) != NULL, order == 0);
        step_message(f, 7, goodbye, goodbye_bytes);
        if (order == 0) {
            give(f, &winner);
            assert_non_null(find_effect(f, OB_EFFECT_UNAPPLY));
            assert_non_null(find_effect(f, OB_EFFECT_EXPEL));
        }
        assert_true(look(f, wins).admitted && !look(f, loses).admitted);
        assert_int_equal(look(f, loses).next.index == UINT64_MAX ? 0 : look(f, loses).next.index, 0);
        digests[order] = ob_peer_view(f->peer).control_digest;
        fixture_free(f);
    }
    assert_true(ob_hash_equal(&digests[0], &digests[1]));
}

static void withdrawal_lets_stay_whom_it_lists(void **state) {
    (void)state;
    struct key key = make_key(1);
    struct ob_hash digests[2];
    for (size_t order = 0; order < 2; order++) {
        struct fixture *f = start_two();
        size_t stays = 2;
        struct entry invitation = make_invitation(f, &key, 1, (struct ob_invitation){.uses = 3}),
                     withdrawal = make_withdrawal(f, &key, 2, &stays, 1), one = admit(f, &key, 1),
                     two = admit(f, &key, 2), three = admit(f, &key, 3);
        if (order == 1)
            give(f, &withdrawal);
        give(f, &invitation);
        give(f, &one);
        give(f, &two);
        if (order == 0)
            give(f, &withdrawal);
        give(f, &three);
        assert_false(look(f, 1).admitted);
        assert_true(look(f, 2).admitted);
        assert_false(look(f, 3).admitted);
        assert_int_equal(at_door(f, &invitation, &three, 0), OB_ESTATE);
        assert_int_equal(at_door(f, &invitation, &two, 0), OB_OK);
        digests[order] = ob_peer_view(f->peer).control_digest;
        fixture_free(f);
    }
    assert_true(ob_hash_equal(&digests[0], &digests[1]));
}

static void doors_judge_expiry_and_uses(void **state) {
    (void)state;
    struct fixture *f = start_two();
    struct key key = make_key(1), stranger = make_key(2);
    struct entry invitation = make_invitation(
                     f, &key, 1, (struct ob_invitation){.uses = 1, .expiry_s = 100, .member_expiry_s = 300}),
                 one = admit(f, &key, 1), two = admit(f, &key, 2), other = admit(f, &stranger, 3);
    assert_int_equal(at_door(f, &invitation, &one, 99), OB_OK);
    assert_int_equal(at_door(f, &invitation, &one, 100), OB_ETIMEOUT);
    assert_int_equal(at_door(f, &invitation, &other, 99), OB_EREFUSED);
    give(f, &invitation);
    give(f, &one);
    assert_int_equal(at_door(f, &invitation, &one, 200), OB_OK); /* it came in time */
    assert_int_equal(at_door(f, &invitation, &one, 300), OB_ETIMEOUT);
    assert_int_equal(at_door(f, &invitation, &two, 99),
                     OB_EBUSY); /* first come, first served, as far as we know */
    assert_int_equal(look(f, 1).expiry_s, 300);
    invitation.data[invitation.bytes - 1] ^= 1;
    assert_int_equal(at_door(f, &invitation, &one, 99), OB_EREFUSED);
    fixture_free(f);
}

static void certificate_outranks_an_admission(void **state) {
    (void)state;
    struct fixture *f = start_two();
    struct key key = make_key(1);
    struct entry invitation = make_invitation(f, &key, 1, (struct ob_invitation){.uses = 1}),
                 one = admit(f, &key, 1), certificate, withdrawal = make_withdrawal(f, &key, 2, NULL, 0);
    certificate.bytes = make_certificate(f, 1, 5, 0, NEVER, certificate.data);
    give(f, &invitation);
    give(f, &one);
    give(f, &certificate);
    assert_string_equal(look(f, 1).name, "somebody");
    give(f, &withdrawal);
    assert_true(look(f, 1).admitted);
    fixture_free(f);
}

/* The log may hold more than counts: what was put out of place is never deleted there. */
static void restored_table_is_the_one_that_was(void **state) {
    (void)state;
    struct key key = make_key(1);
    struct fixture *f = start_two(), *restored = fixture_new();
    struct entry entries[4] = {make_invitation(f, &key, 1, (struct ob_invitation){.uses = 1}),
                               admit(f, &key, 1), admit(f, &key, 2), admit(f, &key, 3)};
    restored->certify = false;
    fixture_make_peer(restored);
    for (size_t i = 0; i < 4; i++) {
        give(f, &entries[i]);
        assert_int_equal(ob_peer_restore_control(restored->peer, entries[i].data, entries[i].bytes, NULL),
                         OB_OK);
    }
    for (size_t i = 0; i < FIXTURE_MACHINES; i += 7) {
        struct entry entry;
        entry.bytes = make_certificate(f, i, 1, 0, NEVER, entry.data);
        assert_int_equal(ob_peer_restore_control(restored->peer, entry.data, entry.bytes, NULL), OB_OK);
    }
    step(restored, OB_EVENT_START);
    assert_int_equal(members(restored, 1, 4), 1);
    struct ob_hash one = ob_peer_view(f->peer).control_digest,
                   other = ob_peer_view(restored->peer).control_digest;
    assert_true(ob_hash_equal(&one, &other));
    fixture_free(f);
    fixture_free(restored);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(invitation_admits_the_machine_that_its_key_signs),
        cmocka_unit_test(name_outside_the_pattern_is_refused),
        cmocka_unit_test(uses_are_a_bound_in_any_order),
        cmocka_unit_test(what_came_of_a_displaced_machine_goes),
        cmocka_unit_test(withdrawal_lets_stay_whom_it_lists),
        cmocka_unit_test(doors_judge_expiry_and_uses),
        cmocka_unit_test(certificate_outranks_an_admission),
        cmocka_unit_test(restored_table_is_the_one_that_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
