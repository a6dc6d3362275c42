/* Second moments of a model's inputs against sums made one by one, and principal directions against a matrix made of known
 * ones. */
#include "tests/unit/cmocka_all.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/convert/open_model.h"
#include "model/forward/forward.h"
#include "model/forward/moments.h"
#include "model/forward/principal.h"
#include "tests/support/random.h"

#define BASE OB_SOURCE_ROOT "/tests/parity/checkpoints/llama-grouped"

enum { TOKENS = 12, SEQUENCES = 2, WIDEST = 256 };

/* ---- moments ---- */

struct world {
    struct ob_model *model;
    struct ob_forward *forward;
    struct ob_batch *batch;
    bool *wanted;
};

static int set_up(void **state) {
    struct world *w = calloc(1, sizeof *w);
    struct ob_error error = {0};
    assert_non_null(w);
    if (ob_model_open(BASE, &w->model, &error) ||
        ob_forward_new(&w->model->config, TOKENS * SEQUENCES, SEQUENCES, NULL, &w->forward, &error) ||
        ob_batch_new(SEQUENCES, TOKENS * SEQUENCES, &w->batch, &error))
        fail_msg("%s", error.text);
    for (int s = 0; s < SEQUENCES; s++) {
        int32_t tokens[TOKENS];
        for (int i = 0; i < TOKENS; i++)
            tokens[i] = (7 * i + 31 * s + i * i) % 50;
        assert_true(ob_batch_add(w->batch, tokens, TOKENS, 1));
    }
    w->wanted = calloc(w->model->tensor_count, sizeof *w->wanted);
    assert_non_null(w->wanted);
    for (size_t i = 0; i < w->model->tensor_count; i++)
        w->wanted[i] =
            w->model->tensors[i].role == OB_ROLE_ATTENTION || w->model->tensors[i].role == OB_ROLE_MLP;
    *state = w;
    return 0;
}

static int tear_down(void **state) {
    struct world *w = *state;
    free(w->wanted);
    ob_batch_free(w->batch);
    ob_forward_free(w->forward);
    ob_model_free(w->model);
    free(w);
    return 0;
}

static void pass(struct world *w, ob_inputs_fn see, void *context) {
    struct ob_weight_source source = {.model = w->model};
    double loss;
    ob_forward_observe(w->forward, see, context);
    assert_int_equal(ob_forward_losses(w->forward, &source, w->batch, &loss, NULL), OB_OK);
    ob_forward_observe(w->forward, NULL, NULL);
}

/* What the product with one tensor sees, summed in float64. */
struct sums {
    size_t tensor, in, rows;
    double squares[WIDEST][WIDEST];
};

static void see_one(void *context, size_t tensor, const float *x, size_t rows, size_t columns,
                    size_t stride) {
    struct sums *sums = context;
    if (tensor != sums->tensor)
        return;
    assert_true(columns <= WIDEST);
    sums->in = columns;
    sums->rows += rows;
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < columns; i++) {
            for (size_t j = 0; j < columns; j++)
                sums->squares[i][j] += (double)x[r * stride + i] * (double)x[r * stride + j];
        }
}

static void compare(const struct ob_moment *moment, const struct sums *sums) {
    assert_int_equal(moment->in, sums->in);
    assert_int_equal(moment->rows, sums->rows);
    for (size_t i = 0; i < sums->in; i++)
        for (size_t j = i; j < sums->in; j++) {
            double expected = sums->squares[i][j];
            double size = sqrt(sums->squares[i][i] * sums->squares[j][j]);
            if (!(fabs((double)moment->upper[i * sums->in + j] - expected) <= 1e-5 * size))
                fail_msg("element %zu, %zu is %g, expected %g", i, j, (double)moment->upper[i * sums->in + j],
                         expected);
        }
}

/* All layers at once, or one at a time. */
static void moments_are_the_inputs_of_every_matrix(void **state) {
    struct world *w = *state;
    struct sums *sums = calloc(1, sizeof *sums);
    assert_non_null(sums);
    for (int way = 0; way < 2; way++) {
        size_t seen = 0;
        for (uint32_t layer = 0, end = 0; layer < w->model->config.layers; layer = end) {
            struct ob_moments *moments = NULL;
            struct ob_moments_options options = {.model = w->model,
                                                 .wanted = w->wanted,
                                                 .first_layer = layer,
                                                 .bytes_max = way == 1 ? 1 : SIZE_MAX};
            assert_int_equal(ob_moments_new(&options, &moments, &end, NULL), OB_OK);
            assert_int_equal(end, way == 1 ? layer + 1 : w->model->config.layers);
            assert_int_equal(ob_moments_count(moments), 4 * (end - layer));
            pass(w, ob_moments_see, moments);
            for (size_t t = 0; t < w->model->tensor_count; t++) {
                int64_t number = ob_moments_of(moments, t);
                if (number < 0)
                    continue;
                seen++;
                memset(sums, 0, sizeof *sums);
                sums->tensor = t;
                pass(w, see_one, sums);
                struct ob_moment moment = ob_moments_get(moments, (size_t)number);
                compare(&moment, sums);
            }
            ob_moments_free(moments);
        }
        assert_int_equal(seen, 7 * w->model->config.layers); /* q, k, v, o, gate, up, down */
    }
    free(sums);
}

