/* The tables: architectures, keys of their configurations, names of tensors, orders of rows. */
#include <string.h>

#include "model/convert/gguf_model.h"

#define KEYS(table) .keys = (table), .key_count = sizeof(table) / sizeof *(table)

/* Llama and those that are built like it. */
static const struct ob_gguf_key LLAMA_KEYS[] = {
    {"context_length", "max_position_embeddings", OB_GGUF_KEY_INTEGER},
    {"embedding_length", "hidden_size", OB_GGUF_KEY_INTEGER},
    {"block_count", "num_hidden_layers", OB_GGUF_KEY_INTEGER},
    {"feed_forward_length", "intermediate_size", OB_GGUF_KEY_INTEGER},
    {"attention.head_count", "num_attention_heads", OB_GGUF_KEY_INTEGER},
    {"attention.head_count_kv", "num_key_value_heads", OB_GGUF_KEY_INTEGER},
    {"attention.key_length", "head_dim", OB_GGUF_KEY_INTEGER},
    {"attention.layer_norm_rms_epsilon", "rms_norm_eps", OB_GGUF_KEY_REAL},
    {"rope.freq_base", "rope_theta", OB_GGUF_KEY_REAL},
};

static const struct ob_gguf_key GPT2_KEYS[] = {
    {"context_length", "n_positions", OB_GGUF_KEY_INTEGER},
    {"embedding_length", "n_embd", OB_GGUF_KEY_INTEGER},
    {"block_count", "n_layer", OB_GGUF_KEY_INTEGER},
    {"feed_forward_length", "n_inner", OB_GGUF_KEY_INTEGER},
    {"attention.head_count", "n_head", OB_GGUF_KEY_INTEGER},
    {"attention.layer_norm_epsilon", "layer_norm_epsilon", OB_GGUF_KEY_REAL},
};

static const struct ob_gguf_key NEOX_KEYS[] = {
    {"context_length", "max_position_embeddings", OB_GGUF_KEY_INTEGER},
    {"embedding_length", "hidden_size", OB_GGUF_KEY_INTEGER},
    {"block_count", "num_hidden_layers", OB_GGUF_KEY_INTEGER},
    {"feed_forward_length", "intermediate_size", OB_GGUF_KEY_INTEGER},
    {"attention.head_count", "num_attention_heads", OB_GGUF_KEY_INTEGER},
    {"attention.layer_norm_epsilon", "layer_norm_eps", OB_GGUF_KEY_REAL},
    {"rope.freq_base", "rotary_emb_base", OB_GGUF_KEY_REAL},
    {"use_parallel_residual", "use_parallel_residual", OB_GGUF_KEY_BOOL},
};

static const struct ob_gguf_architecture ARCHITECTURES[] = {
    {.name = "llama",
     .family = "LlamaForCausalLM",
     .also = "MistralForCausalLM",
     .fixed = "{\"model_type\": \"llama\", \"hidden_act\": \"silu\"}",
     KEYS(LLAMA_KEYS),
     .width = "hidden_size",
     .heads = "num_attention_heads",
     .activation = OB_ACTIVATION_SILU,
     .parts_also = OB_PART_HEAD | OB_PART_QKV_BIAS | OB_PART_OUT_BIAS | OB_PART_MLP_BIAS,
     .permuted = true},
    {.name = "gpt2",
     .family = "GPT2LMHeadModel",
     .fixed = "{\"model_type\": \"gpt2\", \"activation_function\": \"gelu_new\"}",
     KEYS(GPT2_KEYS),
     .width = "n_embd",
     .heads = "n_head",
     .activation = OB_ACTIVATION_GELU_TANH},
    {.name = "qwen2",
     .family = "Qwen2ForCausalLM",
     .fixed = "{\"model_type\": \"qwen2\", \"hidden_act\": \"silu\", \"use_sliding_window\": false}",
     KEYS(LLAMA_KEYS),
     .width = "hidden_size",
     .heads = "num_attention_heads",
     .activation = OB_ACTIVATION_SILU,
     .parts = OB_PART_QKV_BIAS,
     .parts_also = OB_PART_HEAD},
    {.name = "qwen3",
     .family = "Qwen3ForCausalLM",
     .fixed = "{\"model_type\": \"qwen3\", \"hidden_act\": \"silu\", \"use_sliding_window\": false}",
     KEYS(LLAMA_KEYS),
     .width = "hidden_size",
     .heads = "num_attention_heads",
     .activation = OB_ACTIVATION_SILU,
     .parts = OB_PART_QK_NORM,
     .parts_also = OB_PART_HEAD},
    {.name = "gptneox",
     .family = "GPTNeoXForCausalLM",
     .fixed = "{\"model_type\": \"gpt_neox\", \"hidden_act\": \"gelu\", \"attention_bias\": true}",
     KEYS(NEOX_KEYS),
     .width = "hidden_size",
     .heads = "num_attention_heads",
     .activation = OB_ACTIVATION_GELU_ERF,
     .parts = OB_PART_QKV_BIAS | OB_PART_OUT_BIAS,
     .parts_also = OB_PART_HEAD,
     .regrouped = true},
};
#define ARCHITECTURE_COUNT (sizeof ARCHITECTURES / sizeof *ARCHITECTURES)

