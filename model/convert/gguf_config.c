#include "model/convert/gguf_config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "model/convert/gguf_rope.h"
#include "model/families/family_list.h"

#define KEY_BYTES 160

struct building {
    struct ob_gguf_reader reader;
    const struct ob_family *family;
    json_t *config;
};

static const char *key_of(const struct building *b, const char *suffix, char ret_key[KEY_BYTES]) {
    (void)snprintf(ret_key, KEY_BYTES, "%s.%s", b->family->gguf->architecture, suffix);
    return ret_key;
}

static void refuse(struct building *b, const char *key, const char *why) {
    if (!b->reader.failed)
        b->reader.failed = ob_fail(b->reader.error, OB_EUNSUPPORTED, "%s: entry %s: %s",
                                   b->reader.gguf->checkpoint->path, key, why);
}

/* A float32 as the shortest decimal number that is the same float32: 1e-05, not 9.99999974e-06. */
static double shortest(double value) {
    char text[40];
    for (int digits = 6; digits <= 9; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
        if ((float)strtod(text, NULL) == (float)value)
            break;
    }
    return strtod(text, NULL);
}

static void copy_key(struct building *b, const struct ob_family_gguf_key *key) {
    char name[KEY_BYTES];
    int64_t integer;
    double real;
    bool flag;
    (void)key_of(b, key->suffix, name);
    json_t *value = NULL;
    if (key->kind == OB_GGUF_KEY_INTEGER && ob_gguf_integer(&b->reader, name, 0, INT32_MAX, &integer))
        value = integer > 0 ? json_integer(integer) : json_null();
    else if (key->kind == OB_GGUF_KEY_REAL && ob_gguf_real(&b->reader, name, &real))
        value = isfinite(real) ? json_real(shortest(real)) : json_null();
    else if (key->kind == OB_GGUF_KEY_BOOL && ob_gguf_bool(&b->reader, name, &flag))
        value = json_boolean(flag);
    if (value)
        json_object_set_new(b->config, key->name, value);
}

static bool has_tensor(const struct building *b, const char *name) {
    return ob_checkpoint_find(b->reader.gguf->checkpoint, name) >= 0;
}

/* The entries that all architectures have, by the family's names for them. */
#define SIZE_KEYS 9
static void list_sizes(const struct ob_family *family, struct ob_family_gguf_key ret_keys[SIZE_KEYS]) {
    const struct ob_family_keys *k = family->keys;
    const char *epsilon = family->base.norm == OB_NORM_LAYER ? "attention.layer_norm_epsilon"
                                                             : "attention.layer_norm_rms_epsilon";
    const struct ob_family_gguf_key keys[SIZE_KEYS] = {
        {"context_length", k->context, OB_GGUF_KEY_INTEGER},
        {"embedding_length", k->width, OB_GGUF_KEY_INTEGER},
        {"block_count", k->layers, OB_GGUF_KEY_INTEGER},
        {"feed_forward_length", k->ff_width, OB_GGUF_KEY_INTEGER},
        {"attention.head_count", k->heads, OB_GGUF_KEY_INTEGER},
        {"attention.head_count_kv", k->kv_heads, OB_GGUF_KEY_INTEGER},
        {"attention.key_length", k->head_width, OB_GGUF_KEY_INTEGER},
        {epsilon, k->norm_epsilon, OB_GGUF_KEY_REAL},
        {"rope.freq_base", k->rope_theta, OB_GGUF_KEY_REAL}};
    memcpy(ret_keys, keys, sizeof keys);
}

static void copy_keys(struct building *b) {
    struct ob_family_gguf_key sizes[SIZE_KEYS];
    list_sizes(b->family, sizes);
    for (size_t i = 0; i < SIZE_KEYS; i++)
        if (sizes[i].name)
            copy_key(b, &sizes[i]);
    for (const struct ob_family_gguf_key *key = b->family->gguf->keys; key && key->suffix; key++)
        copy_key(b, key);
}

/* What the tensors say. */
static void add_shapes(struct building *b) {
    const struct ob_checkpoint *checkpoint = b->reader.gguf->checkpoint;
    int64_t at = ob_checkpoint_find(checkpoint, "token_embd.weight");
    if (at < 0) {
        if (!b->reader.failed)
            b->reader.failed = ob_fail(b->reader.error, OB_ENOTFOUND,
                                       "%s: tensor token_embd.weight is missing", checkpoint->path);
        return;
    }
    json_object_set_new(b->config, "vocab_size", json_integer((json_int_t)checkpoint->tensors[at].shape[0]));
    unsigned also = b->family->gguf->parts_also;
    if (also & OB_PART_HEAD) /* unless the file has another head: model/families/tie.h */
        json_object_set_new(b->config, "tie_word_embeddings", json_true());
    if (also & OB_PART_QKV_BIAS)
        json_object_set_new(b->config,
                            b->family->gguf->qkv_bias ? b->family->gguf->qkv_bias : "attention_bias",
                            json_boolean(has_tensor(b, "blk.0.attn_q.bias")));
    if (also & OB_PART_MLP_BIAS)
        json_object_set_new(b->config, "mlp_bias", json_boolean(has_tensor(b, "blk.0.ffn_up.bias")));
}

