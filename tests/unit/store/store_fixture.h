/* store_fixture - a state directory, and records of some machines that chain as real ones do. */
#ifndef OB_TESTS_STORE_FIXTURE_H
#define OB_TESTS_STORE_FIXTURE_H

#include <sodium.h>
#include <sqlite3.h>
#include <string.h>

#include "store/row.h"
#include "store/store.h"
#include "tests/support/folder.h"

#define CHAINS 4

struct chain {
    struct ob_machine_id machine;
    uint64_t next;
    uint32_t round;
    struct ob_hash head;
    uint8_t bytes[OB_SAMPLES_PER_ROUND_MAX], signature[64], secret[64];
};

struct fixture {
    struct test_folder folder;
    struct ob_store_options options;
    struct chain chains[CHAINS]; /* 0 is the store's own machine */
};

/* In f->folder, which exists. */
static inline void make_in_folder(struct fixture *f) {
    for (uint8_t i = 0; i < CHAINS; i++) {
        const uint8_t seed[crypto_sign_SEEDBYTES] = {i};
        crypto_sign_seed_keypair(f->chains[i].machine.key, f->chains[i].secret, seed);
    }
    f->options = (struct ob_store_options){
        .state_dir = f->folder.path,
        .run = {{{9}}},
        .bounds = {.max_rounds = 1 << 20,
                   .max_machines = 8,
                   .samples_per_round = 256,
                   .exponent_min = -4,
                   .exponent_max = 4,
                   .profiles = 1},
        .machine = &f->chains[0].machine,
    };
}

static inline void make(struct fixture *f) {
    memset(f, 0, sizeof *f);
    test_folder_make(&f->folder);
    make_in_folder(f);
}

static inline void remove_all(struct fixture *f) {
    test_folder_remove(&f->folder);
}

static inline struct ob_store *open_store(struct fixture *f) {
    struct ob_store *store = NULL;
    struct ob_error error = {0};
    if (ob_store_open(&f->options, &store, &error))
        fail_msg("%s", error.text);
    return store;
}

static inline sqlite3 *open_file(const struct fixture *f) {
    char path[TEST_PATH_MAX];
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(test_folder_path(&f->folder, "log.sqlite", path), &db), SQLITE_OK);
    return db;
}

/* As an editor of the file would: the store is closed. */
static inline void execute(struct fixture *f, const char *sql) {
    char *why = NULL;
    sqlite3 *db = open_file(f);
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql, why);
    sqlite3_close(db);
}

enum forgery { FORGE_BYTE, FORGE_LIVE, FORGE_SIGNATURE };

/* Changes a row as somebody would who knows the format: its check is made right again. */
static inline void forge(const struct fixture *f, int chain, uint64_t first, enum forgery what) {
    static const char SELECT[] =
        "SELECT data FROM record JOIN machine ON machine = number WHERE key = ? AND first = ?";
    static const char UPDATE[] =
        "UPDATE record SET data = ? WHERE first = ? AND machine = (SELECT number FROM "
        "machine WHERE key = ?)";
    const struct ob_machine_id *machine = &f->chains[chain].machine;
    uint8_t bytes[OB_SAMPLES_PER_ROUND_MAX], signature[OB_RECORD_SIGNATURE_BYTES],
        data[OB_STORE_ROW_BYTES_MAX];
    struct ob_store_row row;
    sqlite3_stmt *query = NULL;
    sqlite3 *db = open_file(f);
    assert_int_equal(sqlite3_prepare_v2(db, SELECT, -1, &query, NULL), SQLITE_OK);
    sqlite3_bind_blob(query, 1, machine->key, OB_KEY_BYTES, SQLITE_STATIC);
    sqlite3_bind_int64(query, 2, (int64_t)first);
    assert_int_equal(sqlite3_step(query), SQLITE_ROW);
    assert_int_equal(ob_store_row_decode(machine, (struct ob_sample){first}, sqlite3_column_blob(query, 0),
                                         (size_t)sqlite3_column_bytes(query, 0), &row, NULL),
                     OB_OK);
    memcpy(bytes, row.record.bytes, row.record.n);
    memcpy(signature, row.record.signature, sizeof signature);
    sqlite3_finalize(query);
    row.record.bytes = bytes;
    row.record.signature = signature;
    bytes[0] ^= what == FORGE_BYTE;
    signature[5] ^= what == FORGE_SIGNATURE;
    row.record.live = (uint16_t)(row.record.live ^ (what == FORGE_LIVE ? 1 : 0));
    size_t size = ob_store_row_encode(&row.record, row.has_prev, data);
    assert_int_equal(sqlite3_prepare_v2(db, UPDATE, -1, &query, NULL), SQLITE_OK);
    sqlite3_bind_blob(query, 1, data, (int)size, SQLITE_STATIC);
    sqlite3_bind_int64(query, 2, (int64_t)first);
    sqlite3_bind_blob(query, 3, machine->key, OB_KEY_BYTES, SQLITE_STATIC);
    assert_int_equal(sqlite3_step(query), SQLITE_DONE);
    assert_int_equal(sqlite3_changes(db), 1);
    sqlite3_finalize(query);
    sqlite3_close(db);
}