const struct ob_gguf_architecture *ob_gguf_architecture_named(const char *name, size_t bytes) {
    for (size_t i = 0; i < ARCHITECTURE_COUNT; i++)
        if (strlen(ARCHITECTURES[i].name) == bytes && memcmp(ARCHITECTURES[i].name, name, bytes) == 0)
            return &ARCHITECTURES[i];
    return NULL;
}

const struct ob_gguf_architecture *ob_gguf_architecture_of(const char *family) {
    for (size_t i = 0; i < ARCHITECTURE_COUNT; i++)
        if (strcmp(ARCHITECTURES[i].family, family) == 0 ||
            (ARCHITECTURES[i].also && strcmp(ARCHITECTURES[i].also, family) == 0))
            return &ARCHITECTURES[i];
    return NULL;
}

enum ob_err ob_gguf_check_model(const struct ob_gguf_architecture *architecture, const struct ob_model *model,
                                struct ob_error *error) {
    static const struct {
        unsigned part;
        const char *name;
    } PARTS[] = {{OB_PART_HEAD, "a head of its own"},
                 {OB_PART_QKV_BIAS, "biases of queries, keys and values"},
                 {OB_PART_OUT_BIAS, "biases of the attention's output"},
                 {OB_PART_MLP_BIAS, "biases of the feed-forward part"},
                 {OB_PART_QK_NORM, "norms of queries and keys"}};
    const struct ob_model_config *config = &model->config;
    if (config->window > 0)
        return ob_fail(error, OB_EUNSUPPORTED,
                       "%s: windowed layers are not written as GGUF: export as safetensors", model->path);
    if (config->activation != architecture->activation)
        return ob_fail(error, OB_EUNSUPPORTED,
                       "%s: has another activation than GGUF's %s: export as safetensors", model->path,
                       architecture->name);
    for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS; i++) {
        bool has = config->parts & PARTS[i].part, needed = architecture->parts & PARTS[i].part;
        if (needed ? !has : has && !(architecture->parts_also & PARTS[i].part))
            return ob_fail(error, OB_EUNSUPPORTED,
                           "%s: has %s%s, which GGUF's %s has%s: export as safetensors", model->path,
                           has ? "" : "no ", PARTS[i].name, architecture->name, has ? " not" : "");
    }
    return OB_OK;
}