static void add_special_tokens(struct building *b) {
    static const char *const KEYS[][2] = {{"tokenizer.ggml.bos_token_id", "bos_token_id"},
                                          {"tokenizer.ggml.eos_token_id", "eos_token_id"},
                                          {"tokenizer.ggml.padding_token_id", "pad_token_id"}};
    for (size_t i = 0; i < sizeof KEYS / sizeof *KEYS; i++) {
        int64_t id;
        if (ob_gguf_integer(&b->reader, KEYS[i][0], 0, INT32_MAX, &id))
            json_object_set_new(b->config, KEYS[i][1], json_integer(id));
    }
}

static int64_t head_width(const struct building *b) {
    int64_t width = json_integer_value(json_object_get(b->config, b->family->keys->width));
    int64_t heads = json_integer_value(json_object_get(b->config, b->family->keys->heads));
    const json_t *stated = json_object_get(b->config, "head_dim");
    return stated ? json_integer_value(stated) : heads > 0 ? width / heads : 0;
}

static int64_t size_of(const struct building *b, const char *key) {
    return json_integer_value(json_object_get(b->config, key));
}

/* What follows from the sizes by GGUF's rules, where a config.json has defaults of its own. */
static void add_derived(struct building *b) {
    const struct ob_family_keys *keys = b->family->keys;
    const struct ob_family_gguf *gguf = b->family->gguf;
    int64_t head = head_width(b), layers = size_of(b, keys->layers), width = size_of(b, keys->width),
            heads = size_of(b, keys->heads);
    if (keys->head_width && head > 0)
        json_object_set_new(b->config, keys->head_width, json_integer(head));
    if (gguf->query_scalar && head > 0 && heads > 0)
        json_object_set_new(b->config, "query_pre_attn_scalar",
                            json_real(gguf->query_scalar((uint32_t)layers, (uint32_t)width, (uint32_t)heads,
                                                         (uint32_t)head)));
}

/* How much of a head is rotated; and whether values are as wide as keys. */
static void add_rotation(struct building *b) {
    char key[KEY_BYTES];
    int64_t rotated, wide;
    if (ob_gguf_integer(&b->reader, key_of(b, "attention.value_length", key), 1, INT32_MAX, &wide) &&
        wide != head_width(b))
        refuse(b, key, "values and keys of different width are not supported");
    if (!ob_gguf_integer(&b->reader, key_of(b, "rope.dimension_count", key), 0, INT32_MAX, &rotated))
        return;
    const char *part = b->family->keys->rotary_part;
    if (part && head_width(b) > 0)
        json_object_set_new(b->config, part, json_real((double)rotated / (double)head_width(b)));
    else if (rotated != head_width(b) && b->family->base.position == OB_POSITION_ROTARY)
        refuse(b, key, "RoPE on a part of each head is not supported");
}

/* The factor, under its present or its first key; 1: none. */
static double rope_factor(struct building *b) {
    char key[KEY_BYTES];
    double factor = 1;
    if (!ob_gguf_real(&b->reader, key_of(b, "rope.scaling.factor", key), &factor))
        (void)ob_gguf_real(&b->reader, key_of(b, "rope.scale_linear", key), &factor);
    return factor > 0 && isfinite(factor) ? shortest(factor) : 1; /* 0: as if it were not there */
}

static void set_context(struct building *b, json_t *scaling) {
    char key[KEY_BYTES];
    int64_t context;
    if (scaling && ob_gguf_integer(&b->reader, key_of(b, "rope.scaling.original_context_length", key), 1,
                                   INT32_MAX, &context))
        json_object_set_new(scaling, "original_max_position_embeddings", json_integer(context));
}

static json_t *longrope_scaling(struct building *b) {
    char key[KEY_BYTES];
    double attention;
    json_t *scaling = NULL;
    if (!b->reader.failed)
        b->reader.failed = ob_gguf_longrope_scaling(b->reader.gguf, &scaling, b->reader.error);
    if (scaling && ob_gguf_real(&b->reader, key_of(b, "rope.scaling.attn_factor", key), &attention) &&
        isfinite(attention))
        json_object_set_new(scaling, "attention_factor", json_real(shortest(attention)));
    return scaling;
}

