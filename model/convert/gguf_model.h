/* gguf_model - a model of one of our families as GGUF describes it: architectures, names of tensors, keys of
 * the configuration, and the order in which GGUF keeps rows. One table each, for reading and for writing.
 *
 * Errors:  OB_EUNSUPPORTED names the architecture, the option or the tensor.
 * Threads: pure functions.
 * Source:  the GGUF specification; the names and orders that llama.cpp's converter writes. */
#ifndef OB_MODEL_CONVERT_GGUF_MODEL_H
#define OB_MODEL_CONVERT_GGUF_MODEL_H

#include <jansson.h>

#include "model/families/family.h"
#include "model/families/model.h"
#include "model/formats/gguf.h"

enum ob_gguf_key_kind { OB_GGUF_KEY_INTEGER, OB_GGUF_KEY_REAL, OB_GGUF_KEY_BOOL };

struct ob_gguf_key {
    const char *suffix; /* of ARCHITECTURE.suffix */
    const char *name;   /* in config.json */
    enum ob_gguf_key_kind kind;
};

struct ob_gguf_architecture {
    const char *name;   /* general.architecture */
    const char *family; /* what config.json calls it */
    const char *also;   /* a family that GGUF keeps under this name too, or NULL */
    const char *fixed;  /* what config.json says for every model of this architecture: a JSON object */
    const struct ob_gguf_key *keys;
    size_t key_count;
    const char *width, *heads; /* names in config.json */
    /* What GGUF does not say, because models of this architecture have it, or have not. */
    enum ob_activation activation;
    unsigned parts, parts_also; /* of enum ob_part: all of these, and any of those */
    bool permuted;              /* rows of queries and keys: the halves of a head interleaved */
    bool regrouped;             /* rows of the fused product: all queries, all keys, all values */
};

/* NULL: not supported. `bytes` is the length of `name`. */
const struct ob_gguf_architecture *ob_gguf_architecture_named(const char *name, size_t bytes);
const struct ob_gguf_architecture *ob_gguf_architecture_of(const char *family);

/* What a GGUF file could not say of a model, so that it would be read as another one. */
OB_MUST_USE enum ob_err ob_gguf_check_model(const struct ob_gguf_architecture *architecture,
                                            const struct ob_model *model, struct ob_error *error);

/* The name of what is in a slot, or false when GGUF has no place for it. */
bool ob_gguf_slot_name(enum ob_slot slot, uint32_t layer, char ret_name[OB_NAME_MAX]);
/* Does GGUF keep the rows of this slot in another order than ours? If so: where row r of the canonical tensor
 * lies, for each of its rows. */
bool ob_gguf_is_reordered(const struct ob_gguf_architecture *architecture, enum ob_slot slot);
void ob_gguf_rows(const struct ob_model_config *config, enum ob_slot slot, uint32_t *ret_rows);
/* Are the matrices in this slot (in, out) with us and (out, in) in GGUF? */
bool ob_gguf_is_turned(const struct ob_model_config *config, enum ob_slot slot);

/* A config.json from the metadata. */
OB_MUST_USE enum ob_err ob_gguf_config(const struct ob_gguf *gguf, json_t **ret_config,
                                       struct ob_error *error);
/* The parameters behind a tensor of `count` rope factors, half a head's width: a "rope_scaling" object of
 * type llama3, or OB_EUNSUPPORTED, OB_EMISMATCH. */
OB_MUST_USE enum ob_err ob_gguf_rope_scaling(const struct ob_gguf *gguf, double theta, size_t count,
                                             json_t **ret_scaling, struct ob_error *error);

/* The tensor of rope factors for scaling of type llama3: `count` of them, half the turning width. */
void ob_gguf_rope_factors(const struct ob_rope *rope, size_t count, float *ret_factors);
#define OB_GGUF_ROPE_FACTORS "rope_freqs.weight"

/* Opens PATH, whose configuration was read already: the checkpoint has canonical names and order. Matrices
 * that must be turned are copied into memory (in their own type when it is a plain one, else in float32); all
 * else stays mapped. */
OB_MUST_USE enum ob_err ob_gguf_checkpoint(const char *path, const struct ob_model_config *config,
                                           struct ob_checkpoint **ret_checkpoint, struct ob_error *error);

#endif
