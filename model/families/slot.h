/* slot - where a tensor is used in the forward pass. */
#ifndef OB_MODEL_FAMILIES_SLOT_H
#define OB_MODEL_FAMILIES_SLOT_H

/* A family that lacks one (a bias, say) has no row for it in its table. */
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
    OB_SLOT_Q_NORM, /* (D) of each query head, or (H · D) of all, before RoPE */
    OB_SLOT_K_NORM,
    OB_SLOT_O,
    OB_SLOT_O_BIAS,
    OB_SLOT_O_NORM, /* of the attention's output, before it joins the residual stream */
    OB_SLOT_NORM2,
    OB_SLOT_NORM2_BIAS,
    OB_SLOT_GATE,
    OB_SLOT_GATE_BIAS,
    OB_SLOT_GATE_UP, /* both in one product, the gate first */
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

#endif
