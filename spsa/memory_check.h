/* memory_check - each leaf's sum of m mod 2^32, as the log makes it, against what the memory
 * holds.
 *
 * An update changes the sum of a leaf by -q · Σz, and Σz is a popcount of the keystream that replay has at
 * hand anyway: replay carries the sums of checked weights along. They are predictions: they come from the
 * base and the updates, never from the weights again, so a bit that flips in the weights, or anything else
 * that writes there, makes its leaf differ (a single flipped bit always does), and nothing else is needed to
 * find it.
 * Errors:  OB_ENOMEM.
 * Threads: the one that writes the weights. */
#ifndef OB_SPSA_MEMORY_CHECK_H
#define OB_SPSA_MEMORY_CHECK_H

#include "spsa/leaf.h"

/* From here on; what the weights hold now is taken to be right. Again: they are taken anew. */
OB_MUST_USE enum ob_err ob_spsa_memory_check_start(const struct ob_spsa_engine *engine,
                                                   struct ob_spsa_weights *weights, struct ob_error *error);
/* How many leaves differ from what they should sum up to; ret_wrong[leaf] (ob_spsa_leaf_count of them) says
 * which. The check was started. */
size_t ob_spsa_memory_check(const struct ob_spsa_engine *engine, const struct ob_spsa_weights *weights,
                            bool *ret_wrong);
/* The sum of some values mod 2^32. */
uint32_t ob_spsa_sum(const struct ob_spsa_engine *engine, const int32_t *values, size_t count);

#endif
