/* base_weights - tensors of a model file as exact fixed-point weights.
 *
 * Errors:  OB_ENOTFINITE, OB_EMISMATCH (out of range) name the file and the tensor; what was written before
 *          the error stays.
 * Threads: any for different tensors. */
#ifndef OB_RUN_BASE_WEIGHTS_H
#define OB_RUN_BASE_WEIGHTS_H

#include "model/families/model.h"
#include "spsa/weights.h"

/* `count` elements of a stored tensor from `first` on, as value * 2^exponent. */
OB_MUST_USE enum ob_err ob_base_read(const struct ob_model *model, size_t tensor, int32_t exponent,
                                     uint64_t first, size_t count, int32_t *ret_values,
                                     struct ob_error *error);
/* All of it; the pages of the file are given back as it goes. */
OB_MUST_USE enum ob_err ob_base_load(struct ob_model *model, size_t tensor, int32_t exponent,
                                     int32_t *ret_values, struct ob_error *error);

#endif
