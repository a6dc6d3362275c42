/* moments - second moments of what goes into each matrix of a model, summed while forward passes run:
 * C = Σ x xᵀ over the rows x of inputs. Matrices with the same inputs share one: a layer's queries, keys and values; gate and up.
 *
 * Sums are float32, each element's in the order of the rows: they do not depend on the number of threads.
 * Memory:  4 · in² bytes for each distinct input. ob_moments_new takes as many layers from `first_layer` on as fit
 *          `bytes_max`, at least one; the others take further passes over the rows.
 * Errors:  OB_ENOMEM.
 * Threads: one at a time; uses the pool. */
#ifndef OB_MODEL_FORWARD_MOMENTS_H
#define OB_MODEL_FORWARD_MOMENTS_H

#include "base/pool.h"
#include "model/families/model.h"

struct ob_moments;

struct ob_moments_options {
    const struct ob_model *model;
    const bool *wanted;   /* (model->tensor_count) the matrices whose inputs are wanted */
    bool without_giants;  /* rows of more than ten times the median length are left out */
    uint32_t first_layer; /* … of the model */
    size_t bytes_max;
    struct ob_pool *pool;
};

/* ret_end: the layer after the last that is summed. */
OB_MUST_USE enum ob_err ob_moments_new(const struct ob_moments_options *options,
                                       struct ob_moments **ret_moments, uint32_t *ret_end,
                                       struct ob_error *error);
void ob_moments_free(struct ob_moments *moments);
/* For ob_forward_observe; context: the moments. */
void ob_moments_see(void *context, size_t tensor, const float *x, size_t rows, size_t columns, size_t stride);

/* The distinct inputs that are summed. */
size_t ob_moments_count(const struct ob_moments *moments);
struct ob_moment {
    size_t in;
    uint64_t rows;      /* that were summed */
    const float *upper; /* (in, in) row-major, of which the upper triangle counts */
};
struct ob_moment ob_moments_get(const struct ob_moments *moments, size_t number);
/* Which of them a matrix's inputs are; -1: not summed. */
int64_t ob_moments_of(const struct ob_moments *moments, size_t tensor);

#endif
