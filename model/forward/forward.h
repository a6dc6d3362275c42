/* forward - the transformer's forward pass, losses and logits over a weight source.
 *
 * One pass evaluates any number of parts of a mini-batch, each along a direction of its own: w + ε σz and
 * w - ε σz, or one of them, or w. All parts go through the layers together: a trained tile is materialised
 * for both sides from one read of the master, a frozen one is multiplied with the rows of all parts at once,
 * and layers before the first trained tensor run once. Sequences are packed; attention never crosses them.
 * Logits are computed only at positions that a loss needs, in tiles, without ever holding (T, V).
 *
 * Losses: mean next-token cross-entropy in nats over the targets of the loss mask.
 * Owns:    one arena for all activations and scratch, sized by ob_forward_new; frozen weights in the
 *          products' order, made at the first pass over a model.
 * Errors:  OB_ENOMEM; OB_ETOOBIG for a batch beyond the limits or a sequence beyond the context;
 *          OB_EFORMAT for a token outside the vocabulary. A loss that is not finite is returned as it is.
 * Threads: one call at a time for each ob_forward; it shares the pool's threads.
 * Source:  GPT-2 (Radford et al. 2019), Llama (Touvron et al. 2023), RoPE (Su et al. 2021). */
#ifndef OB_MODEL_FORWARD_FORWARD_H
#define OB_MODEL_FORWARD_FORWARD_H

#include "base/ids.h"
#include "base/pool.h"
#include "model/families/weight_source.h"
#include "model/forward/batch.h"
#include "model/forward/prefix.h"
#include "model/forward/products.h"

struct ob_forward;

/* tokens_max, sequences_max: the largest batch. pool may be NULL. Products are float32. */
OB_MUST_USE enum ob_err ob_forward_new(const struct ob_model_config *config, size_t tokens_max,
                                       size_t sequences_max, struct ob_pool *pool,
                                       struct ob_forward **ret_forward, struct ob_error *error);
/* Bytes of activations and scratch that ob_forward_new takes. */
size_t ob_forward_bytes_for(const struct ob_model_config *config, size_t tokens_max, size_t sequences_max,
                            struct ob_pool *pool);
void ob_forward_free(struct ob_forward *forward);
/* From now on products with weights go this way (products.h), attention's stay float32. docs/performance.md
 * has what each does to an estimate. OB_EUNSUPPORTED names a way that this processor cannot run; OB_ENOMEM.
 * Unchanged on failure. */
OB_MUST_USE enum ob_err ob_forward_use(struct ob_forward *forward, const struct ob_products *products,
                                       struct ob_error *error);
/* The same by name: float32, bfloat16 (the first such way that is available), or one of products.h. */
OB_MUST_USE enum ob_err ob_forward_use_named(struct ob_forward *forward, const char *name,
                                             struct ob_error *error);
/* While `keep`, a way that is left keeps what was packed for it, so that returning to it costs nothing: for measurements
 * that take turns. False: frees that again. */
void ob_forward_keep_ways(struct ob_forward *forward, bool keep);
/* The loops between the products (vector.h); ob_vector_best() at first. Call it before ob_forward_use. */
void ob_forward_use_loops(struct ob_forward *forward, const struct ob_vector_loops *loops);
const struct ob_products *ob_forward_products(const struct ob_forward *forward);
/* From now on the states of sequences after the frozen layers are cached (prefix.h): in memory up to
 * `memory_bytes`, then in an unnamed file of `folder` (NULL: none) up to `file_bytes`. */
OB_MUST_USE enum ob_err ob_forward_keep_prefix(struct ob_forward *forward, size_t memory_bytes,
                                               const char *folder, size_t file_bytes, struct ob_error *error);
/* Zeros when nothing is kept. */
struct ob_prefix_counters ob_forward_prefix_counters(const struct ob_forward *forward);
/* From now on frozen weights are packed into a file of `folder` that daemons of this host map together
 * (frozen_file.h); `base` is the hash of the model's weights, all that they are. */
OB_MUST_USE enum ob_err ob_forward_share_frozen(struct ob_forward *forward, const char *folder,
                                                const struct ob_hash *base, struct ob_error *error);
/* Packs frozen weights now; else the first pass does. */
OB_MUST_USE enum ob_err ob_forward_prepare(struct ob_forward *forward, const struct ob_weight_source *source,
                                           struct ob_error *error);
/* Limits the pass to `layers` of the model (0: all of them), for measurements: from the first that is trained on, or the
 * last so many. */
void ob_forward_limit_layers(struct ob_forward *forward, uint32_t layers);
/* From now on `see` is called before each product of a layer with the rows that it multiplies (NULL: no longer):
 * x (rows, columns), its rows `stride` apart, of the model's tensor `tensor`. In the calling thread; it may use the pool. */
typedef void (*ob_inputs_fn)(void *context, size_t tensor, const float *x, size_t rows, size_t columns,
                             size_t stride);
void ob_forward_observe(struct ob_forward *forward, ob_inputs_fn see, void *context);

/* Bytes, for status and benchmarks: activations and scratch; frozen weights in the products' order. */
size_t ob_forward_bytes(const struct ob_forward *forward);
size_t ob_forward_frozen_bytes(const struct ob_forward *forward);

/* Sequences [first_sequence, first_sequence + sequences) of a batch, along one direction. */
struct ob_forward_part {
    const struct ob_spsa_key *key; /* NULL: w, one side */
    bool one_sided;                /* w + ε σz alone */
    size_t first_sequence, sequences;
};

/* Sum of the losses of each sequence and its number of targets, for each part in turn, for each of its sides
 * (plus, minus): ret_sums and ret_counts have one entry for each. The source's own key is not looked at, its
 * epsilon is. Parts may overlap: several directions of one row cost its frozen products once for each view,
 * its frozen prefix once. */
OB_MUST_USE enum ob_err ob_forward_parts(struct ob_forward *forward, const struct ob_weight_source *source,
                                         const struct ob_batch *batch, const struct ob_forward_part *parts,
                                         size_t part_count, double *ret_sums, uint32_t *ret_counts,
                                         struct ob_error *error);

/* The whole batch along the source's key. ret_losses: one value for each lane (two with a key). A batch
 * without targets gives OB_EFORMAT. */
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
