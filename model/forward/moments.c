#include "model/forward/moments.h"

#include <assert.h>
#include <cblas.h>
#include <stdlib.h>
#include <string.h>

#include "model/families/family.h"

#define PANEL        128   /* columns of a job */
#define GIANT_SQUARE 100.0 /* of the median's square */

struct input {
    size_t in, leader; /* leader: the matrix at whose product it is looked at */
    float *sums;       /* (in, in) */
    uint64_t rows;
};

struct ob_moments {
    struct ob_moments_options options;
    size_t count;
    struct input *inputs;
    int64_t *input_of; /* (tensor_count) */
    float *kept;       /* rows without giants, of the call at hand */
    double *squares;
    size_t kept_floats, squares_count;
};

/* ---- which matrices share their inputs ---- */

static const struct {
    enum ob_slot slots[4];
    size_t count;
} SHARED[] = {{{OB_SLOT_QKV, OB_SLOT_Q, OB_SLOT_K, OB_SLOT_V}, 4},
              {{OB_SLOT_O}, 1},
              {{OB_SLOT_GATE_UP, OB_SLOT_UP, OB_SLOT_GATE}, 3},
              {{OB_SLOT_DOWN}, 1}};

static size_t inputs_of(const struct ob_model *model, size_t tensor) {
    return (size_t)model->tensors[tensor].shape[model->config.family->input_major ? 0 : 1];
}

static enum ob_err add_input(struct ob_moments *m, size_t tensor, struct ob_error *error) {
    struct input *input = &m->inputs[m->count];
    *input = (struct input){.in = inputs_of(m->options.model, tensor), .leader = tensor};
    input->sums = calloc(input->in * input->in, sizeof *input->sums);
    m->count++;
    return input->sums
               ? OB_OK
               : ob_fail(error, OB_ENOMEM, "not enough memory for second moments of %zu inputs (%zu MB)",
                         input->in, input->in * input->in * sizeof *input->sums >> 20);
}

static enum ob_err add_layer(struct ob_moments *m, uint32_t layer, struct ob_error *error) {
    const struct ob_model *model = m->options.model;
    for (size_t s = 0; s < sizeof SHARED / sizeof *SHARED; s++) {
        int64_t number = -1;
        for (size_t i = 0; i < SHARED[s].count; i++) {
            int64_t tensor = ob_model_slot(model, layer, SHARED[s].slots[i]);
            if (tensor < 0 || !m->options.wanted[tensor])
                continue;
            enum ob_err failed = number < 0 ? add_input(m, (size_t)tensor, error) : OB_OK;
            if (failed)
                return failed;
            number = number < 0 ? (int64_t)m->count - 1 : number;
            m->input_of[tensor] = number;
        }
    }
    return OB_OK;
}

static size_t layer_bytes(const struct ob_moments *m, uint32_t layer) {
    size_t bytes = 0;
    for (size_t s = 0; s < sizeof SHARED / sizeof *SHARED; s++)
        for (size_t i = 0; i < SHARED[s].count; i++) {
            int64_t tensor = ob_model_slot(m->options.model, layer, SHARED[s].slots[i]);
            if (tensor < 0 || !m->options.wanted[tensor])
                continue;
            size_t in = inputs_of(m->options.model, (size_t)tensor);
            bytes += in * in * sizeof(float);
            break;
        }
    return bytes;
}

enum ob_err ob_moments_new(const struct ob_moments_options *options, struct ob_moments **ret_moments,
                           uint32_t *ret_end, struct ob_error *error) {
    const struct ob_model *model = options->model;
    struct ob_moments *m = calloc(1, sizeof *m);
    if (!m)
        return ob_fail(error, OB_ENOMEM, "not enough memory for second moments");
    m->options = *options;
    m->inputs = calloc(model->config.layers * sizeof SHARED / sizeof *SHARED, sizeof *m->inputs);
    m->input_of = calloc(model->tensor_count, sizeof *m->input_of);
    enum ob_err failed =
        m->inputs && m->input_of ? OB_OK : ob_fail(error, OB_ENOMEM, "not enough memory for second moments");
    for (size_t i = 0; !failed && i < model->tensor_count; i++)
        m->input_of[i] = -1;
    uint32_t layer = options->first_layer;
    for (size_t bytes = 0; !failed && layer < model->config.layers; layer++) {
        bytes += layer_bytes(m, layer);
        if (bytes > options->bytes_max && layer > options->first_layer)
            break;
        failed = add_layer(m, layer, error);
    }
    if (failed) {
        ob_moments_free(m);
        return failed;
    }
    *ret_moments = m;
    *ret_end = layer;
    return OB_OK;
}

