#include "model/families/family_list.h"

#include <stdio.h>
#include <string.h>

#define X(file, name) extern const struct ob_family ob_family_##name;
#include "model/families/family_list.def"
#undef X

const struct ob_family *const OB_FAMILIES[] = {
#define X(file, name) &ob_family_##name,
#include "model/families/family_list.def"
#undef X
    NULL};

const struct ob_family *ob_family_find(const char *architecture) {
    for (const struct ob_family *const *family = OB_FAMILIES; *family; family++)
        if (strcmp((*family)->architecture, architecture) == 0)
            return *family;
    return NULL;
}

const struct ob_family *ob_family_find_type(const char *model_type) {
    for (const struct ob_family *const *family = OB_FAMILIES; *family; family++)
        if (strcmp((*family)->model_type, model_type) == 0)
            return *family;
    return NULL;
}

static const char *gguf_name(const struct ob_family *family) {
    return family->gguf ? family->gguf->architecture : NULL;
}

const struct ob_family *ob_family_find_gguf(const char *name, size_t bytes) {
    for (const struct ob_family *const *family = OB_FAMILIES; *family; family++) {
        const char *known = gguf_name(*family);
        if (known && strlen(known) == bytes && memcmp(known, name, bytes) == 0)
            return *family;
    }
    return NULL;
}

static const char *architecture_name(const struct ob_family *family) {
    return family->architecture;
}

/* Is this the first family with its name? Several may have one GGUF name. */
static bool is_first(const struct ob_family *const *family,
                     const char *(*name_of)(const struct ob_family *)) {
    for (const struct ob_family *const *before = OB_FAMILIES; before < family; before++)
        if (name_of(*before) && strcmp(name_of(*before), name_of(*family)) == 0)
            return false;
    return true;
}

static const char *join_names(const char *(*name_of)(const struct ob_family *), char *ret_names,
                              size_t bytes) {
    const char *last = NULL;
    size_t used = 0;
    ret_names[0] = 0;
    for (const struct ob_family *const *family = OB_FAMILIES; *family; family++) {
        if (!name_of(*family) || !is_first(family, name_of))
            continue;
        if (last && used < bytes)
            used += (size_t)snprintf(ret_names + used, bytes - used, "%s%s", used > 0 ? ", " : "", last);
        last = name_of(*family);
    }
    if (last && used < bytes)
        (void)snprintf(ret_names + used, bytes - used, "%s%s", used > 0 ? " and " : "", last);
    return ret_names;
}

const char *ob_family_names(char *ret_names, size_t bytes) {
    return join_names(architecture_name, ret_names, bytes);
}

const char *ob_family_gguf_names(char *ret_names, size_t bytes) {
    return join_names(gguf_name, ret_names, bytes);
}
