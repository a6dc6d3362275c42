#include "model/forward/products_onednn.h"

#if defined(OB_HAVE_ONEDNN)
#include <assert.h>
#include <dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "model/forward/vector.h"

#define CACHE_ENTRIES 64 /* primitives of a thread: shapes that come back */
#define ROWS_NOMINAL  64 /* a tile's order is asked for with so many rows, and kept for all counts */

/* libgomp's: oneDNN's loops run on one thread, the pool has the others. */
void omp_set_num_threads(int count);

struct shape {
    size_t count, n, k; /* of a packing: count is 0 */
    size_t ld;          /* of a packing's matrix */
    bool packing, transposed;
};

struct entry {
    struct shape shape;
    dnnl_primitive_t primitive;
    dnnl_memory_t from, tile, to, scratch; /* their places are set at each call */
    uint64_t used;
};

struct worker {
    dnnl_stream_t stream;
    struct entry entries[CACHE_ENTRIES];
    uint64_t clock;
    void *scratch;
    size_t scratch_bytes;
    float *c; /* a product without gaps: for rows that lie apart the library has slow reference code alone */
    size_t c_elements;
};

struct state {
    const struct ob_vector_loops *loops;
    dnnl_engine_t engine;
    unsigned threads;
    struct worker *workers;
};

/* ---- shapes ---- */

static bool describe(dnnl_memory_desc_t *desc, size_t rows, size_t columns, size_t ld, bool transposed,
                     dnnl_data_type_t type) {
    dnnl_dims_t dims = {(dnnl_dim_t)rows, (dnnl_dim_t)columns},
                strides = {transposed ? 1 : (dnnl_dim_t)ld, transposed ? (dnnl_dim_t)ld : 1};
    return dnnl_memory_desc_init_by_strides(desc, 2, dims, type, strides) == dnnl_success;
}

/* A product's description; `tile` NULL: the library chooses the order of the weights. */
static dnnl_primitive_desc_t product_desc(dnnl_engine_t engine, const struct shape *s,
                                          const dnnl_memory_desc_t *tile) {
    dnnl_memory_desc_t rows, any, c;
    dnnl_dims_t dims = {(dnnl_dim_t)s->k, (dnnl_dim_t)s->n};
    dnnl_matmul_desc_t product;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t desc = NULL;
    if (describe(&rows, s->count, s->k, s->k, false, dnnl_bf16) &&
        dnnl_memory_desc_init_by_tag(&any, 2, dims, dnnl_bf16, dnnl_format_tag_any) == dnnl_success &&
        describe(&c, s->count, s->n, s->n, false, dnnl_f32) &&
        dnnl_matmul_desc_init(&product, &rows, tile ? tile : &any, NULL, &c) == dnnl_success &&
        dnnl_primitive_attr_create(&attributes) == dnnl_success &&
        dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user) == dnnl_success)
        (void)dnnl_primitive_desc_create(&desc, &product, attributes, engine, NULL);
    if (attributes)
        dnnl_primitive_attr_destroy(attributes);
    return desc;
}

/* The order of a tile (k, n) in memory. */
static bool tile_desc(dnnl_engine_t engine, size_t n, size_t k, dnnl_memory_desc_t *ret_desc) {
    struct shape nominal = {.count = ROWS_NOMINAL, .n = n, .k = k};
    dnnl_primitive_desc_t desc = product_desc(engine, &nominal, NULL);
    if (!desc)
        return false;
    *ret_desc = *dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0);
    dnnl_primitive_desc_destroy(desc);
    return true;
}

static void layout(void *state, char ret_text[OB_PRODUCTS_LAYOUT_MAX]) {
    (void)state;
    const dnnl_version_t *version = dnnl_version();
    (void)snprintf(ret_text, OB_PRODUCTS_LAYOUT_MAX, "%d.%d.%d %.64s isa %x", version->major, version->minor,
                   version->patch, version->hash, (unsigned)dnnl_get_effective_cpu_isa());
}

static size_t tile_bytes(void *state, size_t n, size_t k) {
    const struct state *s = state;
    dnnl_memory_desc_t desc;
    omp_set_num_threads(1);
    bool described = tile_desc(s->engine, n, k, &desc);
    assert(described); /* `open` has tried */
    return described ? (dnnl_memory_desc_get_size(&desc) + 63) / 64 * 64 : 0;
}

/* ---- primitives, kept by each thread ---- */

static void drop_entry(struct entry *entry) {
    if (entry->primitive)
        dnnl_primitive_destroy(entry->primitive);
    dnnl_memory_t all[] = {entry->from, entry->tile, entry->to, entry->scratch};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i])
            dnnl_memory_destroy(all[i]);
    memset(entry, 0, sizeof *entry);
}

