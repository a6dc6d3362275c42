/* Mini-batches that a forward pass refuses: each with what is wrong in them. */
#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "model/convert/open_model.h"
#include "model/forward/forward.h"

#define BASE OB_SOURCE_ROOT "/tests/parity/checkpoints/llama-tied-f16" /* 113 tokens, context 19 */

struct small {
    struct ob_model *model;
    struct ob_forward *forward; /* for 2 sequences, 24 tokens */
    struct ob_batch *batch;     /* with more room */
};

static int set_up(void **state) {
    static struct small small;
    struct ob_error error = {0};
    if (ob_model_open(BASE, &small.model, &error) ||
        ob_forward_new(&small.model->config, 24, 2, NULL, &small.forward, &error) ||
        ob_batch_new(4, 64, &small.batch, &error))
        fail_msg("%s", error.text);
    *state = &small;
    return 0;
}

static int tear_down(void **state) {
    struct small *small = *state;
    ob_batch_free(small->batch);
    ob_forward_free(small->forward);
    ob_model_free(small->model);
    return 0;
}

static void must_refuse(struct small *s, enum ob_err code, const char *message) {
    struct ob_weight_source source = {.model = s->model};
    struct ob_error error = {0};
    double loss = -7;
    enum ob_err failed = ob_forward_losses(s->forward, &source, s->batch, &loss, &error);
    if (failed != code || !strstr(error.text, message))
        fail_msg("got %d \"%s\", expected %d and \"%s\"", (int)failed, error.text, (int)code, message);
    assert_true(loss == -7);
    ob_batch_clear(s->batch);
}

static void add(struct small *s, size_t count, size_t first_target) {
    static const int32_t TOKENS[32] = {5, 6, 7};
    assert_true(ob_batch_add(s->batch, TOKENS, count, first_target));
}

static void losses_refuse_batches_by_reason(void **state) {
    struct small *s = *state;
    add(s, 3, 1), add(s, 3, 1), add(s, 3, 1);
    must_refuse(s, OB_ETOOBIG, "a mini-batch has 3 sequences and 9 tokens; the maximum is 2 and 24");
    add(s, 18, 1), add(s, 18, 1);
    must_refuse(s, OB_ETOOBIG, "a mini-batch has 2 sequences and 36 tokens; the maximum is 2 and 24");
    add(s, 20, 1);
    must_refuse(s, OB_ETOOBIG, "a sequence has 20 tokens; the model's context is 19");
    add(s, 3, 3);
    must_refuse(s, OB_EFORMAT, "the mini-batch has no target token");
    assert_true(ob_batch_add(s->batch, (const int32_t[]){1, 113}, 2, 1));
    must_refuse(s, OB_EFORMAT, "token 113 is outside the model's vocabulary of 113");
    assert_true(ob_batch_add(s->batch, (const int32_t[]){-1, 2}, 2, 1));
    must_refuse(s, OB_EFORMAT, "token -1 is outside the model's vocabulary of 113");
}

static void new_refuses_more_than_there_can_be(void **state) {
    struct small *s = *state;
    struct ob_forward *forward = NULL;
    struct ob_error error = {0};
    assert_int_equal(ob_forward_new(&s->model->config, (1u << 24) + 1, 2, NULL, &forward, &error),
                     OB_ETOOBIG);
    assert_non_null(strstr(error.text, "a mini-batch has 16777217 tokens; the maximum is 2^24"));
    assert_null(forward);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses_refuse_batches_by_reason),
        cmocka_unit_test(new_refuses_more_than_there_can_be),
    };
    return cmocka_run_group_tests_name("forward", tests, set_up, tear_down);
}
