/* Deltas: what is written is the layout of run/delta.h, encoded here once more; and whatever is wrong in
 * one, with a right hash over it, is refused with the file's name and what it is. */
#include "tests/unit/cmocka_all.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/hex.h"
#include "record/hash.h"
#include "run/delta.h"
#include "run/delta_format.h"
#include "tests/support/folder.h"
#include "tests/support/progress.h"

#define MACHINES     2
#define RECORDS      3 /* of each */
#define SAMPLES      5 /* of each record */
#define DELTA_MAX    8192
#define ENTRIES_MAX  8
#define RECORD_BYTES (OB_DELTA_RECORD_BYTES + SAMPLES)
#define CHAIN_BYTES  (OB_KEY_BYTES + 4 + RECORDS * RECORD_BYTES)

/* %s: the authority. */
static const char MANIFEST_FORMAT[] =
    "{\"format\":\"onebyte-manifest-1\",\"name\":\"d\","
    "\"nonce\":\"00000000000000000000000000000000000000000000000000000000000000aa\","
    "\"authority\":\"%s\","
    "\"base_hash\":\"00000000000000000000000000000000000000000000000000000000000000cc\","
    "\"direction\":{\"distribution\":\"rademacher\",\"epsilon\":0.001},"
    "\"byte\":{\"c0\":96,\"code_max\":120,\"exponent_min\":-2,\"exponent_max\":2},"
    "\"update\":{\"combine\":\"sum\",\"s0\":1,\"rounds_per_rate\":1,\"rates_q48\":[5]},"
    "\"bounds\":{\"max_rounds\":50,\"max_machines\":4,\"samples_per_round\":8},"
    "\"tensors\":[{\"name\":\"t\",\"shape\":[3],\"exponent\":26,\"log2_scale\":0}]}";

static char MANIFEST[sizeof MANIFEST_FORMAT + OB_HEX_HASH_MAX];
static size_t manifest_bytes;

struct key {
    struct ob_machine_id machine;
    uint8_t secret[64];
};

struct one {
    struct ob_record record;
    uint8_t bytes[SAMPLES], signature[64];
};

/* A delta and what it is made of. */
struct sample {
    struct ob_run_id run;
    struct key keys[MACHINES], authority, stranger; /* keys in ascending order */
    struct one records[MACHINES][RECORDS];
    struct entry {
        uint8_t data[512];
        size_t bytes;
    } entries[ENTRIES_MAX];
    size_t entry_count;
    uint8_t data[DELTA_MAX];
    size_t bytes, controls_at, chains_at;
};

static struct key key_of(uint8_t seed) {
    struct key key;
    uint8_t seeds[32] = {seed};
    assert_int_equal(crypto_sign_seed_keypair(key.machine.key, key.secret, seeds), 0);
    return key;
}

/* Records of a machine in rounds 1, 3, 5 or in those that are given. */
static void make_chain(struct sample *s, size_t machine, const uint32_t rounds[RECORDS]) {
    struct ob_hash prev = {{0}};
    for (uint32_t i = 0; i < RECORDS; i++) {
        struct one *one = &s->records[machine][i];
        memset(one->bytes, (int)(0x40 + 16 * machine + i), SAMPLES);
        one->record = (struct ob_record){.machine = s->keys[machine].machine,
                                         .first = {i * (uint64_t)SAMPLES},
                                         .round = {rounds ? rounds[i] : 1 + 2 * i},
                                         .live = 2,
                                         .n = SAMPLES,
                                         .exponent = -1,
                                         .prev = prev,
                                         .bytes = one->bytes};
        ob_record_sign(&s->run, &one->record, s->keys[machine].secret, one->signature);
        one->record.signature = one->signature;
        prev = ob_record_hash(&s->run, &one->record);
    }
}

static void add_entry(struct sample *s, const struct ob_control *control, const struct key *signer) {
    assert_true(s->entry_count < ENTRIES_MAX);
    struct entry *entry = &s->entries[s->entry_count++];
    entry->bytes = ob_control_sign(&s->run, control, signer->secret, entry->data);
}

