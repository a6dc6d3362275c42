/* llama - what the families that are written in Llama's terms share. Private to the family files. */
#ifndef OB_MODEL_FAMILIES_LLAMA_H
#define OB_MODEL_FAMILIES_LLAMA_H

#include "model/families/family.h"

extern const struct ob_family_keys ob_family_llama_keys;
#define OB_FAMILY_LLAMA_TENSORS 21
extern const struct ob_family_tensor ob_family_llama_tensors[OB_FAMILY_LLAMA_TENSORS];

#define OB_FAMILY_LIKE_LLAMA                                                                                 \
    .optional_prefix = "model.", .keys = &ob_family_llama_keys, .tensors = ob_family_llama_tensors,          \
    .tensor_count = OB_FAMILY_LLAMA_TENSORS

#endif
