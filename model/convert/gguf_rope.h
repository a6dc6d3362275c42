/* gguf_rope - rotary positions that GGUF scales by tensors of factors.
 *
 * LongRoPE's two lists are two tensors. Llama 3's scaling is a tensor of factors, one for each frequency,
 * by which frequencies are divided; Hugging Face as the parameters that they are computed from. A factor of
 * the part between high and low frequencies tells the original context; where there is none, those of
 * published models are tried.
 *
 * Errors:  OB_EUNSUPPORTED, OB_EMISMATCH name the tensor.
 * Threads: pure functions. */
#ifndef OB_MODEL_CONVERT_GGUF_ROPE_H
#define OB_MODEL_CONVERT_GGUF_ROPE_H

#include <jansson.h>

#include "model/families/config.h"
#include "model/formats/gguf_value.h"

#define OB_GGUF_ROPE_FACTORS       "rope_freqs.weight"
#define OB_GGUF_ROPE_FACTORS_SHORT "rope_factors_short.weight"
#define OB_GGUF_ROPE_FACTORS_LONG  "rope_factors_long.weight"

/* The parameters behind a tensor of `count` rope factors, half the rotated width: a "rope_scaling" object of
 * type llama3. */
OB_MUST_USE enum ob_err ob_gguf_rope_scaling(const struct ob_gguf *gguf, double theta, size_t count,
                                             json_t **ret_scaling, struct ob_error *error);
/* A "rope_scaling" object of type longrope, of the two tensors' factors. */
OB_MUST_USE enum ob_err ob_gguf_longrope_scaling(const struct ob_gguf *gguf, json_t **ret_scaling,
                                                 struct ob_error *error);
/* The tensor of rope factors for scaling of type llama3: `count` of them. */
void ob_gguf_rope_factors(const struct ob_rope *rope, size_t count, float *ret_factors);

#endif
