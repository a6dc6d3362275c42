#include "model/family.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

const struct ob_family *ob_family_find(const char *architecture) {
    static const struct ob_family *const ALL[] = {&ob_family_gpt2, &ob_family_llama};
    for (size_t i = 0; i < sizeof ALL / sizeof *ALL; i++)
        if (strcmp(ALL[i]->architecture, architecture) == 0)
            return ALL[i];
    return NULL;
}

uint64_t ob_family_dimension(const struct ob_model_config *config, enum ob_dimension dimension) {
    uint64_t head_width = config->head_width;
    switch (dimension) {
    case OB_DIM_V:
        return config->vocabulary;
    case OB_DIM_C:
        return config->width;
    case OB_DIM_F:
        return config->ff_width;
    case OB_DIM_P:
        return config->context;
    case OB_DIM_HD:
        return config->heads * head_width;
    case OB_DIM_KD:
        return config->kv_heads * head_width;
    case OB_DIM_QKV:
        return (config->heads + 2 * (uint64_t)config->kv_heads) * head_width;
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
