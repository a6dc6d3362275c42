/* Attention over long rows: block by block, it is what the whole matrix of scores gives, without holding one. */
#include <math.h>
#include <stdlib.h>

#include "model/convert/open_model.h"
#include "model/forward/forward.h"
#include "model/forward/pass.h"
#include "tests/unit/cmocka_all.h"

#define BASE   OB_SOURCE_ROOT "/tests/parity/checkpoints/llama-tied-f16"
#define WINDOW 300

struct fixture {
    struct ob_model *model;
    struct ob_model_config config; /* the model's, with a longer context */
    struct ob_pool *pool;
};

static int set_up(void **state) {
    static struct fixture fixture;
    struct ob_error error = {0};
    if (ob_model_open(BASE, &fixture.model, &error) || ob_pool_new(2, &fixture.pool, &error))
        fail_msg("%s", error.text);
    fixture.config = fixture.model->config;
    fixture.config.context = 4096;
    *state = &fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    ob_pool_free(fixture->pool);
    ob_model_free(fixture->model);
    return 0;
}

static size_t qkv_width(const struct ob_model_config *c) {
    return ((size_t)c->heads + 2 * (size_t)c->kv_heads) * c->head_width;
}

/* Queries, keys and values of some size, the later ones larger: the running maximum changes from block to block. */
static void fill(struct ob_forward *f, size_t tokens) {
    uint32_t random = 1;
    for (size_t i = 0; i < tokens * qkv_width(&f->config); i++) {
        random = random * 1664525u + 1013904223u;
        f->qkv[i] = ((float)(random >> 8) / 8388608.0f - 1.0f) * (1.0f + (float)(i % 7));
    }
}

static const float *place(const struct ob_forward *f, size_t row, size_t head) {
    return f->qkv + row * qkv_width(&f->config) + head * f->config.head_width;
}

/* One row of a head, from all scores at once, in double. The rows that the pass left in qkv have their positions. */
static void expect_row(const struct ob_forward *f, size_t head, size_t row, size_t window) {
    const struct ob_model_config *c = &f->config;
    size_t D = c->head_width, kv = head / (c->heads / c->kv_heads);
    size_t first = row + 1 > window ? row + 1 - window : 0, keys = row + 1 - first;
    double *scores = calloc(keys, sizeof *scores), largest = -INFINITY, sum = 0;
    assert_non_null(scores);
    for (size_t i = 0; i < keys; i++) {
        for (size_t d = 0; d < D; d++)
            scores[i] += (double)place(f, row, head)[d] * (double)place(f, first + i, c->heads + kv)[d];
        scores[i] *= (double)c->query_scale;
        largest = fmax(largest, scores[i]);
    }
    for (size_t i = 0; i < keys; i++)
        sum += scores[i] = exp(scores[i] - largest);
    for (size_t d = 0; d < D; d++) {
        double expected = 0, got = (double)f->attn_out[(row * c->heads + head) * D + d];
        for (size_t i = 0; i < keys; i++)
            expected += scores[i] / sum * (double)place(f, first + i, c->heads + c->kv_heads + kv)[d];
        if (!(fabs(got - expected) <= 1e-4 * (1 + fabs(expected))))
            fail_msg("row %zu of head %zu, element %zu: %.7f, expected %.7f", row, head, d, got, expected);
    }
    free(scores);
}

static void check(struct fixture *fixture, size_t tokens, bool sliding) {
    struct ob_forward *f;
    struct ob_weight_source source = {.model = fixture->model};
    fixture->config.is_sliding[0] = sliding;
    fixture->config.sliding_window = sliding ? WINDOW : 0;
    assert_int_equal(ob_forward_new(&fixture->config, tokens, 1, fixture->pool, &f, NULL), OB_OK);
    struct ob_view all = {.inputs = {0, tokens}, .sequences = 1};
    struct ob_pass pass = {.forward = f,
                           .source = &source,
                           .views = &all,
                           .view_count = 1,
                           .rows = tokens,
                           .tokens = tokens,
                           .sequences = 1};
    f->starts[0] = 0;
    f->starts[1] = (uint32_t)tokens;
    for (size_t i = 0; i < tokens; i++)
        f->positions[i] = (uint32_t)i;
    fill(f, tokens);
    ob_pass_attention(&pass, 0);
    for (size_t head = 0; head < f->config.heads; head++) {
        for (size_t row = 0; row < tokens; row += 97)
            expect_row(f, head, row, sliding ? WINDOW : tokens);
        for (size_t at = OB_KEY_BLOCK; at < tokens; at += OB_KEY_BLOCK) { /* on both sides of a block's end */
            expect_row(f, head, at - 1, sliding ? WINDOW : tokens);
            expect_row(f, head, at, sliding ? WINDOW : tokens);
        }
        expect_row(f, head, tokens - 1, sliding ? WINDOW : tokens);
    }
    ob_forward_free(f);
}

static void long_rows_are_what_the_whole_matrix_gives(void **state) {
    check(*state, 2048, false);
    check(*state, 4096, false);
    check(*state, 2047, false); /* the last block is not full */
}

static void long_rows_with_a_window(void **state) {
    check(*state, 2048, true);
    check(*state, 4096, true);
}

/* Twice the tokens: at most twice the memory. */
static void no_memory_grows_with_the_square_of_a_row(void **state) {
    const struct fixture *fixture = *state;
    size_t half = ob_forward_bytes_for(&fixture->config, 2048, 1, fixture->pool);
    assert_true(ob_forward_bytes_for(&fixture->config, 4096, 1, fixture->pool) <= 2 * half);
    assert_true(ob_forward_bytes_for(&fixture->config, 65536, 1, fixture->pool) <= 32 * half);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_rows_are_what_the_whole_matrix_gives),
        cmocka_unit_test(long_rows_with_a_window),
        cmocka_unit_test(no_memory_grows_with_the_square_of_a_row),
    };
    return cmocka_run_group_tests_name("attention", tests, set_up, tear_down);
}
