#include "model/families/role.h"

#include <assert.h>

const char *ob_role_name(enum ob_tensor_role role) {
    static const char *const NAMES[OB_ROLE_COUNT] = {"embedding", "head",      "position", "norm",
                                                     "bias",      "attention", "mlp",      "adapter"};
    assert((unsigned)role < OB_ROLE_COUNT);
    return NAMES[role];
}
