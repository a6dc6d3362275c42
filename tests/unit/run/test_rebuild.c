/* Weights made again: as they were below some records, and as base and log say they ought to be; for a whole
 * model, for some of its tensors and for adapters. */
#include "model/convert/open_model.h"
#include "tests/unit/cmocka_all.h"

#include "record/sign.h"
#include "run/manifest_create.h"
#include "run/rebuild.h"
#include "spsa/memory_check.h"
#include "tests/unit/store/store_fixture.h"

#define BASE    OB_SOURCE_ROOT "/examples/kjv-1m"
#define RECORDS 24

enum kind { WHOLE, SOME, ADAPTERS, KINDS };

struct place {
    struct fixture fixture;
    struct ob_manifest *manifest;
    struct ob_replica *replica;
    struct ob_store *store;
    struct ob_updates later; /* the last records of each chain */
    struct ob_hash below;    /* the digest without them */
    uint32_t later_round;
    size_t leaves;
};

/* Records of one machine, signed, into the store and the weights. */
static void train(struct place *p, int records, struct ob_updates *copies) {
    for (int i = 0; i < records; i++) {
        struct ob_record record = next_record(&p->fixture, 0, 8);
        struct ob_spsa_update update = ob_update_of(&record);
        assert_int_equal(ob_store_other(p->store, &record, NULL), OB_OK);
        assert_int_equal(ob_replica_apply(p->replica, &update, 1, NULL), OB_OK);
        if (copies)
            assert_int_equal(ob_updates_add(copies, &record, NULL), OB_OK);
    }
}

static void create_manifest(struct place *p, enum kind kind) {
    static const char *const SOME_NAMES[] = {"transformer.wte.weight", "transformer.h.1.*"};
    struct ob_manifest_options options = ob_manifest_defaults();
    struct ob_model *model = NULL;
    struct ob_error error = {0};
    char path[TEST_PATH_MAX];
    options.name = "rebuild";
    options.rounds = 1000;
    options.exponents = 16;
    options.learning_rate = 1e-3;
    options.lora_rank = kind == ADAPTERS ? 4 : 0;
    options.lora_alpha = 8;
    options.trainable = SOME_NAMES;
    options.trainable_count = kind == SOME ? 2 : 0;
    memset(options.authority.key, 7, OB_KEY_BYTES);
    test_folder_path(&p->fixture.folder, "run.json", path);
    if (ob_model_open(BASE, &model, &error) || ob_manifest_create(model, &options, path, &error) ||
        ob_manifest_read(path, &p->manifest, &error) ||
        ob_replica_new(p->manifest, BASE, 2, NULL, &p->replica, &error))
        fail_msg("%s", error.text);
    ob_model_free(model);
}

static void place_make(struct place *p, enum kind kind) {
    memset(p, 0, sizeof *p);
    make(&p->fixture);
    create_manifest(p, kind);
    p->fixture.options.run = p->manifest->run;
    p->fixture.options.bounds = p->manifest->bounds;
    p->store = open_store(&p->fixture);
    p->leaves = ob_spsa_leaf_count(p->replica->weights->tensors, p->replica->weights->count);
    assert_int_equal(ob_spsa_memory_check_start(&p->replica->engine, p->replica->weights, NULL), OB_OK);
    train(p, RECORDS, NULL);
    assert_int_equal(ob_replica_digest(p->replica, &p->below, NULL), OB_OK);
    p->later_round = p->fixture.chains[0].round;
    train(p, 5, &p->later);
    assert_int_equal(ob_store_flush(p->store, NULL), OB_OK);
}

static void place_done(struct place *p) {
    ob_updates_done(&p->later);
    ob_store_close(p->store);
    ob_replica_free(p->replica);
    ob_manifest_free(p->manifest);
    remove_all(&p->fixture);
}

static struct ob_store *reader(struct place *p) {
    struct ob_store_options options = p->fixture.options;
    struct ob_store *store = NULL;
    options.machine = NULL;
    assert_int_equal(ob_store_flush(p->store, NULL), OB_OK);
    assert_int_equal(ob_store_open(&options, &store, NULL), OB_OK);
    assert_int_equal(ob_store_hold(store, NULL), OB_OK);
    return store;
}

static struct ob_hash digest_of(struct place *p) {
    struct ob_hash digest;
    assert_int_equal(ob_replica_digest(p->replica, &digest, NULL), OB_OK);
    return digest;
}

static void digest_at_an_earlier_frontier(void **state) {
    (void)state;
    for (enum kind kind = 0; kind < KINDS; kind++) {
        struct place p;
        struct ob_hash digest;
        place_make(&p, kind);
        struct ob_hash now = digest_of(&p);
        assert_int_equal(ob_rebuild_digest(p.replica, p.later.items, p.later.count, &digest, NULL), OB_OK);
        assert_true(ob_hash_equal(&digest, &p.below));
        struct ob_hash still = digest_of(&p);
        assert_true(ob_hash_equal(&now, &still)); /* the weights themselves were only read */
        assert_int_equal(ob_rebuild_digest(p.replica, NULL, 0, &digest, NULL), OB_OK);
        assert_true(ob_hash_equal(&digest, &now));
        place_done(&p);
    }
}

static void flip(struct place *p, size_t tensor, uint64_t element, int bit) {
    p->replica->weights->values[tensor][element] ^= (int32_t)((uint32_t)1 << bit);
}

