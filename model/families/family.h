/* family - a model family is a description: what config.json calls its sizes, what is so for all its models,
 * and a table of its tensors in canonical order, each with its name, its place in the forward pass (a slot),
 * its role, its shape in dimension letters and the part that it belongs to. Loading, checking, naming and the
 * forward pass all come from it: the next family is another description.
 *
 * Threads: constant data. */
#ifndef OB_MODEL_FAMILIES_FAMILY_H
#define OB_MODEL_FAMILIES_FAMILY_H

#include "model/families/config_internal.h"
#include "model/families/model.h"

/* Where a tensor is used. A family that lacks one (a bias, say) simply has no row for it. */
enum ob_slot {
    OB_SLOT_TOKENS,      /* (V, E) token embedding */
    OB_SLOT_POSITIONS,   /* (P, C) learned positions */
    OB_SLOT_PROJECT_IN,  /* (C, E) from the embedding to the first layer */
    OB_SLOT_PROJECT_OUT, /* (E, C) from the last norm to the head */
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
    OB_SLOT_Q_NORM, /* (D) of each query head, before it turns */
    OB_SLOT_K_NORM,
    OB_SLOT_O,
    OB_SLOT_O_BIAS,
    OB_SLOT_O_NORM, /* of the attention's output, before it joins the residual stream */
    OB_SLOT_NORM2,
    OB_SLOT_NORM2_BIAS,
    OB_SLOT_GATE,
    OB_SLOT_GATE_BIAS,
    OB_SLOT_UP,
    OB_SLOT_UP_BIAS,
    OB_SLOT_DOWN,
    OB_SLOT_DOWN_BIAS,
    OB_SLOT_DOWN_NORM, /* of the feed-forward part's output */
    OB_SLOT_FINAL_NORM,
    OB_SLOT_FINAL_NORM_BIAS,
    OB_SLOT_HEAD, /* (V, E); missing when it is tied to the embedding */
    OB_SLOT_NONE, /* no tensor has it */
    OB_SLOT_COUNT
};

/* Dimension letters of model/families/config.h, and what is made of them. */
enum ob_dimension {
    OB_DIM_NONE,
    OB_DIM_V,
    OB_DIM_C,
    OB_DIM_E,
    OB_DIM_F,
    OB_DIM_D,
    OB_DIM_P,   /* rows of a position table: context and offset */
    OB_DIM_HD,  /* H · D: queries */
    OB_DIM_KD,  /* K · D: keys or values */
    OB_DIM_QKV, /* H·D + 2·K·D */
};

struct ob_family_tensor {
    const char *name; /* %u stands for the layer; a name without it is not in a layer */
    enum ob_slot slot;
    enum ob_tensor_role role;
    enum ob_dimension shape[2];
    enum ob_part part;
};

/* What config.json calls the sizes that every family has. NULL: the family has no such key, and the value
 * comes from `base` or from the other sizes. */
struct ob_family_keys {
    const char *vocabulary, *width, *layers, *heads, *kv_heads, *head_width, *ff_width, *context;
    const char *norm_epsilon, *activation;
    uint32_t ff_widths; /* a missing ff_width is so many widths; 0: it must be there */
};

struct ob_family {
    const char *architecture;
    const char *optional_prefix; /* some files leave it out of their names; "" when there is none */
    bool input_major;            /* matrices are (in, out), as GPT-2's; else (out, in) */
    const struct ob_family_keys *keys;
    /* What all its models are, and the values of keys that are not there (0: it must be there). */
    struct ob_model_config base;
    const struct ob_family_tensor *tensors;
    size_t tensor_count;
    const char *head_alias; /* another name that files give the head; NULL: none */
    const char *const
        *buffers; /* masks and the like in a file, from their last dot on; ends with NULL. NULL: none */
    /* The options that only this family has; the common ones are filled in already. */
    void (*configure)(struct ob_config_reader *reader, struct ob_model_config *config);
};

extern const struct ob_family ob_family_gpt2, ob_family_opt, ob_family_neox;
extern const struct ob_family ob_family_llama, ob_family_mistral, ob_family_qwen2, ob_family_qwen3;
extern const struct ob_family ob_family_gemma, ob_family_gemma2, ob_family_gemma3;

/* NULL: not supported. */
const struct ob_family *ob_family_find(const char *architecture);
/* "A, B and C", for messages. */
const char *ob_family_names(void);
uint64_t ob_family_dimension(const struct ob_model_config *config, enum ob_dimension dimension);
bool ob_family_in_layer(const struct ob_family_tensor *row);
bool ob_family_has(const struct ob_model_config *config, const struct ob_family_tensor *row);
/* A name in a file that is no weight of the model: a mask, a table of angles, the copy of a tied head. */
bool ob_family_ignores(const struct ob_model_config *config, const char *name);

/* A tensor's name: the layer for a %u in it. */
void ob_family_name(const char *pattern, uint32_t layer, char ret_name[OB_NAME_MAX]);

/* The tensor in a slot of a layer (0 for what is not in a layer), or -1. */
int64_t ob_model_slot(const struct ob_model *model, uint32_t layer, enum ob_slot slot);

#endif
