#include "tests/unit/cmocka_all.h"

#include "run/admission.h"
#include "tests/support/random.h"
#include "tests/unit/run/log_fixture.h"

static struct ob_admission *admission_of(const struct log_fixture *l, const struct log_entry *entries,
                                         size_t count) {
    struct ob_admission *a = NULL;
    struct ob_error error = {0};
    assert_int_equal(ob_admission_new(&l->manifest.run, &l->manifest.authority, &a, NULL), OB_OK);
    for (size_t i = 0; i < count; i++)
        if (ob_admission_add(a, entries[i].data, entries[i].bytes, &error))
            fail_msg("%s", error.text);
    ob_admission_settle(a);
    return a;
}

static void expect_everything(const struct log_fixture *l, const struct ob_admission *a) {
    for (int chain = 0; chain < CHAINS; chain++) {
        struct ob_standing standing = ob_admission_of(a, &l->f.chains[chain].machine);
        const char name[] = {'m', (char)('0' + chain), 0};
        assert_true(standing.certified);
        assert_string_equal(standing.name, name);
        assert_true(standing.last_round == OB_CONTROL_NEVER);
        assert_true(standing.cut == (chain < 2 ? UINT64_MAX : LOG_KEPT * LOG_SAMPLES));
        assert_true(standing.revoked == (chain == 2) && standing.forked == (chain == 3));
    }
    struct ob_machine_id authority = ob_admission_authority(a);
    assert_memory_equal(&authority, &l->authorities[1].id, sizeof authority);
    for (size_t i = 0; i < ob_admission_count(a); i++)
        assert_true(ob_admission_counts(a, ob_admission_entry(a, i)));
    assert_false(ob_admission_of(a, &l->stranger.id).certified);
}

static void the_order_of_entries_does_not_matter(void **state) {
    (void)state;
    struct log_fixture l;
    struct log_entry entries[LOG_ENTRIES];
    struct test_random random = {7};
    log_make(&l);
    for (int i = 0; i < LOG_KEPT; i++)
        for (int chain = 0; chain < CHAINS; chain++)
            (void)next_record(&l.f, chain, LOG_SAMPLES);
    log_entries(&l, entries);
    for (int turn = 0; turn < 20; turn++) {
        struct ob_admission *a = admission_of(&l, entries, LOG_ENTRIES);
        expect_everything(&l, a);
        ob_admission_free(a);
        for (size_t i = LOG_ENTRIES; i > 1; i--) {
            size_t k = (size_t)test_random_below(&random, i);
            struct log_entry swap = entries[i - 1];
            entries[i - 1] = entries[k];
            entries[k] = swap;
        }
    }
    remove_all(&l.f);
}

static void what_a_former_authority_signs_later_does_not_count(void **state) {
    (void)state;
    struct log_fixture l;
    log_make(&l);
    const struct log_key *old = &l.authorities[0], *now = &l.authorities[1];
    struct log_entry entries[] = {
        log_number(&l, OB_CONTROL_ROTATION, old, &now->id, 50, LOG_ROTATED),
        log_number(&l, OB_CONTROL_ROTATION, old, &l.stranger.id, 60, LOG_ROTATED), /* loses: later */
        log_certificate(&l, old, 0, LOG_ROTATED - 1, OB_CONTROL_NEVER),
        log_certificate(&l, old, 1, LOG_ROTATED, OB_CONTROL_NEVER), /* too late */
        log_certificate(&l, &l.stranger, 2, 1, OB_CONTROL_NEVER),
        log_number(&l, OB_CONTROL_REVOCATION, &l.stranger, &l.f.chains[0].machine, 1, 0),
        log_number(&l, OB_CONTROL_REVOCATION, old, &l.f.chains[0].machine, LOG_ROTATED + 1, 0),
        log_evidence(&l, 3), /* of a machine that was never admitted */
    };
    struct ob_admission *a = admission_of(&l, entries, sizeof entries / sizeof *entries);
    assert_true(ob_admission_of(a, &l.f.chains[0].machine).certified);
    assert_false(ob_admission_of(a, &l.f.chains[0].machine).revoked);
    for (int chain = 1; chain < CHAINS; chain++)
        assert_false(ob_admission_of(a, &l.f.chains[chain].machine).certified);
    assert_false(ob_admission_of(a, &l.f.chains[3].machine).forked);
    size_t counted = 0;
    for (size_t i = 0; i < ob_admission_count(a); i++)
        counted += ob_admission_counts(a, ob_admission_entry(a, i));
    assert_int_equal(counted, 2); /* one rotation, one certificate */
    ob_admission_free(a);
    remove_all(&l.f);
}

static void rotations_that_go_round_end(void **state) {
    (void)state;
    struct log_fixture l;
    log_make(&l);
    const struct log_key *old = &l.authorities[0], *now = &l.authorities[1];
    struct log_entry entries[] = {
        log_number(&l, OB_CONTROL_ROTATION, old, &now->id, 50, LOG_ROTATED),
        log_number(&l, OB_CONTROL_ROTATION, now, &old->id, 60, LOG_ROTATED),
    };
    struct ob_admission *a = admission_of(&l, entries, 2);
    struct ob_machine_id authority = ob_admission_authority(a);
    assert_memory_equal(&authority, &now->id, sizeof authority);
    ob_admission_free(a);
    remove_all(&l.f);
}

