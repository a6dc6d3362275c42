#include "model/convert/gguf_names.h"

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
    [OB_SLOT_O_NORM] = "blk.%u.post_attention_norm.weight",
    [OB_SLOT_NORM2] = "blk.%u.ffn_norm.weight",
    [OB_SLOT_NORM2_BIAS] = "blk.%u.ffn_norm.bias",
    [OB_SLOT_GATE] = "blk.%u.ffn_gate.weight",
    [OB_SLOT_GATE_BIAS] = "blk.%u.ffn_gate.bias",
    [OB_SLOT_GATE_UP] = "blk.%u.ffn_up.weight",
    [OB_SLOT_UP] = "blk.%u.ffn_up.weight",
    [OB_SLOT_UP_BIAS] = "blk.%u.ffn_up.bias",
    [OB_SLOT_DOWN] = "blk.%u.ffn_down.weight",
    [OB_SLOT_DOWN_BIAS] = "blk.%u.ffn_down.bias",
    [OB_SLOT_DOWN_NORM] = "blk.%u.post_ffw_norm.weight",
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

bool ob_gguf_is_reordered(const struct ob_family *family, enum ob_slot slot) {
    return (family->gguf->permuted && (is_query(slot) || is_key(slot))) ||
           (family->gguf->regrouped && is_fused(slot));
}

void ob_gguf_rows(const struct ob_model_config *config, enum ob_slot slot, uint32_t *ret_rows) {
    if (is_fused(slot))
        regroup(config->heads, config->head_width, ret_rows);
    else
        permute(is_query(slot) ? config->heads : config->kv_heads, config->head_width, ret_rows);
}

bool ob_gguf_is_transposed(const struct ob_family *family, enum ob_slot slot) {
    return family->input_major && slot != OB_SLOT_TOKENS && slot != OB_SLOT_POSITIONS && slot != OB_SLOT_HEAD;
}

bool ob_gguf_is_shifted(const struct ob_family *family, enum ob_tensor_role role) {
    return family->base.zero_centered_gamma && role == OB_ROLE_NORM;
}
