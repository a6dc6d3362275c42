/* family - a model family is a description: what config.json calls its sizes, what is so for all its models,
 * and a table of its tensors in canonical order, each with its name, its place in the forward pass (a slot),
 * its role, its shape in dimension letters and the part that it belongs to. Loading, checking, naming and the
 * forward pass all come from it: the next family is another description.
 *
 * Threads: constant data. */
#ifndef OB_MODEL_FAMILIES_FAMILY_H
#define OB_MODEL_FAMILIES_FAMILY_H

#include "base/limits.h"
#include "model/families/config.h"
#include "model/families/config_reader.h"
#include "model/families/role.h"
#include "model/families/slot.h"

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
    OB_DIM_2F,  /* gate and up in one */
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
    const char *rope_theta;  /* the base of the rotary frequencies, in files without rope_parameters */
    const char *rotary_part; /* the part of a head that is rotated; NULL: always all of it */
    uint32_t ff_widths;      /* a missing ff_width is so many widths; 0: it must be there */
};

enum ob_family_gguf_kind { OB_GGUF_KEY_INTEGER, OB_GGUF_KEY_REAL, OB_GGUF_KEY_BOOL };

/* An entry ARCHITECTURE.suffix of a GGUF file's metadata that is `name` in config.json. */
struct ob_family_gguf_key {
    const char *suffix, *name;
    enum ob_family_gguf_kind kind;
    double otherwise; /* what a config.json without `name` means; NAN: nothing to write */
};

/* How GGUF describes the family's models. The sizes of struct ob_family_keys, norm_epsilon and rope_theta have
 * the same entries in all architectures, and slots the same names (model/convert/gguf_names.h). */
struct ob_family_gguf {
    const char *architecture; /* general.architecture; several families may have one, the first is read */
    const char *constants;    /* what config.json says for every model: members of a JSON object */
    const struct ob_family_gguf_key *keys; /* further ones; ends with a NULL suffix. NULL: none */
    const char
        *qkv_bias; /* the key of config.json for biases of queries, keys and values; NULL: attention_bias */
    /* What GGUF does not say, because models of this architecture have it, or have not. */
    bool (*is_sliding)(uint32_t layer), (*is_nope)(uint32_t layer); /* NULL: no layer is */
    double (*query_scalar)(uint32_t layers, uint32_t width, uint32_t heads,
                           uint32_t head_width); /* NULL: head_width */
    bool has_longrope;                           /* has it LongRoPE's two tensors of factors? */
    double sliding_theta; /* RoPE's base in sliding-window layers, without scaling; 0: as in the others */
    enum ob_activation activation;
    unsigned parts, parts_also; /* of enum ob_part: all of these, and any of those */
    bool permuted;              /* rows of queries and keys: the halves of a head interleaved */
    bool regrouped;             /* rows of the fused product: all queries, all keys, all values */
};

struct ob_family {
    const char *architecture, *model_type; /* of config.json */
    /* Of folders with vocab.json and merges.txt: the class of tokenizer_config.json, without "Fast", and the row of
     * model/convert/pre_tokenizer_names.h that it or the model type means. NULL: such folders are refused. */
    const char *tokenizer_class, *pre_tokenizer;
    const struct ob_family_gguf *gguf; /* NULL: GGUF has no name for it */
    const char *optional_prefix;       /* some files leave it out of their names; "" when there is none */
    bool input_major;                  /* matrices are (in, out), as GPT-2's; else (out, in) */
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

uint64_t ob_family_dimension(const struct ob_model_config *config, enum ob_dimension dimension);
bool ob_family_in_layer(const struct ob_family_tensor *row);
bool ob_family_has(const struct ob_model_config *config, const struct ob_family_tensor *row);
/* A name in a file that is no weight of the model: a mask, a table of frequencies, the copy of a tied head. */
bool ob_family_ignores(const struct ob_model_config *config, const char *name);

/* A tensor's name: the layer for a %u in it. */
void ob_family_name(const char *pattern, uint32_t layer, char ret_name[OB_NAME_MAX]);

#endif