/* An entry with one number as its payload: goodbye, revocation, rotation. */
static void add_number(struct sample *s, enum ob_control_kind kind, const struct key *signer,
                       const struct ob_machine_id *subject, uint64_t number) {
    uint8_t payload[8];
    ob_store_u64(payload, number);
    struct ob_control control = {.kind = kind,
                                 .payload_bytes = sizeof payload,
                                 .signer = signer->machine,
                                 .subject = *subject,
                                 .sequence = 1,
                                 .payload = payload};
    add_entry(s, &control, signer);
}

static void add_certificate(struct sample *s, const struct key *signer, size_t machine, uint32_t last_round) {
    uint8_t payload[OB_CONTROL_PLAIN_MAX];
    uint16_t bytes = 0;
    struct ob_certificate says = {.run = s->run, .last_round = last_round, .name_bytes = 5, .name = "alice"};
    assert_int_equal(ob_certificate_encode(&says, payload, &bytes, NULL), OB_OK);
    struct ob_control control = {.kind = OB_CONTROL_CERTIFICATE,
                                 .payload_bytes = bytes,
                                 .signer = signer->machine,
                                 .subject = s->keys[machine].machine,
                                 .sequence = 1,
                                 .payload = payload};
    add_entry(s, &control, signer);
}

#define ALL (RECORDS * (uint64_t)SAMPLES)

/* Two machines that were admitted; a revocation that takes nothing away which is there. */
static void add_entries(struct sample *s) {
    s->entry_count = 0;
    add_certificate(s, &s->authority, 0, OB_CONTROL_NEVER);
    add_number(s, OB_CONTROL_REVOCATION, &s->authority, &s->keys[0].machine, ALL);
    add_certificate(s, &s->authority, 1, OB_CONTROL_NEVER);
}

static void seal(struct sample *s, size_t body) {
    struct ob_hash hash = ob_hash_of(s->data, body);
    memcpy(s->data + body, hash.bytes, OB_HASH_BYTES);
    s->bytes = body + OB_HASH_BYTES;
}

static void encode(struct sample *s) {
    struct ob_writer out = ob_writer_init(s->data, sizeof s->data - OB_HASH_BYTES);
    uint8_t digest[OB_HASH_BYTES];
    memset(digest, 0xdd, sizeof digest);
    ob_write_bytes(&out, "onebyte-delta-2\n", 16);
    ob_write_u32(&out, (uint32_t)manifest_bytes);
    ob_write_u32(&out, (uint32_t)s->entry_count);
    ob_write_u32(&out, MACHINES);
    ob_write_u32(&out, 0);
    ob_write_u64(&out, (uint64_t)MACHINES * RECORDS * SAMPLES);
    ob_write_bytes(&out, digest, sizeof digest);
    ob_write_bytes(&out, MANIFEST, manifest_bytes);
    s->controls_at = out.used;
    for (size_t i = 0; i < s->entry_count; i++) {
        ob_write_u16(&out, (uint16_t)s->entries[i].bytes);
        ob_write_bytes(&out, s->entries[i].data, s->entries[i].bytes);
    }
    s->chains_at = out.used;
    for (size_t m = 0; m < MACHINES; m++) {
        ob_write_bytes(&out, s->keys[m].machine.key, OB_KEY_BYTES);
        ob_write_u32(&out, RECORDS);
        for (size_t i = 0; i < RECORDS; i++) {
            const struct ob_record *record = &s->records[m][i].record;
            ob_write_u32(&out, record->round.index);
            ob_write_u16(&out, record->live);
            ob_write_u16(&out, record->n);
            ob_write_u8(&out, (uint8_t)record->exponent);
            ob_write_u8(&out, record->profile);
            ob_write_bytes(&out, record->bytes, record->n);
            ob_write_bytes(&out, record->signature, 64);
        }
    }
    assert_false(out.failed);
    seal(s, out.used);
}

