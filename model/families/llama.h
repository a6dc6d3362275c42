/* family_llama - what the families that are written in Llama's terms share. Private to the family files. */
#ifndef OB_MODEL_FAMILIES_LLAMA_H
#define OB_MODEL_FAMILIES_LLAMA_H

#include "model/families/family.h"

extern const struct ob_family_keys ob_family_llama_keys;

#endif