static bool handle(dnnl_memory_t *ret_memory, const dnnl_memory_desc_t *desc, dnnl_engine_t engine) {
    return dnnl_memory_create(ret_memory, desc, engine, DNNL_MEMORY_NONE) == dnnl_success;
}

static bool make_packing(dnnl_engine_t engine, const struct shape *s, struct entry *entry) {
    dnnl_memory_desc_t from, tile;
    dnnl_primitive_desc_t desc = NULL;
    bool made =
        describe(&from, s->k, s->n, s->ld, s->transposed, dnnl_f32) && tile_desc(engine, s->n, s->k, &tile) &&
        dnnl_reorder_primitive_desc_create(&desc, &from, engine, &tile, engine, NULL) == dnnl_success &&
        dnnl_primitive_create(&entry->primitive, desc) == dnnl_success &&
        handle(&entry->from, &from, engine) && handle(&entry->tile, &tile, engine);
    if (desc)
        dnnl_primitive_desc_destroy(desc);
    return made;
}

static bool make_product(dnnl_engine_t engine, const struct shape *s, struct worker *worker,
                         struct entry *entry) {
    dnnl_memory_desc_t tile;
    if (!tile_desc(engine, s->n, s->k, &tile))
        return false;
    dnnl_primitive_desc_t desc = product_desc(engine, s, &tile);
    if (!desc)
        return false;
    const dnnl_memory_desc_t *scratch = dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0);
    size_t bytes = (dnnl_memory_desc_get_size(scratch) + 63) / 64 * 64;
    if (bytes > worker->scratch_bytes) {
        free(worker->scratch);
        worker->scratch = aligned_alloc(64, bytes);
        worker->scratch_bytes = worker->scratch ? bytes : 0;
    }
    bool made = worker->scratch_bytes >= bytes &&
                dnnl_primitive_create(&entry->primitive, desc) == dnnl_success &&
                handle(&entry->from, dnnl_primitive_desc_query_md(desc, dnnl_query_src_md, 0), engine) &&
                handle(&entry->tile, &tile, engine) &&
                handle(&entry->to, dnnl_primitive_desc_query_md(desc, dnnl_query_dst_md, 0), engine) &&
                handle(&entry->scratch, scratch, engine);
    dnnl_primitive_desc_destroy(desc);
    return made;
}

static bool same_shape(const struct shape *a, const struct shape *b) {
    return a->count == b->count && a->n == b->n && a->k == b->k && a->ld == b->ld &&
           a->packing == b->packing && a->transposed == b->transposed;
}

/* NULL: the library refuses, or there is no memory. */
static struct entry *find(struct state *state, struct worker *worker, const struct shape *shape) {
    struct entry *oldest = &worker->entries[0];
    for (size_t i = 0; i < CACHE_ENTRIES; i++) {
        struct entry *entry = &worker->entries[i];
        if (entry->primitive && same_shape(&entry->shape, shape)) {
            entry->used = ++worker->clock;
            return entry;
        }
        if (entry->used < oldest->used)
            oldest = entry;
    }
    drop_entry(oldest);
    if (!(shape->packing ? make_packing(state->engine, shape, oldest)
                         : make_product(state->engine, shape, worker, oldest))) {
        drop_entry(oldest);
        return NULL;
    }
    oldest->shape = *shape;
    oldest->used = ++worker->clock;
    return oldest;
}

/* ---- the way's functions ---- */

static void pack(void *context, unsigned thread, const struct ob_matrix *m, void *ret_tile) {
    struct state *state = context;
    struct worker *worker = &state->workers[thread];
    struct shape shape;
    memset(&shape, 0, sizeof shape); /* compared by its bytes */
    shape.n = m->n;
    shape.k = m->k;
    shape.ld = m->ld;
    shape.packing = true;
    shape.transposed = m->transposed;
    omp_set_num_threads(1);
    struct entry *entry = find(state, worker, &shape);
    if (!entry)
        abort(); /* no memory for a few hundred bytes: nothing sensible can follow */
    dnnl_memory_set_data_handle(entry->from, (void *)(uintptr_t)m->values);
    dnnl_memory_set_data_handle(entry->tile, ret_tile);
    dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, entry->from}, {DNNL_ARG_TO, entry->tile}};
    if (dnnl_primitive_execute(entry->primitive, worker->stream, 2, arguments) != dnnl_success)
        abort();
}