static struct sample *make(void) {
    struct sample *s = calloc(1, sizeof *s);
    assert_non_null(s);
    assert_true(sodium_init() >= 0);
    s->authority = key_of(3);
    s->stranger = key_of(4);
    char authority[OB_HEX_HASH_MAX];
    ob_hex_encode(s->authority.machine.key, OB_KEY_BYTES, authority);
    manifest_bytes = (size_t)snprintf(MANIFEST, sizeof MANIFEST, MANIFEST_FORMAT, authority);
    s->run.hash = ob_hash_of(MANIFEST, manifest_bytes);
    s->keys[0] = key_of(1);
    s->keys[1] = key_of(2);
    if (ob_machine_compare(&s->keys[0].machine, &s->keys[1].machine) > 0) {
        s->keys[0] = key_of(2);
        s->keys[1] = key_of(1);
    }
    add_entries(s);
    for (size_t m = 0; m < MACHINES; m++)
        make_chain(s, m, NULL);
    encode(s);
    return s;
}

static void must_refuse(struct sample *s, enum ob_err code, const char *message) {
    struct ob_delta *delta = NULL;
    struct ob_error error = {0};
    enum ob_err failed = ob_delta_parse(s->data, s->bytes, "some/run.delta", NULL, &delta, &error);
    if (failed != code || delta || !strstr(error.text, message) ||
        strncmp(error.text, "some/run.delta: ", 16) != 0)
        fail_msg("got %d \"%s\", expected %d and \"%s\"", (int)failed, error.text, (int)code, message);
    free(s);
}

struct walk {
    const struct sample *sample;
    size_t seen;
};

static enum ob_err compare(void *context, const struct ob_record *record, struct ob_error *error) {
    (void)error;
    struct walk *walk = context;
    const struct ob_record *expected =
        &walk->sample->records[walk->seen / RECORDS][walk->seen % RECORDS].record;
    struct ob_hash ours = ob_record_hash(&walk->sample->run, record);
    struct ob_hash theirs = ob_record_hash(&walk->sample->run, expected);
    assert_true(ob_hash_equal(&ours, &theirs));
    walk->seen++;
    return OB_OK;
}

static void parse_gives_back_every_record(void **state) {
    (void)state;
    struct sample *s = make();
    struct ob_delta *delta = NULL;
    struct ob_error error = {0};
    struct walk walk = {.sample = s};
    if (ob_delta_parse(s->data, s->bytes, "x", NULL, &delta, &error))
        fail_msg("%s", error.text);
    assert_int_equal(delta->records, MACHINES * RECORDS);
    assert_int_equal(delta->samples, MACHINES * RECORDS * SAMPLES);
    assert_memory_equal(delta->digest.bytes, s->data + 40, OB_HASH_BYTES);
    assert_int_equal(ob_delta_each(delta, compare, &walk, NULL), OB_OK);
    assert_int_equal(walk.seen, MACHINES * RECORDS);
    ob_delta_free(delta);
    free(s);
}

static void put_all(struct sample *s, struct ob_store *store) {
    struct ob_control control;
    for (size_t m = 0; m < MACHINES; m++)
        for (size_t i = 0; i < RECORDS; i++)
            assert_int_equal(m ? ob_store_other(store, &s->records[m][i].record, NULL)
                               : ob_store_own(store, &s->records[m][i].record, NULL),
                             OB_OK);
    /* these decide nothing, or do not count: they stay out */
    add_number(s, OB_CONTROL_GOODBYE, &s->keys[0], &s->keys[0].machine, ALL);
    add_number(s, OB_CONTROL_REVOCATION, &s->stranger, &s->keys[1].machine, 0);
    for (size_t i = s->entry_count; i-- > 0;) {
        assert_int_equal(ob_control_decode(s->entries[i].data, s->entries[i].bytes, &control, NULL), OB_OK);
        assert_int_equal(ob_store_control(store, &control, s->entries[i].data, s->entries[i].bytes, NULL),
                         OB_OK);
    }
    assert_int_equal(ob_store_flush(store, NULL), OB_OK);
}