static void moments_leave_giants_out(void **state) {
    struct world *w = *state;
    struct ob_moments *moments = NULL;
    uint32_t end;
    struct ob_moments_options options = {
        .model = w->model, .wanted = w->wanted, .without_giants = true, .bytes_max = SIZE_MAX};
    size_t tensor = (size_t)ob_model_slot(w->model, 0, OB_SLOT_Q),
           in = (size_t)w->model->tensors[tensor].shape[1];
    float *x = calloc(8 * in, sizeof *x);
    assert_non_null(x);
    for (size_t r = 0; r < 8; r++)
        x[r * in + r % in] = r == 3 ? 101.0f : r == 4 ? 9.0f : 1.0f; /* one is a giant, one is merely long */
    assert_int_equal(ob_moments_new(&options, &moments, &end, NULL), OB_OK);
    ob_moments_see(moments, tensor, x, 8, in, in);
    struct ob_moment moment = ob_moments_get(moments, (size_t)ob_moments_of(moments, tensor));
    assert_int_equal(moment.rows, 7);
    assert_true(moment.upper[3 * in + 3] == 0.0f && moment.upper[4 * in + 4] == 81.0f &&
                moment.upper[5 * in + 5] == 1.0f);
    ob_moments_free(moments);
    free(x);
}

/* ---- principal directions ---- */

enum { N = 60 };

/* Orthonormal rows, drawn. */
static void draw_rotation(double q[N][N]) {
    struct test_random random = {11};
    for (int r = 0; r < N; r++) {
        uint64_t words[N];
        test_random_fill(&random, words, sizeof words);
        for (int i = 0; i < N; i++)
            q[r][i] = (double)(int64_t)words[i] * 0x1p-63;
        for (int again = 0; again < 2; again++)
            for (int p = 0; p < r; p++) {
                double part = 0;
                for (int i = 0; i < N; i++)
                    part += q[p][i] * q[r][i];
                for (int i = 0; i < N; i++)
                    q[r][i] -= part * q[p][i];
            }
        double length = 0;
        for (int i = 0; i < N; i++)
            length += q[r][i] * q[r][i];
        for (int i = 0; i < N; i++)
            q[r][i] /= sqrt(length);
    }
}

/* Σ λ q qᵀ, its upper triangle; NaN below, which nobody may read. */
static void fill_matrix(double q[N][N], const double *values, float *upper) {
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) {
            double sum = 0;
            for (int r = 0; r < N; r++)
                sum += values[r] * q[r][i] * q[r][j];
            upper[i * N + j] = j >= i ? (float)sum : NAN;
        }
}

static void principal_finds_known_directions(void **state) {
    (void)state;
    static double q[N][N], values[N], found[N * N], eigen[N];
    static float upper[N * N];
    draw_rotation(q);
    for (int giants = 0; giants < 2;
         giants++) { /* the first is 1,000 times the second; nothing is below the first forty */
        for (int r = 0; r < N; r++)
            values[r] = r < 40 ? pow(0.8, r) * (giants && r == 0 ? 1000 : 1) : 0;
        fill_matrix(q, values, upper);
        for (size_t rank = 1; rank <= 16; rank *= 4) {
            assert_int_equal(ob_principal(upper, N, rank, eigen, found, NULL), OB_OK);
            for (size_t r = 0; r < rank; r++) {
                double along = 0, largest = 0;
                for (size_t i = 0; i < N; i++) {
                    along += found[r * N + i] * q[r][i];
                    largest = fabs(found[r * N + i]) > fabs(largest) ? found[r * N + i] : largest;
                }
                if (!(fabs(eigen[r] - values[r]) <= 1e-4 * values[r]) || !(fabs(along) > 1 - 1e-5) ||
                    !(largest > 0))
                    fail_msg("direction %zu of %zu: %.9g, expected %.9g; along %.9g", r, rank, eigen[r],
                             values[r], along);
            }
        }
    }
    double again[4 * N], eigen_again[4];
    assert_int_equal(ob_principal(upper, N, 4, eigen, found, NULL), OB_OK);
    assert_int_equal(ob_principal(upper, N, 4, eigen_again, again, NULL), OB_OK);
    assert_memory_equal(again, found, sizeof again);
}

static void principal_refuses_more_than_there_is(void **state) {
    (void)state;
    static double q[N][N], values[N], found[N * N], eigen[N];
    static float upper[N * N];
    struct ob_error error = {0};
    draw_rotation(q);
    values[0] = 3, values[1] = 1;
    fill_matrix(q, values, upper);
    assert_int_equal(ob_principal(upper, N, 2, eigen, found, NULL), OB_OK);
    assert_int_equal(ob_principal(upper, N, 3, eigen, found, &error), OB_EMISMATCH);
    assert_non_null(strstr(error.text, "the inputs span fewer than 3 directions"));
    assert_int_equal(ob_principal(upper, N, N + 1, eigen, found, &error), OB_EMISMATCH);
    upper[1] = NAN;
    assert_int_not_equal(ob_principal(upper, N, 2, eigen, found, &error), OB_OK);
    memset(upper, 0, sizeof upper);
    assert_int_equal(ob_principal(upper, N, 1, eigen, found, &error), OB_EMISMATCH);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(moments_are_the_inputs_of_every_matrix, set_up, tear_down),
        cmocka_unit_test_setup_teardown(moments_leave_giants_out, set_up, tear_down),
        cmocka_unit_test(principal_finds_known_directions),
        cmocka_unit_test(principal_refuses_more_than_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
