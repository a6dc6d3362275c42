#include "model/forward/in_use.h"

#include <stdlib.h>

#include "model/forward/multiply.h"
#include "model/forward/products.h"
#include "model/forward/products_float32.h"

#define ALIGNMENT 64

/* ---- the way in use, and those set aside ---- */

static void close_way(struct ob_in_use *way) {
    ob_frozen_drop(way);
    if (way->products && way->products->close)
        way->products->close(way->state);
    free(way->packed);
    free(way->staged);
    *way = (struct ob_in_use){0};
}

static void close_aside(struct ob_forward *f) {
    for (size_t i = 0; i < OB_WAYS_MAX; i++)
        close_way(&f->aside[i]);
}

void ob_in_use_close_all(struct ob_forward *forward) {
    close_aside(forward);
    close_way(&forward->in_use);
    forward->in_use.products = &ob_products_float32;
}

void ob_in_use_drop_frozen(struct ob_forward *forward) {
    close_aside(forward);
    ob_frozen_drop(&forward->in_use);
}

/* Where a way lies that was set aside, or (NULL) a free place. */
static struct ob_in_use *aside_of(struct ob_forward *f, const struct ob_products *products) {
    for (size_t i = 0; i < OB_WAYS_MAX; i++)
        if (f->aside[i].products == products)
            return &f->aside[i];
    return NULL;
}

static void replace(struct ob_forward *f, const struct ob_in_use *way) {
    struct ob_in_use *place = f->keeps_ways ? aside_of(f, NULL) : NULL;
    f->prefix_model = NULL; /* states are of the products too */
    if (place)
        *place = f->in_use;
    else
        close_way(&f->in_use);
    f->in_use = *way;
}

void ob_in_use_keep(struct ob_forward *forward, bool keep) {
    forward->keeps_ways = keep;
    if (!keep)
        close_aside(forward);
}

/* ---- opening one ---- */

/* Enough bytes to stage any block of rows, for products of 32 or more terms: padding makes 33 terms the worst
 * case, or else the widest product is. */
static size_t staged_for(const struct ob_forward *f, const struct ob_products *products) {
    size_t few = products->staged_bytes(ob_multiply_rows_max(products, 33), 33);
    size_t many = products->staged_bytes(ob_multiply_rows_max(products, f->widest), f->widest);
    return few > many ? few : many;
}

static enum ob_err open_way(const struct ob_forward *f, const struct ob_products *products,
                            struct ob_in_use *ret_way, struct ob_error *error) {
    struct ob_in_use way = {.products = products};
    unsigned threads = ob_pool_threads(f->pool);
    enum ob_err failed = products->open ? products->open(threads, f->loops, &way.state, error) : OB_OK;
    if (failed)
        return failed;
    if (products->packs) {
        way.packed_bytes = 3 * f->tile_elements * products->terms * sizeof(uint16_t);
        way.packed_bytes = (way.packed_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        way.staged_bytes = staged_for(f, products);
        way.packed = aligned_alloc(ALIGNMENT, way.packed_bytes);
        way.staged = aligned_alloc(ALIGNMENT, way.staged_bytes * threads);
    }
    if (products->packs && (!way.packed || !way.staged)) {
        size_t megabytes = (way.packed_bytes + way.staged_bytes * threads) >> 20;
        close_way(&way);
        return ob_fail(error, OB_ENOMEM, "not enough memory for bfloat16 matmul buffers (%zu MB)", megabytes);
    }
    *ret_way = way;
    return OB_OK;
}

enum ob_err ob_in_use_take(struct ob_forward *forward, const struct ob_products *products,
                           struct ob_error *error) {
    const char *why;
    struct ob_in_use way;
    if (!ob_products_available(products, &why))
        return ob_fail(error, OB_EUNSUPPORTED, "products = %s is not available: %s", products->name, why);
    struct ob_in_use *aside = aside_of(forward, products);
    if (forward->keeps_ways && products == forward->in_use.products)
        return OB_OK;
    if (aside) {
        way = *aside;
        *aside = (struct ob_in_use){0};
    } else {
        enum ob_err failed = open_way(forward, products, &way, error);
        if (failed)
            return failed;
    }
    replace(forward, &way);
    return OB_OK;
}
