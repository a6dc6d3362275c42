#include "model/families/select.h"

#include <assert.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

/* A matrix of the layers from the middle on; of an odd number the middle one too. */
static bool in_upper_half(const struct ob_model *model, const struct ob_model_tensor *tensor) {
    uint32_t layers = model->config.layers;
    if (tensor->role != OB_ROLE_ATTENTION && tensor->role != OB_ROLE_MLP)
        return false;
    for (uint32_t layer = layers / 2; layer < layers; layer++)
        for (int slot = 0; slot < OB_SLOT_COUNT; slot++)
            if (ob_model_slot(model, layer, (enum ob_slot)slot) == tensor - model->tensors)
                return true;
    return false;
}

static bool in_group(const struct ob_model *model, const struct ob_model_tensor *tensor, const char *group,
                     bool *ret_is_group) {
    static const struct {
        const char *name;
        enum ob_tensor_role role;
    } GROUPS[] = {{"norms", OB_ROLE_NORM},
                  {"biases", OB_ROLE_BIAS},
                  {"head", OB_ROLE_HEAD},
                  {"embedding", OB_ROLE_EMBEDDING},
                  {"positions", OB_ROLE_POSITION},
                  {"attention", OB_ROLE_ATTENTION},
                  {"mlp", OB_ROLE_MLP}};
    *ret_is_group = true;
    if (strcmp(group, "all") == 0)
        return true;
    if (strcmp(group, "upper-half") == 0)
        return in_upper_half(model, tensor);
    for (size_t i = 0; i < sizeof GROUPS / sizeof *GROUPS; i++)
        if (strcmp(group, GROUPS[i].name) == 0)
            return tensor->role == GROUPS[i].role || (model->config.tied && tensor->role == OB_ROLE_HEAD &&
                                                      GROUPS[i].role == OB_ROLE_EMBEDDING);
    *ret_is_group = false;
    return false;
}

static bool matches(const struct ob_model *model, const struct ob_model_tensor *tensor, const char *pattern) {
    bool is_group;
    bool inside = in_group(model, tensor, pattern, &is_group);
    return is_group ? inside : fnmatch(pattern, tensor->name, 0) == 0;
}

enum ob_err ob_model_select(const struct ob_model *model, const char *const *patterns, size_t count,
                            bool *ret_selected, struct ob_error *error) {
    assert(count > 0);
    bool *selected = calloc(model->tensor_count, sizeof *selected);
    enum ob_err failed = selected ? OB_OK : ob_fail(error, OB_ENOMEM, "out of memory");
    for (size_t p = 0; p < count && !failed; p++) {
        bool any = false;
        for (size_t i = 0; i < model->tensor_count; i++)
            if (matches(model, &model->tensors[i], patterns[p]))
                selected[i] = any = true;
        if (!any)
            failed = ob_fail(
                error, OB_EUSAGE,
                "%s: no tensor matches \"%.60s\" (use all, norms, biases, head, embedding, positions, "
                "attention, mlp, upper-half, or a pattern such as \"%s\")",
                model->path, patterns[p], model->tensors[model->tensor_count - 1].name);
    }
    if (!failed)
        memcpy(ret_selected, selected, model->tensor_count * sizeof *selected);
    free(selected);
    return failed;
}