/* The next record of a chain; it stays valid until the next one is made. */
static inline struct ob_record next_record(struct fixture *f, int chain, uint16_t n) {
    struct chain *c = &f->chains[chain];
    randombytes_buf_deterministic(c->bytes, n, c->head.bytes);
    struct ob_record record = {.machine = c->machine,
                               .first = {c->next},
                               .round = {c->round},
                               .live = 3,
                               .n = n,
                               .exponent = -1,
                               .prev = c->head,
                               .bytes = c->bytes};
    ob_record_sign(&f->options.run, &record, c->secret, c->signature);
    record.signature = c->signature;
    c->next += n;
    c->round += 2;
    c->head = ob_record_hash(&f->options.run, &record);
    return record;
}

static inline void begin_again(struct fixture *f, int chain) {
    struct chain *c = &f->chains[chain];
    c->next = 0, c->round = 0;
    memset(&c->head, 0, sizeof c->head);
}

static inline void put_other(struct fixture *f, struct ob_store *store, int chain, uint16_t n) {
    struct ob_record record = next_record(f, chain, n);
    assert_int_equal(ob_store_other(store, &record, NULL), OB_OK);
}

static inline void put_own(struct fixture *f, struct ob_store *store, uint16_t n) {
    struct ob_record record = next_record(f, 0, n);
    assert_int_equal(ob_store_own(store, &record, NULL), OB_OK);
}

/* Ends of the chains as they are read back. */
struct reading {
    struct fixture *fixture;
    uint64_t records;
    struct ob_hash head[CHAINS];
    uint64_t next[CHAINS];
    uint64_t first; /* of the first record that was seen */
};

static inline enum ob_err read_one(void *context, const struct ob_record *record, struct ob_error *error) {
    (void)error;
    struct reading *reading = context;
    for (int i = 0; i < CHAINS; i++)
        if (ob_machine_equal(&reading->fixture->chains[i].machine, &record->machine)) {
            reading->head[i] = ob_record_hash(&reading->fixture->options.run, record);
            reading->next[i] = record->first.index + record->n;
        }
    if (reading->records++ == 0)
        reading->first = record->first.index;
    return OB_OK;
}

/* All chains are there, bit for bit. */
static inline void assert_complete(struct fixture *f, struct ob_store *store) {
    struct reading reading = {.fixture = f};
    assert_int_equal(ob_store_each(store, read_one, &reading, NULL), OB_OK);
    for (int i = 0; i < CHAINS; i++) {
        assert_int_equal(reading.next[i], f->chains[i].next);
        assert_memory_equal(&reading.head[i], &f->chains[i].head, sizeof(struct ob_hash));
    }
}

#endif