/* As llama.cpp reads them: a factor without a type is a linear one. */
static void add_rope_scaling(struct building *b) {
    char key[KEY_BYTES];
    struct ob_gguf_text type = {"linear", 6};
    double factor = rope_factor(b);
    bool is_stated = ob_gguf_text(&b->reader, key_of(b, "rope.scaling.type", key), &type);
    bool is_none = is_stated && ob_gguf_text_is(type, "none");
    json_t *scaling = NULL;
    const char *theta_key = b->family->keys->rope_theta;
    const json_t *theta = theta_key ? json_object_get(b->config, theta_key) : NULL;
    if (has_tensor(b, OB_GGUF_ROPE_FACTORS_LONG) || has_tensor(b, OB_GGUF_ROPE_FACTORS_SHORT))
        scaling = longrope_scaling(b);
    else if (has_tensor(b, OB_GGUF_ROPE_FACTORS) && (!is_stated || is_none) && !b->reader.failed)
        b->reader.failed = ob_gguf_rope_scaling(b->reader.gguf, theta ? json_number_value(theta) : 10000.0,
                                                (size_t)head_width(b) / 2, &scaling, b->reader.error);
    else if (!is_none && (is_stated || factor > 1 || factor < 1))
        scaling = json_pack("{s:s%, s:f}", "rope_type", type.data, type.bytes, "factor", factor);
    set_context(b, scaling);
    if (scaling)
        json_object_set_new(b->config, "rope_scaling", scaling);
}

static bool is_known(const struct ob_family *family, struct ob_gguf_text suffix) {
    static const char *const OTHERS[] = {"vocab_size",
                                         "rope.dimension_count",
                                         "attention.value_length",
                                         "rope.scaling.type",
                                         "rope.scaling.factor",
                                         "rope.scale_linear",
                                         "rope.scaling.original_context_length",
                                         "rope.scaling.finetuned",
                                         "use_parallel_residual",
                                         "attention.causal",
                                         "tensor_data_layout"};
    struct ob_family_gguf_key sizes[SIZE_KEYS];
    list_sizes(family, sizes);
    for (size_t i = 0; i < SIZE_KEYS; i++)
        if (sizes[i].name && ob_gguf_text_is(suffix, sizes[i].suffix))
            return true;
    for (const struct ob_family_gguf_key *key = family->gguf->keys; key && key->suffix; key++)
        if (ob_gguf_text_is(suffix, key->suffix))
            return true;
    if (family->gguf->has_longrope && ob_gguf_text_is(suffix, "rope.scaling.attn_factor"))
        return true;
    for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS; i++)
        if (ob_gguf_text_is(suffix, OTHERS[i]))
            return true;
    return false;
}

/* Zero and false switch nothing on. */
static bool is_nothing(const struct ob_gguf_entry *entry) {
    for (const uint8_t *at = entry->value; at < entry->end; at++)
        if (*at != 0)
            return false;
    return !entry->is_list;
}

static void refuse_unknown(struct building *b) {
    const char *architecture = b->family->gguf->architecture;
    size_t prefix = strlen(architecture);
    for (size_t i = 0; i < b->reader.gguf->entry_count && !b->reader.failed; i++) {
        const struct ob_gguf_entry *entry = &b->reader.gguf->entries[i];
        if (entry->key.bytes <= prefix + 1 || memcmp(entry->key.data, architecture, prefix) != 0 ||
            entry->key.data[prefix] != '.')
            continue;
        struct ob_gguf_text suffix = {entry->key.data + prefix + 1, entry->key.bytes - prefix - 1};
        if (!is_known(b->family, suffix) && !is_nothing(entry))
            b->reader.failed = ob_fail(b->reader.error, OB_EUNSUPPORTED, "%s: entry %.*s is not supported",
                                       b->reader.gguf->checkpoint->path, OB_GGUF_QUOTE(entry->key));
    }
}

static enum ob_err find_architecture(struct building *b) {
    struct ob_gguf_text name = {0};
    const char *path = b->reader.gguf->checkpoint->path;
    if (!ob_gguf_text(&b->reader, "general.architecture", &name))
        return b->reader.failed
                   ? b->reader.failed
                   : ob_fail(b->reader.error, OB_EFORMAT, "%s: entry general.architecture is missing", path);
    char names[OB_ERROR_TEXT_MAX];
    b->family = ob_family_find_gguf(name.data, name.bytes);
    if (!b->family)
        return ob_fail(b->reader.error, OB_EUNSUPPORTED,
                       "%s: architecture \"%.*s\" is not supported (%s are)", path, OB_GGUF_QUOTE(name),
                       ob_family_gguf_names(names, sizeof names));
    return OB_OK;
}

enum ob_err ob_gguf_config(const struct ob_gguf *gguf, json_t **ret_config, struct ob_error *error) {
    struct building b = {.reader = {.gguf = gguf, .error = error}};
    enum ob_err failed = find_architecture(&b);
    if (failed)
        return failed;
    b.config = json_loads(b.family->gguf->constants, 0, NULL);
    json_t *names = json_pack("[s]", b.family->architecture);
    if (!b.config || json_object_set_new(b.config, "architectures", names) != 0) {
        json_decref(b.config);
        return ob_fail(error, OB_ENOMEM, "%s: out of memory", gguf->checkpoint->path);
    }
    copy_keys(&b);
    add_shapes(&b);
    add_special_tokens(&b);
    add_derived(&b);
    add_rotation(&b);
    add_rope_scaling(&b);
    refuse_unknown(&b);
    if (b.reader.failed)
        json_decref(b.config);
    else
        *ret_config = b.config;
    return b.reader.failed;
}