static struct log_entry log_invitation(const struct log_fixture *l, const struct log_key *by,
                                       const struct log_key *key, uint64_t sequence, uint16_t uses) {
    uint8_t payload[OB_INVITATION_BYTES_MAX];
    struct ob_invitation says = {.last_round = 70, .uses = uses, .pattern = "m*"};
    struct ob_control control = {.kind = OB_CONTROL_INVITATION,
                                 .signer = by->id,
                                 .subject = key->id,
                                 .sequence = sequence,
                                 .payload = payload};
    assert_int_equal(ob_invitation_encode(&says, payload, &control.payload_bytes, NULL), OB_OK);
    return log_sign(l, &control, by->secret);
}

static struct log_entry log_admission(const struct log_fixture *l, const struct log_key *key, int chain,
                                      const char *name) {
    uint8_t payload[OB_ADMISSION_BYTES_MAX];
    struct ob_control control = {.kind = OB_CONTROL_ADMISSION,
                                 .signer = key->id,
                                 .subject = l->f.chains[chain].machine,
                                 .payload = payload};
    assert_int_equal(ob_admission_encode(name, payload, &control.payload_bytes, NULL), OB_OK);
    return log_sign(l, &control, key->secret);
}

static struct log_entry log_withdrawal(const struct log_fixture *l, const struct log_key *by,
                                       const struct log_key *key, int chain) {
    uint8_t payload[OB_WITHDRAWAL_BYTES_MAX];
    struct ob_machine_id stays = l->f.chains[chain].machine;
    struct ob_control control = {.kind = OB_CONTROL_WITHDRAWAL,
                                 .signer = by->id,
                                 .subject = key->id,
                                 .sequence = 5,
                                 .payload = payload};
    assert_int_equal(ob_withdrawal_encode(&stays, 1, payload, &control.payload_bytes, NULL), OB_OK);
    return log_sign(l, &control, by->secret);
}

/* How many of the machines belong; bit i: machine i. */
static unsigned certified(const struct ob_admission *a, const struct log_fixture *l) {
    unsigned bits = 0;
    for (int chain = 0; chain < CHAINS; chain++)
        bits |= ob_admission_of(a, &l->f.chains[chain].machine).certified ? 1u << chain : 0;
    return bits;
}

static void an_invitation_admits_its_first_in_any_order(void **state) {
    (void)state;
    struct log_fixture l;
    log_make(&l);
    const struct log_key *by = &l.authorities[0], *key = &l.stranger;
    struct log_entry entries[] = {
        log_invitation(&l, by, key, 1, 2),    log_admission(&l, key, 0, "m0"),
        log_admission(&l, key, 1, "m1"),      log_admission(&l, key, 2, "m2"),
        log_admission(&l, key, 3, "another"), /* does not fit */
    };
    unsigned first = 0, ranked = 0;
    for (int i = 0; i < 3; i++) { /* the two of the smallest rank */
        unsigned before = 0;
        struct ob_hash rank = ob_invitation_rank(&key->id, &l.f.chains[i].machine);
        for (int j = 0; j < 3; j++) {
            struct ob_hash other = ob_invitation_rank(&key->id, &l.f.chains[j].machine);
            before += memcmp(&other, &rank, sizeof rank) < 0;
        }
        ranked |= before < 2 ? 1u << i : 0;
    }
    for (size_t turn = 0; turn < 5; turn++) {
        struct ob_admission *a = admission_of(&l, entries, 5);
        first = certified(a, &l);
        assert_int_equal(first, ranked);
        for (int chain = 0; chain < 3; chain++)
            if (first >> chain & 1) {
                struct ob_standing standing = ob_admission_of(a, &l.f.chains[chain].machine);
                assert_int_equal(standing.last_round, 70);
                assert_int_equal(standing.name[1], '0' + chain);
            }
        ob_admission_free(a);
        struct log_entry front = entries[0];
        memmove(entries, entries + 1, 4 * sizeof *entries);
        entries[4] = front;
    }
    struct log_entry withdrawn[] = {
        log_withdrawal(&l, by, key, 1), entries[0], entries[1], entries[2], entries[3], entries[4]};
    struct ob_admission *a = admission_of(&l, withdrawn, 6);
    assert_int_equal(certified(a, &l), 1u << 1);
    ob_admission_free(a);
    struct log_entry lonely[] = {entries[1], entries[2]}; /* no invitation */
    a = admission_of(&l, lonely, 2);
    assert_int_equal(certified(a, &l), 0);
    ob_admission_free(a);
    remove_all(&l.f);
}

static void records_are_refused_with_a_reason(void **state) {
    (void)state;
    struct ob_standing standing = {.certified = true, .cut = 20, .last_round = 5};
    struct ob_record record = {.first = {12}, .n = 8, .round = {5}};
    assert_null(ob_standing_refuses(&standing, &record));
    record.n = 9;
    assert_non_null(strstr(ob_standing_refuses(&standing, &record), "revocation"));
    standing.forked = true;
    assert_non_null(strstr(ob_standing_refuses(&standing, &record), "fork"));
    record.n = 8, record.round.index = 6;
    assert_non_null(strstr(ob_standing_refuses(&standing, &record), "round"));
    standing.certified = false;
    assert_non_null(strstr(ob_standing_refuses(&standing, &record), "certificate"));
}

static int set_up(void **state) {
    (void)state;
    return sodium_init() < 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order_of_entries_does_not_matter),
        cmocka_unit_test(what_a_former_authority_signs_later_does_not_count),
        cmocka_unit_test(rotations_that_go_round_end),
        cmocka_unit_test(an_invitation_admits_its_first_in_any_order),
        cmocka_unit_test(records_are_refused_with_a_reason),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