static void write_is_the_documented_layout(void **state) {
    (void)state;
    struct sample *s = make();
    struct ob_manifest *manifest = NULL;
    struct ob_store *store = NULL;
    struct ob_error error = {0};
    struct ob_hash digest;
    struct test_folder folder;
    char path[TEST_PATH_MAX];
    size_t bytes = 0;
    memset(digest.bytes, 0xdd, OB_HASH_BYTES);
    test_folder_make(&folder);
    test_folder_path(&folder, "run.delta", path);
    assert_int_equal(ob_manifest_parse(MANIFEST, manifest_bytes, "x", &manifest, NULL), OB_OK);
    struct ob_store_options options = {
        .state_dir = folder.path, .run = s->run, .bounds = manifest->bounds, .machine = &s->keys[0].machine};
    assert_int_equal(ob_store_open(&options, &store, NULL), OB_OK);
    put_all(s, store);
    if (ob_delta_write(path, manifest, store, &digest, NULL, &error))
        fail_msg("%s", error.text);
    char *written = test_file_read(path, &bytes);
    assert_int_equal(bytes, s->bytes);
    assert_memory_equal(written, s->data, s->bytes);
    free(written);
    assert_int_equal(ob_delta_write(path, manifest, store, &digest, NULL, &error), OB_EBUSY);
    assert_non_null(strstr(error.text, path));
    assert_int_equal(truncate(path, (off_t)OB_DELTA_BYTES_MAX + 1), 0);
    struct ob_delta *delta = NULL;
    assert_int_equal(ob_delta_open(path, NULL, &delta, &error), OB_ETOOBIG);
    assert_non_null(strstr(error.text, path));
    ob_store_close(store);
    ob_manifest_free(manifest);
    test_folder_remove(&folder);
    free(s);
}

/* Cut short anywhere, with a hash over what is left. */
static void parse_refuses_every_cut(void **state) {
    (void)state;
    struct sample *whole = make();
    for (size_t body = 0; body < whole->bytes - OB_HASH_BYTES; body++) {
        struct ob_delta *delta = NULL;
        struct ob_error error = {0};
        struct sample *s = make();
        seal(s, body);
        if (ob_delta_parse(s->data, s->bytes, "some/run.delta", NULL, &delta, &error) == OB_OK ||
            strncmp(error.text, "some/run.delta: ", 16) != 0)
            fail_msg("cut at %zu: \"%s\"", body, error.text);
        free(s);
    }
    free(whole);
}

/* Every single byte of a delta matters, whatever the hash says: but for the digest of the result and what
 * nobody needs to look at in the manifest, a change is refused. */
static void parse_refuses_every_changed_byte_of_a_chain(void **state) {
    (void)state;
    struct sample *whole = make();
    for (size_t at = whole->controls_at; at < whole->bytes - OB_HASH_BYTES; at++) {
        struct ob_delta *delta = NULL;
        struct sample *s = make();
        s->data[at] ^= 1;
        seal(s, s->bytes - OB_HASH_BYTES);
        if (ob_delta_parse(s->data, s->bytes, "x", NULL, &delta, NULL) == OB_OK)
            fail_msg("byte %zu (chains begin at %zu) may be another one", at, s->chains_at);
        free(s);
    }
    free(whole);
}

enum origin { HEADER, CONTROLS, CHAINS, RECORD_1, CHAIN_2 };

