#include "model/families/family.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

uint64_t ob_family_dimension(const struct ob_model_config *config, enum ob_dimension dimension) {
    uint64_t head_width = config->head_width;
    switch (dimension) {
    case OB_DIM_V:
        return config->vocabulary;
    case OB_DIM_C:
        return config->width;
    case OB_DIM_E:
        return config->embedding_width;
    case OB_DIM_F:
        return config->ff_width;
    case OB_DIM_D:
        return head_width;
    case OB_DIM_P:
        return (uint64_t)config->context + config->position_offset;
    case OB_DIM_HD:
        return config->heads * head_width;
    case OB_DIM_KD:
        return config->kv_heads * head_width;
    case OB_DIM_QKV:
        return (config->heads + 2 * (uint64_t)config->kv_heads) * head_width;
    case OB_DIM_2F:
        return 2 * (uint64_t)config->ff_width;
    case OB_DIM_NONE:
        break;
    }
    assert(dimension == OB_DIM_NONE);
    return 1;
}

void ob_family_name(const char *pattern, uint32_t layer, char ret_name[OB_NAME_MAX]) {
    const char *mark = strstr(pattern, "%u");
    if (mark)
        (void)snprintf(ret_name, OB_NAME_MAX, "%.*s%u%s", (int)(mark - pattern), pattern, layer, mark + 2);
    else
        (void)snprintf(ret_name, OB_NAME_MAX, "%s", pattern);
}

bool ob_family_in_layer(const struct ob_family_tensor *row) {
    return strstr(row->name, "%u") != NULL;
}

bool ob_family_has(const struct ob_model_config *config, const struct ob_family_tensor *row) {
    return (config->parts & (unsigned)row->part) == (unsigned)row->part;
}

static bool ends_with(const char *name, const char *end) {
    size_t length = strlen(name), tail = strlen(end);
    return length >= tail && strcmp(name + length - tail, end) == 0;
}

/* `pattern` begins with a dot: a tensor X.pattern, or the pattern alone. */
static bool is_buffer(const char *name, const char *pattern) {
    return ends_with(name, pattern) || strcmp(name, pattern + 1) == 0;
}

bool ob_family_ignores(const struct ob_model_config *config, const char *name) {
    static const char *const COMMON[] = {".position_ids", ".rotary_emb.inv_freq", ".rotary_emb.cos_cached",
                                         ".rotary_emb.sin_cached"};
    const struct ob_family *family = config->family;
    for (const char *const *buffer = family->buffers; buffer && *buffer; buffer++)
        if (is_buffer(name, *buffer))
            return true;
    for (size_t i = 0; i < sizeof COMMON / sizeof *COMMON; i++)
        if (is_buffer(name, COMMON[i]))
            return true;
    if (family->head_alias && strcmp(family->head_alias, name) == 0)
        return config->tied;
    for (size_t i = 0; i < family->tensor_count; i++)
        if (family->tensors[i].slot == OB_SLOT_HEAD && strcmp(family->tensors[i].name, name) == 0)
            return config->tied;
    return false;
}
