/* tie - a model's embedding and head in a checkpoint: one tensor or two, whatever the configuration says.
 *
 * A configuration that ties the head to the embedding (tie_word_embeddings) is followed when the checkpoint has
 * only one of them, under either name, or both with the same values. A different head (merged adapters, a
 * resized vocabulary) is used as it is: the model has two tensors, as transformers and llama.cpp compute it.
 * Errors:  none: what is missing is said when the model is assembled.
 * Threads: pure functions. */
#ifndef OB_MODEL_FAMILIES_TIE_H
#define OB_MODEL_FAMILIES_TIE_H

#include "model/families/family.h"
#include "model/formats/checkpoint.h"

/* Where the tensor of a row of the family's table lies in the checkpoint: under its canonical name (the row's, with
 * the layer in it), without the family's optional prefix, as the head under the family's other name for it, as a
 * tied embedding under the head's names; -1: nowhere. */
int64_t ob_family_locate(const struct ob_model_config *config, const struct ob_checkpoint *checkpoint,
                         enum ob_slot slot, const char *name);
/* Unties `config` when the checkpoint has a head that differs from the embedding. */
void ob_family_settle_head(struct ob_model_config *config, const struct ob_checkpoint *checkpoint);

#endif
