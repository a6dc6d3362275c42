/* adapter - low-rank adapters (LoRA, Hu et al. 2021) beside a base that stays as it is: a matrix W (out, in)
 * becomes W + scale · B · A with A (rank, in), B (out, rank), scale = alpha / rank. The forward pass never
 * forms the product: y += scale · (x · Aᵀ) · Bᵀ.
 *
 * Adapters are tensors of the model after its base tensors: those of base tensor t are `adapter_of[t]` (A)
 * and the next one (B), named as PEFT names them without "base_model.model.": X.weight gives X.lora_A.weight
 * and X.lora_B.weight. They have no values in a checkpoint: they exist only as trained integers.
 *
 * With a basis (model/families/basis.h) A is not trained: it is the basis's tensor of that name.
 *
 * Initial values: B is zero. Element i of A is the signed 32-bit little-endian word i of the ChaCha20-IETF
 * keystream with key BLAKE2b-256(key = run_id, "onebyte/lora"), nonce le32(number in the manifest) ‖ 0^8,
 * shifted right by 5 + k, where k is half the number of bits of `in`, rounded down: with exponent 26, uniform
 * over [-2^-k, 2^-k), which is within a factor of sqrt 2 of PEFT's 1 / sqrt(in).
 * Errors:  OB_EUSAGE for a tensor that is no matrix of a layer; OB_ENOMEM; OB_EMISMATCH, a basis of other adapters.
 * Threads: as model.h. */
#ifndef OB_MODEL_FAMILIES_ADAPTER_H
#define OB_MODEL_FAMILIES_ADAPTER_H

#include "model/families/weight_source.h"

#define OB_ADAPTER_EXPONENT 26

/* Adds adapters to the base tensors that `targets` (model->tensor_count) names. Once, before anything else
 * uses the model. */
OB_MUST_USE enum ob_err ob_model_adapt(struct ob_model *model, uint32_t rank, double alpha,
                                       const bool *targets, struct ob_error *error);
/* Takes the basis, also on failure: from now on each A is the basis's. It must have exactly these, in their shapes.
 * `path`: its name, for messages. */
OB_MUST_USE enum ob_err ob_model_set_basis(struct ob_model *model, struct ob_basis *basis, const char *path,
                                           struct ob_error *error);
/* Is a tensor of the model an adapter's A? */
bool ob_adapter_is_a(const struct ob_model *model, size_t tensor);
/* "X.weight" → "X.lora_A.weight"; false: the name does not end so, or is too long. */
bool ob_adapter_name(const char *base, char letter, char ret_name[OB_NAME_MAX]);
/* Elements [first, first + count) of the initial A of a matrix with `in` inputs. */
void ob_adapter_initial(const struct ob_run_id *run, uint32_t number, uint64_t in, uint64_t first,
                        size_t count, int32_t *ret_values);
/* Like ob_source_read for one lane, with a base tensor's adapter merged into it (in float64, then rounded).
 */
void ob_source_read_merged(const struct ob_weight_source *source, size_t tensor, uint64_t first, size_t count,
                           float *ret_values);

#endif
