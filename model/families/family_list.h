/* family_list - all families (family_list.def), and finding one.
 *
 * Threads: constant data. */
#ifndef OB_MODEL_FAMILIES_FAMILY_LIST_H
#define OB_MODEL_FAMILIES_FAMILY_LIST_H

#include <stddef.h>

#include "model/families/family.h"

/* Ends with NULL. */
extern const struct ob_family *const OB_FAMILIES[];

/* By architecture ("LlamaForCausalLM"); NULL: not supported. */
const struct ob_family *ob_family_find(const char *architecture);
/* By model_type ("llama"); NULL: not supported. */
const struct ob_family *ob_family_find_type(const char *model_type);
/* By GGUF's general.architecture, of `bytes` bytes: the first one that has it; NULL: not supported. */
const struct ob_family *ob_family_find_gguf(const char *name, size_t bytes);

/* "A, B and C" of all architectures, or of GGUF's names for them, cut at `bytes`; returns `ret_names`. */
const char *ob_family_names(char *ret_names, size_t bytes);
const char *ob_family_gguf_names(char *ret_names, size_t bytes);

#endif