static void flipped_bits_are_healed_from_base_and_log(void **state) {
    (void)state;
    for (enum kind kind = 0; kind < KINDS; kind++) {
        struct place p;
        place_make(&p, kind);
        struct ob_hash right = digest_of(&p);
        struct ob_rebuild_log log = {.store = reader(&p), .verify = true};
        struct ob_heal heal;
        size_t last = p.manifest->tensor_count - 1;
        uint64_t end = p.manifest->tensors[last].layout.elements - 1;
        flip(&p, 0, 3, 31);
        flip(&p, last, end, 0);
        flip(&p, last, end - 1, 7);
        assert_int_equal(ob_rebuild_heal(p.replica, &log, NULL, &heal, NULL), OB_OK);
        assert_int_equal(heal.weights, 3);
        assert_int_equal(heal.leaves, 2);
        assert_int_equal(heal.tensor, 0);
        assert_int_equal(heal.records, RECORDS + 5);
        struct ob_hash healed = digest_of(&p);
        assert_true(ob_hash_equal(&healed, &right));
        assert_int_equal(ob_rebuild_heal(p.replica, &log, NULL, &heal, NULL), OB_OK);
        assert_int_equal(heal.weights, 0);
        ob_store_close(log.store);
        place_done(&p);
    }
}

/* The memory check says which leaf; no other is made again. */
static void only_the_leaves_that_are_wrong_are_rebuilt(void **state) {
    (void)state;
    struct place p;
    place_make(&p, WHOLE);
    struct ob_hash right = digest_of(&p);
    struct ob_rebuild_log log = {.store = reader(&p)};
    struct ob_heal heal;
    bool *wrong = calloc(p.leaves, sizeof *wrong);
    flip(&p, 0, OB_SPSA_LEAF_ELEMENTS + 9, 12);
    assert_int_equal(ob_spsa_memory_check(&p.replica->engine, p.replica->weights, wrong), 1);
    assert_true(wrong[1]);
    assert_int_equal(ob_rebuild_heal(p.replica, &log, wrong, &heal, NULL), OB_OK);
    assert_int_equal(heal.weights, 1);
    struct ob_hash healed = digest_of(&p);
    assert_true(ob_hash_equal(&healed, &right));
    assert_int_equal(ob_spsa_memory_check(&p.replica->engine, p.replica->weights, wrong), 0);
    train(&p, 2, NULL); /* and the sums go on being right */
    assert_int_equal(ob_spsa_memory_check(&p.replica->engine, p.replica->weights, wrong), 0);
    p.replica->weights->sums[2]++; /* the prediction itself may be what was hit */
    assert_int_equal(ob_spsa_memory_check(&p.replica->engine, p.replica->weights, wrong), 1);
    ob_store_close(log.store);
    log.store = reader(&p);
    assert_int_equal(ob_rebuild_heal(p.replica, &log, wrong, &heal, NULL), OB_OK);
    assert_int_equal(heal.weights, 0);
    assert_int_equal(ob_spsa_memory_check(&p.replica->engine, p.replica->weights, wrong), 0);
    ob_store_close(log.store);
    free(wrong);
    place_done(&p);
}

static bool is_below(void *context, const struct ob_record *record) {
    return record->round.index < ((struct place *)context)->later_round;
}

struct hashes {
    struct ob_hash *leaves;
};

static enum ob_err keep_hashes(void *context, const struct ob_rebuilt *part, struct ob_error *error) {
    (void)error;
    struct hashes *hashes = context;
    for (size_t i = 0; i < part->count; i++)
        hashes->leaves[part->index[i]] = ob_spsa_leaf_hash(&part->pieces[i].leaf, part->pieces[i].values);
    return OB_OK;
}

/* While the log grows and is cut: what is held is what it was. */
static void a_held_log_stays_and_a_part_of_it_can_be_chosen(void **state) {
    (void)state;
    struct place p;
    place_make(&p, WHOLE);
    struct ob_rebuild_log log = {.store = reader(&p), .counts = is_below, .context = &p, .verify = true};
    struct hashes hashes = {calloc(p.leaves, sizeof(struct ob_hash))};
    train(&p, 3, NULL);
    assert_int_equal(ob_store_cut(p.store, &p.fixture.chains[0].machine, (struct ob_sample){16}, NULL),
                     OB_OK);
    assert_int_equal(ob_rebuild_from_log(p.replica, &log, NULL, keep_hashes, &hashes, NULL), OB_OK);
    struct ob_hash root =
        ob_spsa_root_hash(p.replica->weights->tensors, p.replica->weights->count, hashes.leaves);
    assert_true(ob_hash_equal(&root, &p.below));
    free(hashes.leaves);
    ob_store_close(log.store);
    place_done(&p);
}

static void a_bad_signature_in_the_log_is_named(void **state) {
    (void)state;
    struct place p;
    place_make(&p, WHOLE);
    struct ob_record record = next_record(&p.fixture, 0, 8);
    p.fixture.chains[0].signature[7] ^= 1;
    struct ob_error error = {0};
    struct ob_heal heal = {.weights = 77};
    assert_int_equal(ob_store_other(p.store, &record, NULL), OB_OK);
    assert_int_equal(ob_store_flush(p.store, NULL), OB_OK);
    struct ob_rebuild_log log = {.store = reader(&p), .verify = true};
    assert_int_equal(ob_rebuild_heal(p.replica, &log, NULL, &heal, &error), OB_EREFUSED);
    assert_non_null(strstr(error.text, "sample 232 has a bad signature"));
    assert_int_equal(heal.weights, 77);
    ob_store_close(log.store);
    place_done(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digest_at_an_earlier_frontier),
        cmocka_unit_test(flipped_bits_are_healed_from_base_and_log),
        cmocka_unit_test(only_the_leaves_that_are_wrong_are_rebuilt),
        cmocka_unit_test(a_held_log_stays_and_a_part_of_it_can_be_chosen),
        cmocka_unit_test(a_bad_signature_in_the_log_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
