/* config - the shape and the options of one transformer, as its config.json states them.
 *
 * Dimension letters used in all of model/: V vocabulary, C width (channels), N layers, H query heads,
 * K key/value heads, D head width, F feed-forward width, T tokens of a packed mini-batch, B sequences.
 * Errors: OB_EUNSUPPORTED names the architecture or option; OB_EFORMAT, OB_ETOOBIG name the key. */
#ifndef OB_MODEL_CONFIG_H
#define OB_MODEL_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct ob_family; /* model/family.h */

enum ob_norm_kind { OB_NORM_LAYER, OB_NORM_RMS };
enum ob_position_kind { OB_POSITION_LEARNED, OB_POSITION_ROTARY };
enum ob_activation {
    OB_ACTIVATION_GELU_TANH,
    OB_ACTIVATION_GELU_ERF,
    OB_ACTIVATION_RELU,
    OB_ACTIVATION_SILU
};

struct ob_model_config {
    const struct ob_family *family;
    uint32_t vocabulary, width, layers, heads, kv_heads, head_width, ff_width, context;
    enum ob_norm_kind norm;
    enum ob_position_kind position;
    enum ob_activation activation;
    bool gated; /* SwiGLU: act(gate x) * (up x) */
    bool tied;  /* the head is the token embedding */
    float norm_epsilon;
    float rope_theta;
    int32_t bos, eos; /* token ids, -1 when the checkpoint names none */
};

/* Reads the config.json of a folder or of a GGUF file (model/documents.h). */
OB_MUST_USE enum ob_err ob_model_config_read(const char *model, struct ob_model_config *ret_config,
                                             struct ob_error *error);

#endif
