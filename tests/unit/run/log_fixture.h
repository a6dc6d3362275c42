/* log_fixture - a log with everything that can be in one: four chains (tests/unit/store/store_fixture.h), the
 * last of them cut by its owner's fork, the one before by a revocation; certificates of two authority keys; a
 * rotation; a goodbye. It holds. */
#ifndef OB_TESTS_RUN_LOG_FIXTURE_H
#define OB_TESTS_RUN_LOG_FIXTURE_H

#include "base/cursor.h"
#include "run/manifest.h"
#include "tests/unit/store/store_fixture.h"

#define LOG_RECORDS 12 /* of each chain, of LOG_SAMPLES each; what is cut is not in the log */
#define LOG_SAMPLES 4
#define LOG_KEPT    6    /* records of chains 2 and 3 that stay */
#define LOG_ROTATED 1000 /* until: what the first authority key signs from here on does not count */

struct log_key {
    struct ob_machine_id id;
    uint8_t secret[64];
};

struct log_fixture {
    struct fixture f;
    struct ob_manifest manifest;
    struct log_key authorities[2], stranger;
};

static inline struct log_key log_key_of(uint8_t seed) {
    struct log_key key;
    const uint8_t bytes[crypto_sign_SEEDBYTES] = {seed, 0x77};
    crypto_sign_seed_keypair(key.id.key, key.secret, bytes);
    return key;
}

struct log_entry {
    uint8_t data[OB_CONTROL_BYTES_MAX];
    size_t bytes;
};

static inline struct log_entry log_sign(const struct log_fixture *l, const struct ob_control *control,
                                        const uint8_t secret[static 64]) {
    struct log_entry entry;
    entry.bytes = ob_control_sign(&l->f.options.run, control, secret, entry.data);
    return entry;
}

static inline struct log_entry log_certificate(const struct log_fixture *l, const struct log_key *by,
                                               int chain, uint64_t sequence, uint32_t last_round) {
    uint8_t payload[OB_CONTROL_PLAIN_MAX];
    uint16_t bytes = 0;
    struct ob_certificate says = {.run = l->f.options.run, .last_round = last_round, .name_bytes = 2};
    says.name[0] = 'm', says.name[1] = (char)('0' + chain);
    assert_int_equal(ob_certificate_encode(&says, payload, &bytes, NULL), OB_OK);
    struct ob_control control = {.kind = OB_CONTROL_CERTIFICATE,
                                 .payload_bytes = bytes,
                                 .signer = by->id,
                                 .subject = l->f.chains[chain].machine,
                                 .sequence = sequence,
                                 .payload = payload};
    return log_sign(l, &control, by->secret);
}

/* A goodbye, revocation or rotation: one number. */
static inline struct log_entry log_number(const struct log_fixture *l, enum ob_control_kind kind,
                                          const struct log_key *by, const struct ob_machine_id *subject,
                                          uint64_t sequence, uint64_t number) {
    uint8_t payload[8];
    ob_store_u64(payload, number);
    struct ob_control control = {.kind = kind,
                                 .payload_bytes = sizeof payload,
                                 .signer = by->id,
                                 .subject = *subject,
                                 .sequence = sequence,
                                 .payload = payload};
    return log_sign(l, &control, by->secret);
}

/* Two records of a chain with the same prev: its next one, and another. The chain stays where it was. */
static inline struct log_entry log_evidence(struct log_fixture *l, int chain) {
    struct chain *c = &l->f.chains[chain], before = *c;
    uint8_t bytes[LOG_SAMPLES], signature[OB_RECORD_SIGNATURE_BYTES];
    struct ob_record one = next_record(&l->f, chain, LOG_SAMPLES), other = one;
    memcpy(bytes, one.bytes, sizeof bytes);
    bytes[0] ^= 1;
    other.bytes = bytes;
    other.signature = NULL;
    ob_record_sign(&l->f.options.run, &other, c->secret, signature);
    other.signature = signature;
    struct log_entry entry;
    entry.bytes = ob_evidence_encode(&one, &other, entry.data);
    assert_true(entry.bytes > 0);
    c->next = before.next, c->round = before.round, c->head = before.head;
    return entry;
}

static inline void log_put(struct ob_store *store, const struct log_entry *entry) {
    struct ob_control control;
    assert_int_equal(ob_control_decode(entry->data, entry->bytes, &control, NULL), OB_OK);
    assert_int_equal(ob_store_control(store, &control, entry->data, entry->bytes, NULL), OB_OK);
}

/* Entries of a log that holds, in no particular order; returns how many. */
#define LOG_ENTRIES 9
static inline size_t log_entries(struct log_fixture *l, struct log_entry entries[LOG_ENTRIES]) {
    const struct log_key *old = &l->authorities[0], *now = &l->authorities[1];
    struct log_key third = {.id = l->f.chains[3].machine};
    memcpy(third.secret, l->f.chains[3].secret, sizeof third.secret);
    struct log_key second = {.id = l->f.chains[1].machine};
    memcpy(second.secret, l->f.chains[1].secret, sizeof second.secret);
    entries[0] = log_certificate(l, old, 0, 10, OB_CONTROL_NEVER);
    entries[1] = log_certificate(l, old, 1, 11, 3); /* replaced by the next: its last round is no limit */
    entries[2] = log_certificate(l, now, 1, 5, OB_CONTROL_NEVER);
    entries[3] = log_certificate(l, old, 2, 12, OB_CONTROL_NEVER);
    entries[4] = log_certificate(l, now, 3, 6, OB_CONTROL_NEVER);
    entries[5] = log_number(l, OB_CONTROL_ROTATION, old, &now->id, 50, LOG_ROTATED);
    entries[6] =
        log_number(l, OB_CONTROL_REVOCATION, now, &l->f.chains[2].machine, 7, LOG_KEPT * LOG_SAMPLES);
    entries[7] = log_evidence(l, 3);
    entries[8] = log_number(l, OB_CONTROL_GOODBYE, &second, &second.id, 3, LOG_RECORDS * LOG_SAMPLES);
    return LOG_ENTRIES;
}

static inline void log_make(struct log_fixture *l) {
    memset(l, 0, sizeof *l);
    make(&l->f);
    l->authorities[0] = log_key_of(1);
    l->authorities[1] = log_key_of(2);
    l->stranger = log_key_of(3);
    l->manifest.run = l->f.options.run;
    l->manifest.bounds = l->f.options.bounds;
    l->manifest.authority = l->authorities[0].id;
}

/* Puts the chains and the entries into the store of the folder. */
static inline void log_fill(struct log_fixture *l) {
    struct log_entry entries[LOG_ENTRIES];
    struct ob_store *store = open_store(&l->f);
    for (int i = 0; i < LOG_RECORDS; i++)
        for (int chain = 0; chain < CHAINS; chain++)
            if (chain < 2 || i < LOG_KEPT)
                put_other(&l->f, store, chain, LOG_SAMPLES);
    size_t count = log_entries(l, entries);
    for (size_t i = 0; i < count; i++)
        log_put(store, &entries[i]);
    ob_store_close(store);
}

#endif
