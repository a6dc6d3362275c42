/* The weights of a run: whatever the records come from and however many are taken at a time, they become the
 * same; taken back, they are the base again. */
#include "tests/unit/cmocka_all.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "model/convert/open_model.h"
#include "run/manifest_create.h"
#include "run/replica.h"
#include "tests/support/folder.h"
#include "tests/support/progress.h"
#include "tests/support/random.h"

#define BASE    OB_SOURCE_ROOT "/examples/kjv-1m"
#define RECORDS 40

struct place {
    struct test_folder folder;
    struct ob_manifest *manifest;
    struct ob_record records[RECORDS];
    uint8_t bytes[RECORDS][8];
};

static int set_up(void **state) {
    struct place *p = calloc(1, sizeof *p);
    struct ob_manifest_options options = ob_manifest_defaults();
    struct ob_model *model = NULL;
    struct ob_error error = {0};
    struct test_random random = {3};
    char path[TEST_PATH_MAX];
    assert_non_null(p);
    assert_true(sodium_init() >= 0);
    test_folder_make(&p->folder);
    test_folder_path(&p->folder, "run.json", path);
    options.learning_rate = 1e-3;
    options.lora_rank = 4;
    options.lora_alpha = 8;
    memset(options.authority.key, 7, OB_KEY_BYTES);
    if (ob_model_open(BASE, &model, &error) || ob_manifest_create(model, &options, path, &error) ||
        ob_manifest_read(path, &p->manifest, &error))
        fail_msg("%s", error.text);
    ob_model_free(model);
    for (uint32_t i = 0; i < RECORDS; i++) {
        test_random_fill(&random, p->bytes[i], 8);
        p->records[i] = (struct ob_record){.machine = {{(uint8_t)(1 + i % 3)}},
                                           .first = {i / 3 * (uint64_t)8},
                                           .round = {i / 3},
                                           .live = 3,
                                           .n = 8,
                                           .bytes = p->bytes[i]};
    }
    *state = p;
    return 0;
}

static int tear_down(void **state) {
    struct place *p = *state;
    ob_manifest_free(p->manifest);
    test_folder_remove(&p->folder);
    free(p);
    return 0;
}

static struct ob_replica *replica_of(const struct place *p) {
    struct ob_replica *replica = NULL;
    struct ob_error error = {0};
    if (ob_replica_new(p->manifest, BASE, 2, NULL, &replica, &error))
        fail_msg("%s", error.text);
    return replica;
}

static struct ob_hash digest_of(const struct ob_replica *replica) {
    struct ob_hash digest;
    assert_int_equal(ob_replica_digest(replica, &digest, NULL), OB_OK);
    return digest;
}

static enum ob_err each(void *source, ob_store_record_fn see, void *context, struct ob_error *error) {
    const struct place *p = source;
    enum ob_err failed = OB_OK;
    for (size_t i = 0; i < RECORDS && !failed; i++)
        failed = see(context, &p->records[i], error);
    return failed;
}

static bool is_odd(void *context, const struct ob_record *record) {
    (void)context;
    return record->round.index % 2 == 1;
}

static void replay_is_the_same_as_one_by_one(void **state) {
    struct place *p = *state;
    struct ob_replica *at_once = replica_of(p), *singly = replica_of(p);
    for (int only_odd = 0; only_odd < 2; only_odd++) {
        assert_int_equal(ob_replica_to_base(at_once, NULL), OB_OK);
        assert_int_equal(ob_replica_to_base(singly, NULL), OB_OK);
        assert_int_equal(ob_replica_replay_from(at_once, each, p, only_odd ? is_odd : NULL, NULL, NULL),
                         OB_OK);
        for (size_t i = RECORDS; i-- > 0;) { /* in any order */
            struct ob_spsa_update update = ob_update_of(&p->records[i]);
            if (!only_odd || is_odd(NULL, &p->records[i]))
                assert_int_equal(ob_replica_apply(singly, &update, 1, NULL), OB_OK);
        }
        struct ob_hash one = digest_of(at_once), other = digest_of(singly);
        assert_true(ob_hash_equal(&one, &other));
        assert_true(at_once->samples == singly->samples && at_once->samples > 0);
    }
    ob_replica_free(at_once);
    ob_replica_free(singly);
}

static void what_is_taken_back_leaves_the_base(void **state) {
    struct place *p = *state;
    struct ob_replica *replica = replica_of(p);
    struct ob_hash base = digest_of(replica), after;
    assert_int_equal(ob_replica_replay_from(replica, each, p, NULL, NULL, NULL), OB_OK);
    after = digest_of(replica);
    assert_false(ob_hash_equal(&base, &after));
    for (size_t i = 0; i < RECORDS; i++) {
        struct ob_spsa_update update = ob_update_of(&p->records[i]);
        assert_int_equal(ob_replica_unapply(replica, &update, 1, NULL), OB_OK);
    }
    after = digest_of(replica);
    assert_true(ob_hash_equal(&base, &after));
    assert_int_equal(replica->samples, 0);
    assert_int_equal(ob_replica_replay_from(replica, each, p, NULL, NULL, NULL), OB_OK);
    assert_int_equal(ob_replica_to_base(replica, NULL), OB_OK);
    after = digest_of(replica);
    assert_true(ob_hash_equal(&base, &after));
    ob_replica_free(replica);
}

static void new_tells_how_far_it_is_and_ends_when_asked(void **state) {
    static const char *const STAGES[] = {"hashing the base model", "loading the base model"};
    struct place *p = *state;
    struct ob_replica *replica = NULL;
    struct test_progress told = {0};
    struct ob_progress_callback progress = {test_progress_tell, &told};
    assert_int_equal(ob_replica_new(p->manifest, BASE, 2, &progress, &replica, NULL), OB_OK);
    assert_int_equal(told.stages, 2);
    assert_false(told.wrong);
    assert_string_equal(told.what, STAGES[1]);
    ob_replica_free(replica);
    for (size_t i = 0; i < 2; i++) {
        struct ob_error error = {0};
        told = (struct test_progress){.end_at = STAGES[i]};
        replica = NULL;
        assert_int_equal(ob_replica_new(p->manifest, BASE, 2, &progress, &replica, &error), OB_ESTATE);
        assert_null(replica);
        assert_non_null(strstr(error.text, STAGES[i]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(replay_is_the_same_as_one_by_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_taken_back_leaves_the_base, set_up, tear_down),
        cmocka_unit_test_setup_teardown(new_tells_how_far_it_is_and_ends_when_asked, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
