/* select - which tensors of a model a list of patterns names.
 *
 * A pattern is `all`, a group (`norms`, `biases`, `head`, `embedding`, `positions`, `attention`, `mlp`: the
 * tensors of that role; `upper-half`: the attention's and mlp's matrices of the layers from the middle on), or a shell
 * pattern over canonical names (fnmatch(3): `*`, `?`, `[...]`), such as "transformer.h.1?.attn.*". A tied embedding is both `head` and `embedding`.
 * Errors:  OB_EUSAGE for a pattern that names no tensor: the message has it.
 * Threads: pure function. */
#ifndef OB_MODEL_FAMILIES_SELECT_H
#define OB_MODEL_FAMILIES_SELECT_H

#include "model/families/model.h"

/* ret_selected (model->tensor_count): untouched on failure. At least one pattern. */
OB_MUST_USE enum ob_err ob_model_select(const struct ob_model *model, const char *const *patterns,
                                        size_t count, bool *ret_selected, struct ob_error *error);

#endif
