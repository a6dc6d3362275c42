/* source - where a forward pass gets its weights: from exact integer weights, perturbed or not, or straight
 * from the checkpoint. The pass asks tile by tile, into scratch of its own; the master is never touched. */
#ifndef OB_MODEL_FAMILIES_WEIGHT_SOURCE_H
#define OB_MODEL_FAMILIES_WEIGHT_SOURCE_H

#include "model/families/model.h"
#include "spsa/weights.h"

struct ob_weight_source {
    const struct ob_model *model;
    const struct ob_spsa_weights *weights; /* NULL: everything comes from the checkpoint */
    const int64_t *trainable; /* model->tensor_count entries: index in `weights`, or -1 for a frozen tensor.
                                 NULL with weights: tensor i is weights tensor i */
    const struct ob_spsa_engine *engine; /* needed with weights */
    const struct ob_spsa_key *key; /* NULL: one lane, unperturbed. Else two lanes: +epsilon and -epsilon */
    float epsilon;
};

static inline unsigned ob_source_lanes(const struct ob_weight_source *source) {
    return source->weights && source->key ? 2 : 1;
}
/* Elements [first, first + count) of a canonical tensor: ret_lanes[0] (and [1] with two lanes). A frozen
 * tensor is the same in both lanes. */
void ob_source_read(const struct ob_weight_source *source, size_t tensor, uint64_t first, size_t count,
                    float *const ret_lanes[2]);

#endif