/* A field of `bytes` bytes at `at` from its origin becomes `value`. */
static const struct {
    enum origin origin;
    size_t at, bytes;
    uint64_t value;
    enum ob_err code;
    const char *message;
} FIELDS[] = {
    {HEADER, 3, 1, '0', OB_EFORMAT, "not a onebyte delta"},
    {HEADER, 14, 1, '1', OB_EUNSUPPORTED, "delta has format onebyte-delta-1, this version reads format 2"},
    {HEADER, 28, 4, 1, OB_EFORMAT, "written by a later version (a reserved field is not 0)"},
    {HEADER, 16, 4, 0xffffffff, OB_EFORMAT, "truncated within the manifest"},
    {HEADER, 16, 4, 100, OB_EFORMAT, "line 1: "},
    {HEADER, 20, 4, 0xffffffff, OB_EFORMAT, "truncated within the control entries"},
    {HEADER, 20, 4, 300, OB_EFORMAT, "truncated within a control entry"},
    {HEADER, 24, 4, 1, OB_EFORMAT, "bytes follow the last record"},
    {HEADER, 24, 4, 3, OB_EFORMAT, "chains are empty, truncated or not in order"},
    {HEADER, 32, 8, 31, OB_EFORMAT, "number of samples does not match the header"},
    {CONTROLS, 0, 2, 0xffff, OB_EFORMAT, "truncated within a control entry"},
    {CONTROLS, 0, 2, 100, OB_EFORMAT, "control: 100 bytes, expected 140 + payload"},
    {CONTROLS, 2, 1, 77, OB_EUNSUPPORTED, "control: unknown kind 77; a newer version may know it"},
    {CONTROLS, 2 + 68, 8, 2, OB_EREFUSED, "control: a control entry's signature does not verify"},
    {CHAINS, 32, 4, 0, OB_EFORMAT, "chains are empty, truncated or not in order"},
    {CHAINS, 32, 4, 99, OB_EFORMAT, "record"},
    {CHAIN_2, 0, 8, 0, OB_EFORMAT, "chains are empty, truncated or not in order"},
    {CHAINS, 0, 1, 0, OB_EREFUSED, "the signature of the record at sample 0 is not its machine's"},
    {RECORD_1, 0, 4, 2, OB_EREFUSED, "the signature of the record at sample 5 is not its machine's"},
    {RECORD_1, 0, 4, 50, OB_ETOOBIG, "record: round is 50, the run ends before 50"},
    {RECORD_1, 4, 2, 0, OB_ETOOBIG, "record: live is 0, must be 1 to 4"},
    {RECORD_1, 6, 2, 0, OB_EFORMAT, "a record has 0 samples"},
    {RECORD_1, 6, 2, 4000, OB_EFORMAT, "truncated within a record"},
    {RECORD_1, 8, 1, 3, OB_ETOOBIG, "record: exponent is 3, must be -2 to 2"},
    {RECORD_1, 9, 1, 1, OB_ETOOBIG, "record: profile is 1, the run has 1"},
    {RECORD_1, 10, 1, 0, OB_EREFUSED, "the signature of the record at sample 5 is not its machine's"},
    {RECORD_1, 10 + SAMPLES, 8, 0, OB_EREFUSED, "the signature of the record at sample 5"},
};

static void parse_refuses_fields_by_name(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof FIELDS / sizeof *FIELDS; i++) {
        struct sample *s = make();
        const size_t origins[] = {0, s->controls_at, s->chains_at,
                                  s->chains_at + OB_KEY_BYTES + 4 + RECORD_BYTES, s->chains_at + CHAIN_BYTES};
        uint8_t value[8];
        ob_store_u64(value, FIELDS[i].value);
        memcpy(s->data + origins[FIELDS[i].origin] + FIELDS[i].at, value, FIELDS[i].bytes);
        seal(s, s->bytes - OB_HASH_BYTES);
        must_refuse(s, FIELDS[i].code, FIELDS[i].message);
    }
}

static void parse_refuses_another_hash(void **state) {
    (void)state;
    struct sample *s = make();
    s->data[s->bytes - 1] ^= 1;
    must_refuse(s, OB_EFORMAT, "damaged: hash mismatch");
    s = make();
    s->bytes = OB_DELTA_HEADER_BYTES;
    must_refuse(s, OB_EFORMAT, "not a onebyte delta");
}

