/* forward - the transformer's forward pass, losses and logits over a weight source.
 *
 * One or two lanes (see source.h) go through the layers together: each weight tile is materialised once for
 * both from one read of the master, then multiplied. Sequences are packed; attention never crosses them.
 * Logits are computed only at positions that a loss needs, in tiles, without ever holding (T, V).
 *
 * Losses: mean next-token cross-entropy in nats over the targets of the loss mask.
 * Owns:    one arena for all activations and scratch, sized by ob_forward_new.
 * Errors:  OB_ENOMEM; OB_ETOOBIG for a batch beyond the limits or a sequence beyond the context;
 *          OB_EFORMAT for a token outside the vocabulary. A loss that is not finite is returned as it is.
 * Threads: one call at a time for each ob_forward; products use OpenBLAS with its own thread count, the rest
 *          the pool.
 * Source:  GPT-2 (Radford et al. 2019), Llama (Touvron et al. 2023), RoPE (Su et al. 2021). */
#ifndef OB_MODEL_FORWARD_FORWARD_H
#define OB_MODEL_FORWARD_FORWARD_H

#include "base/pool.h"
#include "model/families/weight_source.h"
#include "model/forward/batch.h"

struct ob_forward;

/* tokens_max, sequences_max: the largest batch. pool may be NULL. */
OB_MUST_USE enum ob_err ob_forward_new(const struct ob_model_config *config, size_t tokens_max,
                                       size_t sequences_max, struct ob_pool *pool,
                                       struct ob_forward **ret_forward, struct ob_error *error);
void ob_forward_free(struct ob_forward *forward);
/* From now on products with weights take bfloat16 terms (model/forward/bf16.h), attention's stay float32. Twice as fast;
 * docs/performance.md has what it does to an estimate. OB_EUNSUPPORTED where the processor cannot; OB_ENOMEM. */
OB_MUST_USE enum ob_err ob_forward_use_bf16(struct ob_forward *forward, struct ob_error *error);
size_t ob_forward_bytes(const struct ob_forward *forward); /* the arena, for status and benchmarks */

/* ret_losses: one value for each lane. A batch without targets gives OB_EFORMAT. */
OB_MUST_USE enum ob_err ob_forward_losses(struct ob_forward *forward, const struct ob_weight_source *source,
                                          const struct ob_batch *batch, double *ret_losses,
                                          struct ob_error *error);
/* Sum of the losses of each sequence and its number of targets: ret_sums (lanes, B), ret_counts (B). */
OB_MUST_USE enum ob_err ob_forward_sequence_losses(struct ob_forward *forward,
                                                   const struct ob_weight_source *source,
                                                   const struct ob_batch *batch, double *ret_sums,
                                                   uint32_t *ret_counts, struct ob_error *error);
/* Logits (V) after the token at `position` of the packed batch, lane 0. */
OB_MUST_USE enum ob_err ob_forward_logits(struct ob_forward *forward, const struct ob_weight_source *source,
                                          const struct ob_batch *batch, size_t position, float *ret_logits,
                                          struct ob_error *error);

#endif
