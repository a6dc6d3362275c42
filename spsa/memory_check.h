/* memory_check - verifies each leaf's sum of m mod 2^32 in memory against the sum predicted from the log.
 *
 * An update changes the sum of a leaf by -q · Σz, and Σz is a popcount of the keystream that replay has at hand
 * anyway, so replay maintains the sums. They are predictions, from the base and the updates, and never read the
 * weights again: a bit that flips in the weights, or any other write to them, makes its leaf differ (a single
 * flipped bit always does).
 * Errors:  OB_ENOMEM.
 * Threads: the one that writes the weights. */
#ifndef OB_SPSA_MEMORY_CHECK_H
#define OB_SPSA_MEMORY_CHECK_H

#include "spsa/leaf.h"

/* Starts the check; the current weights are assumed to be right. Called again: takes their sums again. */
OB_MUST_USE enum ob_err ob_spsa_memory_check_start(const struct ob_spsa_engine *engine,
                                                   struct ob_spsa_weights *weights, struct ob_error *error);
/* How many leaves differ from their predicted sum; ret_wrong[leaf] (ob_spsa_leaf_count of them) shows which.
 * The check must have been started. */
size_t ob_spsa_memory_check(const struct ob_spsa_engine *engine, const struct ob_spsa_weights *weights,
                            bool *ret_wrong);
/* The sum of some values mod 2^32. */
uint32_t ob_spsa_sum(const struct ob_spsa_engine *engine, const int32_t *values, size_t count);

#endif
