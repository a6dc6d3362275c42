/* peak - the most operations a second that a way to multiply (product_way.h) reaches on this machine: every thread
 * multiplies its own operands, which stay in its caches. The efficiency of a whole sample is relative to this.
 *
 * Errors:  OB_EUNSUPPORTED, by name; OB_ENOMEM.
 * Threads: one call at a time for a pool. */
#ifndef OB_MODEL_FORWARD_PEAK_H
#define OB_MODEL_FORWARD_PEAK_H

#include "base/pool.h"
#include "model/forward/products.h"

OB_MUST_USE enum ob_err ob_products_peak(const struct ob_products *way, struct ob_pool *pool,
                                         double *ret_operations_per_second, struct ob_error *error);

#endif
