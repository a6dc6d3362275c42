#include "tests/unit/cmocka_all.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/convert/open_model.h"
#include "model/families/select.h"

#define TENSORS_MAX 256

static size_t count_of(const struct ob_model *model, const char *const *patterns, size_t count,
                       bool *selected) {
    struct ob_error error = {0};
    size_t chosen = 0;
    if (ob_model_select(model, patterns, count, selected, &error))
        fail_msg("%s", error.text);
    for (size_t i = 0; i < model->tensor_count; i++)
        chosen += selected[i];
    return chosen;
}

static struct ob_model *open_model(const char *name) {
    char path[512];
    struct ob_model *model = NULL;
    struct ob_error error = {0};
    (void)snprintf(path, sizeof path, OB_SOURCE_ROOT "/tests/parity/checkpoints/%s", name);
    if (ob_model_open(path, &model, &error))
        fail_msg("%s", error.text);
    assert_true(model->tensor_count <= TENSORS_MAX);
    return model;
}

static void select_groups_and_patterns(void **state) {
    (void)state;
    bool selected[TENSORS_MAX];
    struct ob_model *model = open_model("gpt2-odd-heads"); /* 2 layers of 12, wte, wpe, ln_f */
    assert_int_equal(count_of(model, (const char *[]){"all"}, 1, selected), model->tensor_count);
    assert_int_equal(count_of(model, (const char *[]){"norms"}, 1, selected), 5);
    assert_int_equal(count_of(model, (const char *[]){"biases"}, 1, selected), 13);
    assert_int_equal(count_of(model, (const char *[]){"norms", "biases"}, 2, selected), 18);
    assert_int_equal(count_of(model, (const char *[]){"attention"}, 1, selected), 4);
    assert_int_equal(count_of(model, (const char *[]){"transformer.h.1.*", "norms"}, 2, selected), 15);
    assert_int_equal(count_of(model, (const char *[]){"transformer.h.?.mlp.c_fc.weight"}, 1, selected), 2);
    ob_model_free(model);
}

static void select_tied_embedding_is_the_head_too(void **state) {
    (void)state;
    bool head[TENSORS_MAX] = {0}, embedding[TENSORS_MAX] = {0};
    struct ob_model *model = open_model("llama-tied-f16");
    assert_int_equal(count_of(model, (const char *[]){"head"}, 1, head), 1);
    assert_int_equal(count_of(model, (const char *[]){"embedding"}, 1, embedding), 1);
    assert_true(head[0] && embedding[0]);
    ob_model_free(model);
    model = open_model("llama-grouped");
    assert_int_equal(count_of(model, (const char *[]){"head"}, 1, head), 1);
    assert_true(head[model->tensor_count - 1] && !head[0]);
    ob_model_free(model);
}

/* The number in "model.layers.12.mlp.up_proj.weight"; -1: not of a layer. */
static long layer_of(const char *name) {
    const char *digit = strpbrk(name, "0123456789");
    return digit && digit > name && digit[-1] == '.' ? strtol(digit, NULL, 10) : -1;
}

/* By their names, in every family: the matrices of a layer from the middle on, and nothing else. */
static void select_upper_half_of_every_family(void **state) {
    (void)state;
    int models = 0;
    DIR *folder = opendir(OB_SOURCE_ROOT "/tests/parity/checkpoints");
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder));) {
        bool upper[TENSORS_MAX], matrices[TENSORS_MAX];
        if (entry->d_name[0] == '.')
            continue;
        struct ob_model *model = open_model(entry->d_name);
        size_t chosen = count_of(model, (const char *[]){"upper-half"}, 1, upper);
        (void)count_of(model, (const char *[]){"attention", "mlp"}, 2, matrices);
        assert_true(chosen > 0);
        for (size_t i = 0; i < model->tensor_count; i++)
            if (upper[i] != (matrices[i] && layer_of(model->tensors[i].name) >= model->config.layers / 2))
                fail_msg("%s: %s", entry->d_name, model->tensors[i].name);
        ob_model_free(model);
        models++;
    }
    (void)closedir(folder);
    assert_true(models > 10);
}

static void select_pattern_that_names_nothing_is_refused(void **state) {
    (void)state;
    bool selected[TENSORS_MAX] = {true};
    struct ob_error error = {0};
    struct ob_model *model = open_model("llama-grouped");
    assert_int_equal(ob_model_select(model, (const char *[]){"norms", "biases"}, 2, selected, &error),
                     OB_EUSAGE);
    assert_non_null(strstr(error.text, "no tensor matches \"biases\""));
    assert_true(selected[0] && !selected[1]); /* untouched */
    ob_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(select_groups_and_patterns),
        cmocka_unit_test(select_tied_embedding_is_the_head_too),
        cmocka_unit_test(select_upper_half_of_every_family),
        cmocka_unit_test(select_pattern_that_names_nothing_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