/* GGUF names a tensor by its place in the model, as our slots do: one table for all families. */
static const char *const SLOT_NAMES[OB_SLOT_COUNT] = {
    [OB_SLOT_TOKENS] = "token_embd.weight",
    [OB_SLOT_POSITIONS] = "position_embd.weight",
    [OB_SLOT_NORM1] = "blk.%u.attn_norm.weight",
    [OB_SLOT_NORM1_BIAS] = "blk.%u.attn_norm.bias",
    [OB_SLOT_QKV] = "blk.%u.attn_qkv.weight",
    [OB_SLOT_QKV_BIAS] = "blk.%u.attn_qkv.bias",
    [OB_SLOT_Q] = "blk.%u.attn_q.weight",
    [OB_SLOT_Q_BIAS] = "blk.%u.attn_q.bias",
    [OB_SLOT_K] = "blk.%u.attn_k.weight",
    [OB_SLOT_K_BIAS] = "blk.%u.attn_k.bias",
    [OB_SLOT_V] = "blk.%u.attn_v.weight",
    [OB_SLOT_V_BIAS] = "blk.%u.attn_v.bias",
    [OB_SLOT_Q_NORM] = "blk.%u.attn_q_norm.weight",
    [OB_SLOT_K_NORM] = "blk.%u.attn_k_norm.weight",
    [OB_SLOT_O] = "blk.%u.attn_output.weight",
    [OB_SLOT_O_BIAS] = "blk.%u.attn_output.bias",
    [OB_SLOT_NORM2] = "blk.%u.ffn_norm.weight",
    [OB_SLOT_NORM2_BIAS] = "blk.%u.ffn_norm.bias",
    [OB_SLOT_GATE] = "blk.%u.ffn_gate.weight",
    [OB_SLOT_GATE_BIAS] = "blk.%u.ffn_gate.bias",
    [OB_SLOT_UP] = "blk.%u.ffn_up.weight",
    [OB_SLOT_UP_BIAS] = "blk.%u.ffn_up.bias",
    [OB_SLOT_DOWN] = "blk.%u.ffn_down.weight",
    [OB_SLOT_DOWN_BIAS] = "blk.%u.ffn_down.bias",
    [OB_SLOT_FINAL_NORM] = "output_norm.weight",
    [OB_SLOT_FINAL_NORM_BIAS] = "output_norm.bias",
    [OB_SLOT_HEAD] = "output.weight",
};

bool ob_gguf_slot_name(enum ob_slot slot, uint32_t layer, char ret_name[OB_NAME_MAX]) {
    const char *pattern = SLOT_NAMES[slot];
    if (!pattern)
        return false;
    ob_family_name(pattern, layer, ret_name);
    return true;
}

/* A head's rows are (half, place) with us, (place, half) in GGUF. */
static void permute(uint32_t heads, uint32_t head_width, uint32_t *ret_rows) {
    uint32_t half = head_width / 2;
    for (uint32_t row = 0; row < heads * head_width; row++) {
        uint32_t within = row % head_width;
        ret_rows[row] = row - within + 2 * (within % half) + within / half;
    }
}

/* Rows are (head, one of three, place) with us, (one of three, head, place) in GGUF. */
static void regroup(uint32_t heads, uint32_t head_width, uint32_t *ret_rows) {
    for (uint32_t row = 0; row < 3 * heads * head_width; row++) {
        uint32_t head = row / (3 * head_width), part = row / head_width % 3, within = row % head_width;
        ret_rows[row] = (part * heads + head) * head_width + within;
    }
}

static bool is_fused(enum ob_slot slot) {
    return slot == OB_SLOT_QKV || slot == OB_SLOT_QKV_BIAS;
}

static bool is_query(enum ob_slot slot) {
    return slot == OB_SLOT_Q || slot == OB_SLOT_Q_BIAS;
}

static bool is_key(enum ob_slot slot) {
    return slot == OB_SLOT_K || slot == OB_SLOT_K_BIAS;
}

bool ob_gguf_is_reordered(const struct ob_gguf_architecture *architecture, enum ob_slot slot) {
    return (architecture->permuted && (is_query(slot) || is_key(slot))) ||
           (architecture->regrouped && is_fused(slot));
}

void ob_gguf_rows(const struct ob_model_config *config, enum ob_slot slot, uint32_t *ret_rows) {
    if (is_fused(slot))
        regroup(config->heads, config->head_width, ret_rows);
    else
        permute(is_query(slot) ? config->heads : config->kv_heads, config->head_width, ret_rows);
}

bool ob_gguf_is_turned(const struct ob_model_config *config, enum ob_slot slot) {
    return config->family->input_major && slot != OB_SLOT_TOKENS && slot != OB_SLOT_POSITIONS &&
           slot != OB_SLOT_HEAD;
}
