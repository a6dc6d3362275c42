/* family - a model family is a table: the tensors in canonical order, each with its name, its role, its place
 * in the forward pass (a slot) and its shape in dimension letters, and a few options. Loading, checking,
 * naming and the forward pass all come from it: the next family is a table and a configuration reader.
 *
 * Threads: constant data. */
#ifndef OB_MODEL_FAMILY_H
#define OB_MODEL_FAMILY_H

#include <jansson.h>

#include "model/model.h"

/* Where a tensor is used. A family that lacks one (a bias, say) simply has no row for it. */
enum ob_slot {
    OB_SLOT_TOKENS,    /* (V, C) token embedding */
    OB_SLOT_POSITIONS, /* (P, C) learned positions */
    OB_SLOT_NORM1,
    OB_SLOT_NORM1_BIAS,
    OB_SLOT_QKV, /* queries, keys and values in one product */
    OB_SLOT_QKV_BIAS,
    OB_SLOT_Q,
    OB_SLOT_Q_BIAS,
    OB_SLOT_K,
    OB_SLOT_K_BIAS,
    OB_SLOT_V,
    OB_SLOT_V_BIAS,
    OB_SLOT_O,
    OB_SLOT_O_BIAS,
    OB_SLOT_NORM2,
    OB_SLOT_NORM2_BIAS,
    OB_SLOT_GATE,
    OB_SLOT_GATE_BIAS,
    OB_SLOT_UP,
    OB_SLOT_UP_BIAS,
    OB_SLOT_DOWN,
    OB_SLOT_DOWN_BIAS,
    OB_SLOT_FINAL_NORM,
    OB_SLOT_FINAL_NORM_BIAS,
    OB_SLOT_HEAD, /* (V, C); missing when it is tied to the embedding */
    OB_SLOT_COUNT
};

/* Dimension letters of model/config.h, and what is made of them. */
enum ob_dimension {
    OB_DIM_NONE,
    OB_DIM_V,
    OB_DIM_C,
    OB_DIM_F,
    OB_DIM_P,   /* context */
    OB_DIM_HD,  /* H · D: queries */
    OB_DIM_KD,  /* K · D: keys or values */
    OB_DIM_QKV, /* H·D + 2·K·D */
};

struct ob_family_tensor {
    const char *name; /* %u stands for the layer */
    enum ob_slot slot;
    enum ob_tensor_role role;
    bool per_layer;
    enum ob_dimension shape[2];
};

struct ob_family {
    const char *architecture;
    const char *optional_prefix; /* some files leave it out of their names; "" when there is none */
    bool input_major;            /* matrices are (in, out), as GPT-2's; else (out, in) */
    const struct ob_family_tensor *tensors;
    size_t tensor_count;
    /* Fills a configuration from config.json; the family is set already. */
    enum ob_err (*configure)(const json_t *root, const char *path, struct ob_model_config *config,
                             struct ob_error *error);
    /* Names in a file that are no weights (masks, copies of a tied head). */
    bool (*ignores)(const char *name);
};

extern const struct ob_family ob_family_gpt2, ob_family_llama;

/* NULL: not supported. */
const struct ob_family *ob_family_find(const char *architecture);
uint64_t ob_family_dimension(const struct ob_model_config *config, enum ob_dimension dimension);

/* A tensor's name: the layer for a %u in it. */
void ob_family_name(const char *pattern, uint32_t layer, char ret_name[OB_NAME_MAX]);

/* The tensor in a slot of a layer (0 for what is not in a layer), or -1. */
int64_t ob_model_slot(const struct ob_model *model, uint32_t layer, enum ob_slot slot);

#endif
