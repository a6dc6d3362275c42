/* role - what a tensor is for: direction scales and --trainable are by role. */
#ifndef OB_MODEL_FAMILIES_ROLE_H
#define OB_MODEL_FAMILIES_ROLE_H

enum ob_tensor_role {
    OB_ROLE_EMBEDDING, /* token embedding that is not also the head */
    OB_ROLE_HEAD,      /* the head, also when it is tied to the embedding */
    OB_ROLE_POSITION,
    OB_ROLE_NORM,
    OB_ROLE_BIAS,
    OB_ROLE_ATTENTION, /* matrices of the attention */
    OB_ROLE_MLP,       /* matrices of the feed-forward part */
    OB_ROLE_ADAPTER,   /* matrices of model/families/adapter.h */
    OB_ROLE_COUNT
};
const char *ob_role_name(enum ob_tensor_role role);

#endif
