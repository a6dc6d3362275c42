/* gguf_names - GGUF's names for our slots, and the order in which it keeps their rows. One table for all
 * families: GGUF names a tensor by its place in the model, as slots do.
 *
 * Threads: pure functions.
 * Source:  the GGUF specification; the names and orders that llama.cpp's converter writes. */
#ifndef OB_MODEL_CONVERT_GGUF_NAMES_H
#define OB_MODEL_CONVERT_GGUF_NAMES_H

#include "model/families/family.h"

/* The name of what is in a slot, or false when GGUF has no place for it. */
bool ob_gguf_slot_name(enum ob_slot slot, uint32_t layer, char ret_name[OB_NAME_MAX]);
/* Does GGUF keep the rows of this slot in another order than ours? If so: where row r of the canonical tensor
 * lies, for each of its rows. The family has a GGUF description. */
bool ob_gguf_is_reordered(const struct ob_family *family, enum ob_slot slot);
void ob_gguf_rows(const struct ob_model_config *config, enum ob_slot slot, uint32_t *ret_rows);
/* Are the matrices in this slot (in, out) with us and (out, in) in GGUF? */
bool ob_gguf_is_transposed(const struct ob_family *family, enum ob_slot slot);

/* Are tensors of this role zero-centered gammas with us, and 1 more in GGUF? */
bool ob_gguf_is_shifted(const struct ob_family *family, enum ob_tensor_role role);

#endif