static bool reserve(struct worker *worker, size_t elements) {
    if (elements <= worker->c_elements)
        return true;
    free(worker->c);
    worker->c = aligned_alloc(64, (elements * sizeof *worker->c + 63) / 64 * 64);
    worker->c_elements = worker->c ? elements : 0;
    return worker->c != NULL;
}

static void multiply(void *context, unsigned thread, const struct ob_product *p) {
    struct state *state = context;
    struct worker *worker = &state->workers[thread];
    struct shape shape;
    memset(&shape, 0, sizeof shape);
    shape.count = p->count;
    shape.n = p->n;
    shape.k = p->k;
    omp_set_num_threads(1);
    struct entry *entry = find(state, worker, &shape);
    if (!entry || !reserve(worker, p->count * p->n))
        abort();
    dnnl_memory_set_data_handle(entry->from, (void *)(uintptr_t)p->rows);
    dnnl_memory_set_data_handle(entry->tile, (void *)(uintptr_t)p->tile);
    dnnl_memory_set_data_handle(entry->to, worker->c);
    dnnl_memory_set_data_handle(entry->scratch, worker->scratch);
    dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, entry->from},
                                   {DNNL_ARG_WEIGHTS, entry->tile},
                                   {DNNL_ARG_DST, entry->to},
                                   {DNNL_ARG_SCRATCHPAD, entry->scratch}};
    if (dnnl_primitive_execute(entry->primitive, worker->stream, 4, arguments) != dnnl_success)
        abort();
    for (size_t row = 0; row < p->count; row++)
        if (p->accumulate)
            ob_vector_add(state->loops, p->n, p->c + row * p->ldc, worker->c + row * p->n);
        else
            memcpy(p->c + row * p->ldc, worker->c + row * p->n, p->n * sizeof *p->c);
}

static size_t staged_bytes(size_t rows, size_t k) {
    return (rows * k * sizeof(uint16_t) + 63) / 64 * 64;
}

static void stage(void *context, unsigned thread, const float *a, size_t lda, size_t count, size_t k,
                  void *ret_rows) {
    (void)thread;
    const struct state *state = context;
    uint16_t *to = ret_rows;
    for (size_t row = 0; row < count; row++)
        ob_vector_to_bf16(state->loops, k, a + row * lda, to + row * k);
}

static void close_state(void *context) {
    struct state *state = context;
    if (!state)
        return;
    for (unsigned i = 0; state->workers && i < state->threads; i++) {
        for (size_t e = 0; e < CACHE_ENTRIES; e++)
            drop_entry(&state->workers[i].entries[e]);
        if (state->workers[i].stream)
            dnnl_stream_destroy(state->workers[i].stream);
        free(state->workers[i].scratch);
        free(state->workers[i].c);
    }
    free(state->workers);
    if (state->engine)
        dnnl_engine_destroy(state->engine);
    free(state);
}

static enum ob_err open_state(unsigned threads, const struct ob_vector_loops *loops, void **ret_state,
                              struct ob_error *error) {
    struct state *state = calloc(1, sizeof *state);
    if (state)
        state->workers = calloc(threads, sizeof *state->workers);
    if (!state || !state->workers) {
        free(state);
        return ob_fail(error, OB_ENOMEM, "not enough memory for oneDNN");
    }
    state->threads = threads;
    state->loops = loops;
    omp_set_num_threads(1);
    bool opened = dnnl_engine_create(&state->engine, dnnl_cpu, 0) == dnnl_success;
    for (unsigned i = 0; opened && i < threads; i++)
        opened = dnnl_stream_create(&state->workers[i].stream, state->engine, dnnl_stream_default_flags) ==
                 dnnl_success;
    dnnl_memory_desc_t tile;
    if (!opened || !tile_desc(state->engine, 64, 64, &tile)) {
        close_state(state);
        return ob_fail(error, OB_EUNSUPPORTED,
                       "products = %s is not available: oneDNN has no bfloat16 matmul for this processor",
                       ob_products_onednn.name);
    }
    *ret_state = state;
    return OB_OK;
}

const struct ob_products ob_products_onednn = {
    .name = "bfloat16-onednn",
    .needs = OB_CPU_AVX512F | OB_CPU_AVX512BW | OB_CPU_AVX512VL | OB_CPU_AVX512DQ,
    .terms = 1,
    .packs = true,
    .tile_columns = 256,
    .layout = layout,
    .tile_bytes = tile_bytes,
    .staged_bytes = staged_bytes,
    .open = open_state,
    .close = close_state,
    .pack = pack,
    .stage = stage,
    .multiply = multiply,
};
#else
typedef int ob_no_onednn; /* a source file is not empty */
#endif