/* All of these are well signed: who holds a key cannot make a delta that a peer would not make of its log. */
static void parse_refuses_what_no_log_holds(void **state) {
    (void)state;
    struct sample *s = make();
    make_chain(s, 1, (const uint32_t[]){1, 3, 3});
    encode(s);
    must_refuse(s, OB_EFORMAT, "round 3 follows round 3");
    s = make(); /* the same chain twice */
    memcpy(s->data + s->chains_at + CHAIN_BYTES, s->data + s->chains_at, CHAIN_BYTES);
    seal(s, s->bytes - OB_HASH_BYTES);
    must_refuse(s, OB_EFORMAT, "chains are empty, truncated or not in order");
    s = make(); /* two records of a chain change places */
    struct one swapped = s->records[0][1];
    s->records[0][1] = s->records[0][2];
    s->records[0][2] = swapped;
    for (size_t i = 1; i < RECORDS; i++) {
        s->records[0][i].record.bytes = s->records[0][i].bytes;
        s->records[0][i].record.signature = s->records[0][i].signature;
    }
    encode(s);
    must_refuse(s, OB_EREFUSED, "the signature of the record at sample 5 is not its machine's");
}

/* ---- whose records are these? ---- */

static struct sample *begin(void) {
    struct sample *s = make();
    s->entry_count = 0;
    return s;
}

static void parse_refuses_machines_that_were_never_admitted(void **state) {
    (void)state;
    struct sample *s = begin();
    encode(s);
    must_refuse(s, OB_EREFUSED, "does not count: the machine has no certificate of the run's authority");
    s = begin();
    add_certificate(s, &s->authority, 0, OB_CONTROL_NEVER);
    encode(s);
    must_refuse(s, OB_EREFUSED, "at sample 0 does not count: the machine has no certificate");
    s = begin();
    add_certificate(s, &s->authority, 0, OB_CONTROL_NEVER);
    add_certificate(s, &s->stranger, 1, OB_CONTROL_NEVER);
    encode(s);
    must_refuse(s, OB_EREFUSED, "the run's authority did not sign it");
    s = begin();
    add_certificate(s, &s->authority, 0, OB_CONTROL_NEVER);
    add_certificate(s, &s->authority, 1, 4);
    encode(s);
    must_refuse(s, OB_EREFUSED,
                "at sample 10 does not count: its round is later than the certificate allows");
}

static void parse_refuses_cuts_and_what_is_above_them(void **state) {
    (void)state;
    struct sample *s = begin();
    add_certificate(s, &s->authority, 0, OB_CONTROL_NEVER);
    add_number(s, OB_CONTROL_REVOCATION, &s->authority, &s->keys[0].machine, ALL - 1);
    add_certificate(s, &s->authority, 1, OB_CONTROL_NEVER);
    encode(s);
    must_refuse(s, OB_EREFUSED, "at sample 10 does not count: it is above the cut of a revocation");
    s = begin(); /* a stranger's does not take anything away, and has no place here */
    add_certificate(s, &s->authority, 0, OB_CONTROL_NEVER);
    add_number(s, OB_CONTROL_REVOCATION, &s->stranger, &s->keys[0].machine, ALL);
    add_certificate(s, &s->authority, 1, OB_CONTROL_NEVER);
    encode(s);
    must_refuse(s, OB_EREFUSED, "the run's authority did not sign it");
}

