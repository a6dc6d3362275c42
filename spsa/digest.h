/* digest - identifies the weights' bits: the root over all leaves' hashes (spsa/leaf.h has the format).
 *
 * Threads work on leaves; the result does not depend on them.
 * Errors: OB_ENOMEM. */
#ifndef OB_SPSA_DIGEST_H
#define OB_SPSA_DIGEST_H

#include "spsa/leaf.h"
#include "spsa/update.h"

OB_MUST_USE enum ob_err ob_spsa_digest(const struct ob_spsa_engine *engine,
                                       const struct ob_spsa_weights *weights, struct ob_hash *ret_digest,
                                       struct ob_error *error);
/* Sum over all elements of m mod 2^32. */
uint32_t ob_spsa_checksum(const struct ob_spsa_engine *engine, const struct ob_spsa_weights *weights);
/* What applying `updates` adds to the checksum (mod 2^32), from regenerated keystreams. Tests verify the sums
 * that replay maintains (spsa/memory_check.h) against it. */
uint32_t ob_spsa_checksum_change(const struct ob_spsa_engine *engine, const struct ob_spsa_weights *weights,
                                 const struct ob_spsa_rule *rule, const struct ob_spsa_update *updates,
                                 size_t count);

#endif
