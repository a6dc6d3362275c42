#include "model/forward/products.h"

#include <stdio.h>
#include <string.h>

#include "base/cpu.h"
#include "model/forward/products_bf16.h"
#include "model/forward/products_float32.h"
#include "model/forward/products_onednn.h"
#include "model/forward/products_split.h"

/* Of the ways with bfloat16 terms the first that is available is what "bfloat16" means. */
static const struct ob_products *const WAYS[] = {
    &ob_products_float32,
#if defined(OB_HAVE_ONEDNN)
    &ob_products_onednn,
#endif
#if defined(__x86_64__)
    &ob_products_bf16,
    &ob_products_split,
#endif
};
enum { WAY_COUNT = sizeof WAYS / sizeof *WAYS };

const struct ob_products *ob_products_at(size_t index) {
    return index < WAY_COUNT ? WAYS[index] : NULL;
}

bool ob_products_available(const struct ob_products *way, const char **ret_why) {
    bool available = ob_cpu_has(way->needs);
    if (ret_why)
        *ret_why = available                          ? ""
                   : (way->needs & OB_CPU_AVX512BF16) ? "this processor has no AVX512_BF16"
                                                      : "this processor lacks the instructions for it";
    return available;
}

static enum ob_err unknown(const char *name, struct ob_error *error) {
    char names[256] = "";
    for (size_t i = 0, used = 0; i < WAY_COUNT && used < sizeof names; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i > 0 ? ", " : "", WAYS[i]->name);
    return ob_fail(error, OB_EUSAGE, "unknown products \"%s\"; this build has %s (and auto, bfloat16)", name,
                   names);
}

enum ob_err ob_products_find(const char *name, const struct ob_products **ret_way, struct ob_error *error) {
    bool any = strcmp(name, "bfloat16") == 0;
    for (size_t i = 0; i < WAY_COUNT; i++) {
        const struct ob_products *way = WAYS[i];
        const char *why;
        if (any ? way->terms != 1 : strcmp(name, way->name) != 0)
            continue;
        if (ob_products_available(way, &why)) {
            *ret_way = way;
            return OB_OK;
        }
        if (!any)
            return ob_fail(error, OB_EUNSUPPORTED, "products = %s is not available: %s", name, why);
    }
    if (any)
        return ob_fail(error, OB_EUNSUPPORTED, "products = bfloat16 is not available: %s",
                       "this processor has no AVX512_BF16");
    return unknown(name, error);
}