static void parse_refuses_entries_in_another_order_or_of_no_use(void **state) {
    (void)state;
    struct sample *s = begin();
    add_certificate(s, &s->authority, 1, OB_CONTROL_NEVER);
    add_certificate(s, &s->authority, 0, OB_CONTROL_NEVER);
    encode(s);
    must_refuse(s, OB_EFORMAT, "control entries are not in order");
    s = begin();
    add_certificate(s, &s->authority, 0, OB_CONTROL_NEVER);
    add_certificate(s, &s->authority, 1, OB_CONTROL_NEVER);
    add_certificate(s, &s->authority, 1, OB_CONTROL_NEVER);
    encode(s);
    must_refuse(s, OB_EFORMAT, "control entries are not in order");
    s = begin();
    add_number(s, OB_CONTROL_GOODBYE, &s->keys[0], &s->keys[0].machine, ALL);
    add_certificate(s, &s->authority, 0, OB_CONTROL_NEVER);
    add_certificate(s, &s->authority, 1, OB_CONTROL_NEVER);
    encode(s);
    must_refuse(s, OB_EFORMAT, "contains a control entry that decides nothing about records");
}

/* The rotation's place is its signer's; which of the three keys comes first depends on the seeds. */
static void parse_follows_a_rotation(void **state) {
    (void)state;
    for (int with = 0; with < 2; with++) {
        struct sample *s = begin();
        struct ob_delta *delta = NULL;
        struct ob_error error = {0};
        const struct ob_machine_id *owners[] = {&s->authority.machine, &s->keys[0].machine,
                                                &s->keys[1].machine};
        for (int turn = 0; turn < 3; turn++) { /* ascending */
            size_t least = 0;
            for (size_t i = 1; i < 3; i++)
                if (owners[i] && (!owners[least] || ob_machine_compare(owners[i], owners[least]) < 0))
                    least = i;
            if (least == 0 && with)
                add_number(s, OB_CONTROL_ROTATION, &s->authority, &s->stranger.machine, 100);
            else if (least > 0)
                add_certificate(s, least == 1 ? &s->authority : &s->stranger, least - 1, OB_CONTROL_NEVER);
            owners[least] = NULL;
        }
        encode(s);
        if (!with) {
            must_refuse(s, OB_EREFUSED, "the run's authority did not sign it");
            continue;
        }
        if (ob_delta_parse(s->data, s->bytes, "x", NULL, &delta, &error))
            fail_msg("%s", error.text);
        assert_string_equal(ob_admission_of(delta->admission, &s->keys[1].machine).name, "alice");
        ob_delta_free(delta);
        free(s);
    }
}

static void parse_tells_how_far_it_is_and_ends_when_asked(void **state) {
    (void)state;
    struct sample *s = make();
    struct ob_delta *delta = NULL;
    struct ob_error error = {0};
    struct test_progress told = {0};
    struct ob_progress_callback progress = {test_progress_tell, &told};
    assert_int_equal(ob_delta_parse(s->data, s->bytes, "x", &progress, &delta, NULL), OB_OK);
    assert_true(told.calls == MACHINES * RECORDS && told.size == s->bytes && !told.wrong);
    ob_delta_free(delta);
    delta = NULL;
    told = (struct test_progress){.end_at = "verifying the delta"};
    assert_int_equal(ob_delta_parse(s->data, s->bytes, "x", &progress, &delta, &error), OB_ESTATE);
    assert_null(delta);
    assert_int_equal(told.calls, 1);
    free(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_gives_back_every_record),
        cmocka_unit_test(write_is_the_documented_layout),
        cmocka_unit_test(parse_refuses_every_cut),
        cmocka_unit_test(parse_refuses_every_changed_byte_of_a_chain),
        cmocka_unit_test(parse_refuses_fields_by_name),
        cmocka_unit_test(parse_refuses_another_hash),
        cmocka_unit_test(parse_refuses_what_no_log_holds),
        cmocka_unit_test(parse_refuses_machines_that_were_never_admitted),
        cmocka_unit_test(parse_refuses_cuts_and_what_is_above_them),
        cmocka_unit_test(parse_refuses_entries_in_another_order_or_of_no_use),
        cmocka_unit_test(parse_follows_a_rotation),
        cmocka_unit_test(parse_tells_how_far_it_is_and_ends_when_asked),
    };
    return cmocka_run_group_tests_name("delta", tests, NULL, NULL);
}
