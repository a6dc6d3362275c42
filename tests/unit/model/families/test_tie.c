/* Tied models whose files say something else: another head, the same head, only the head. The logits are
 * compared in tests/parity/; here: what is one tensor, and what two. */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/convert/open_model.h"
#include "model/families/select.h"

#define CHECKPOINTS OB_SOURCE_ROOT "/tests/parity/checkpoints/"

static struct ob_model *must_open(const char *prefix, const char *name) {
    char path[256];
    struct ob_model *model = NULL;
    struct ob_error error = {0};
    (void)snprintf(path, sizeof path, CHECKPOINTS "%s%s", prefix, name);
    if (ob_model_open(path, &model, &error))
        fail_msg("%s", error.text);
    return model;
}

static size_t count_selected(const struct ob_model *model, const char *pattern) {
    bool *selected = calloc(model->tensor_count, sizeof *selected);
    size_t count = 0;
    assert_non_null(selected);
    if (ob_model_select(model, &pattern, 1, selected, NULL) == OB_OK)
        for (size_t i = 0; i < model->tensor_count; i++)
            count += selected[i];
    free(selected);
    return count;
}

static void another_head_is_a_tensor_of_its_own(void **state) {
    (void)state;
    static const char *const NAMES[] = {"llama", "gpt2", "qwen2", "qwen3", "opt", "gemma"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        struct ob_model *other = must_open("tied-other-head-", NAMES[i]),
                        *only = must_open("tied-only-head-", NAMES[i]);
        int64_t head = ob_model_slot(other, 0, OB_SLOT_HEAD),
                tokens = ob_model_slot(other, 0, OB_SLOT_TOKENS);
        assert_true(!other->config.tied && head >= 0);
        assert_int_equal(other->tensors[head].role, OB_ROLE_HEAD);
        assert_int_equal(other->tensors[tokens].role, OB_ROLE_EMBEDDING);
        assert_int_equal(count_selected(other, "head"), 1);
        assert_true(only->config.tied);
        assert_int_equal(other->tensor_count, only->tensor_count + 1);
        assert_string_equal(only->tensors[ob_model_slot(only, 0, OB_SLOT_TOKENS)].name,
                            other->tensors[tokens].name);
        ob_model_free(other);
        ob_model_free(only);
    }
}

static void an_equal_head_stays_tied(void **state) {
    (void)state;
    struct ob_model *equal = must_open("tied-equal-head-", "llama"), *alone = must_open("", "llama-tied-f16"),
                    *only = must_open("tied-only-head-", "llama");
    struct ob_hash hashes[3];
    assert_true(equal->config.tied && ob_model_slot(equal, 0, OB_SLOT_HEAD) < 0);
    assert_int_equal(ob_model_hash(equal, NULL, &hashes[0], NULL), OB_OK);
    assert_int_equal(ob_model_hash(alone, NULL, &hashes[1], NULL), OB_OK);
    assert_int_equal(ob_model_hash(only, NULL, &hashes[2], NULL), OB_OK);
    assert_true(ob_hash_equal(&hashes[0], &hashes[1]) && ob_hash_equal(&hashes[1], &hashes[2]));
    ob_model_free(equal);
    ob_model_free(alone);
    ob_model_free(only);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_head_is_a_tensor_of_its_own),
        cmocka_unit_test(an_equal_head_stays_tied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
