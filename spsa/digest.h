/* digest - names for the weights' bits.
 *
 * Weights digest, a BLAKE2b-256 tree: leaf(t, k) = BLAKE2b-256("onebyte/leaf" ‖ le32(t) ‖ le64(k) ‖ the
 * little-endian int32 values [k·65536, (k+1)·65536) of tensor t); root = BLAKE2b-256("onebyte/root" ‖ for
 * each tensor le64(elements) ‖ its leaves in order). Threads work on leaves; the result does not depend on
 * them.
 *
 * Memory check: sum over all elements of m mod 2^32. An update changes it by -q · Σz, and Σz is a popcount of
 * the keystream, so the log predicts it without another peer.
 * Errors: OB_ENOMEM. */
#ifndef OB_SPSA_DIGEST_H
#define OB_SPSA_DIGEST_H

#include "spsa/update.h"

#define OB_SPSA_LEAF_ELEMENTS 65536

OB_MUST_USE enum ob_err ob_spsa_digest(const struct ob_spsa_engine *engine,
                                       const struct ob_spsa_weights *weights, struct ob_hash *ret_digest,
                                       struct ob_error *error);
uint32_t ob_spsa_checksum(const struct ob_spsa_engine *engine, const struct ob_spsa_weights *weights);
/* What applying `updates` adds to the checksum (mod 2^32). */
uint32_t ob_spsa_checksum_change(const struct ob_spsa_engine *engine, const struct ob_spsa_weights *weights,
                                 const struct ob_spsa_rule *rule, const struct ob_spsa_update *updates,
                                 size_t count);

#endif