void ob_moments_free(struct ob_moments *m) {
    if (!m)
        return;
    for (size_t i = 0; m->inputs && i < m->count; i++)
        free(m->inputs[i].sums);
    free(m->inputs);
    free(m->input_of);
    free(m->kept);
    free(m->squares);
    free(m);
}

/* ---- sums ---- */

struct panel_job {
    const struct input *input;
    const float *x;
    size_t rows, stride;
};

/* Columns [first, in) of rows [first, first + PANEL) of the sums. */
static void add_panel(void *context, size_t index, unsigned thread) {
    (void)thread;
    const struct panel_job *job = context;
    size_t in = job->input->in, first = index * PANEL, count = in - first < PANEL ? in - first : PANEL;
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)count, (int)(in - first), (int)job->rows, 1.0f,
                job->x + first, (int)job->stride, job->x + first, (int)job->stride, 1.0f,
                job->input->sums + first * in + first, (int)in);
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Rows that are no giants, one after another; false: no memory, then none is left out. */
static bool leave_giants(struct ob_moments *m, struct panel_job *job) {
    size_t in = job->input->in, kept = 0;
    if (m->kept_floats < job->rows * in) {
        free(m->kept);
        m->kept = malloc(job->rows * in * sizeof *m->kept);
        m->kept_floats = m->kept ? job->rows * in : 0;
    }
    if (m->squares_count < 2 * job->rows) {
        free(m->squares);
        m->squares = malloc(2 * job->rows * sizeof *m->squares);
        m->squares_count = m->squares ? 2 * job->rows : 0;
    }
    if (!m->kept || !m->squares)
        return false;
    double *squares = m->squares, *sorted = m->squares + job->rows;
    for (size_t r = 0; r < job->rows; r++) {
        squares[r] = 0;
        for (size_t i = 0; i < in; i++)
            squares[r] += (double)job->x[r * job->stride + i] * (double)job->x[r * job->stride + i];
        sorted[r] = squares[r];
    }
    qsort(sorted, job->rows, sizeof *sorted, compare);
    for (size_t r = 0; r < job->rows; r++)
        if (squares[r] <= GIANT_SQUARE * sorted[job->rows / 2])
            memcpy(m->kept + kept++ * in, job->x + r * job->stride, in * sizeof *m->kept);
    job->x = m->kept;
    job->rows = kept;
    job->stride = in;
    return true;
}

void ob_moments_see(void *context, size_t tensor, const float *x, size_t rows, size_t columns,
                    size_t stride) {
    struct ob_moments *m = context;
    int64_t number = ob_moments_of(m, tensor);
    if (number < 0 || m->inputs[number].leader != tensor || rows == 0)
        return;
    struct input *input = &m->inputs[number];
    assert(input->in == columns);
    struct panel_job job = {.input = input, .x = x, .rows = rows, .stride = stride};
    if (m->options.without_giants)
        (void)leave_giants(m, &job);
    input->rows += job.rows;
    ob_pool_run(m->options.pool, (input->in + PANEL - 1) / PANEL, add_panel, &job);
}

/* ---- what came out ---- */

size_t ob_moments_count(const struct ob_moments *m) {
    return m->count;
}

struct ob_moment ob_moments_get(const struct ob_moments *m, size_t number) {
    const struct input *input = &m->inputs[number];
    return (struct ob_moment){.in = input->in, .rows = input->rows, .upper = input->sums};
}

int64_t ob_moments_of(const struct ob_moments *m, size_t tensor) {
    return tensor < m->options.model->tensor_count ? m->input_of[tensor] : -1;
}
