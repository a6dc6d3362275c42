/* A packed tile is the large parts' tile and the small parts'; staged rows are the same. */
#include "model/forward/products_split.h"

#if defined(__x86_64__)
#include <stdio.h>
#include <stdlib.h>

#include "base/cpu.h"
#include "model/forward/products_bf16.h"
#include "model/forward/products_onednn.h"
#include "model/forward/vector.h"

static const struct ob_products *const BASES[] = {
#if defined(OB_HAVE_ONEDNN)
    &ob_products_onednn,
#endif
    &ob_products_bf16,
};
enum { BASE_COUNT = sizeof BASES / sizeof *BASES };

struct worker {
    float *small; /* of a tile or of rows, without gaps */
    size_t elements;
};

struct state {
    const struct ob_products *base;
    void *base_state;
    const struct ob_vector_loops *loops;
    unsigned threads;
    struct worker *workers;
};

/* What rounding leaves of rows of x, in scratch. */
static const float *small_parts(struct state *state, unsigned thread, const float *x, size_t ld, size_t rows,
                                size_t columns) {
    struct worker *worker = &state->workers[thread];
    size_t elements = (rows * columns + 15) / 16 * 16;
    if (elements > worker->elements) {
        free(worker->small);
        worker->small = aligned_alloc(64, elements * sizeof *worker->small);
        worker->elements = elements;
    }
    if (!worker->small)
        abort(); /* no memory for one tile: nothing sensible can follow */
    for (size_t row = 0; row < rows; row++)
        ob_vector_residue(state->loops, columns, x + row * ld, worker->small + row * columns);
    return worker->small;
}

static void layout(void *context, char ret_text[OB_PRODUCTS_LAYOUT_MAX]) {
    const struct state *state = context;
    char text[OB_PRODUCTS_LAYOUT_MAX] = "";
    if (state->base->layout)
        state->base->layout(state->base_state, text);
    (void)snprintf(ret_text, OB_PRODUCTS_LAYOUT_MAX, "of %s %.128s", state->base->name, text);
}

static size_t tile_bytes(void *context, size_t n, size_t k) {
    const struct state *state = context;
    return 2 * state->base->tile_bytes(state->base_state, n, k);
}

/* Enough for any of the bases. */
static size_t staged_bytes(size_t rows, size_t k) {
    size_t most = 0;
    for (size_t i = 0; i < BASE_COUNT; i++)
        most = BASES[i]->staged_bytes(rows, k) > most ? BASES[i]->staged_bytes(rows, k) : most;
    return 2 * most;
}

static void pack(void *context, unsigned thread, const struct ob_matrix *m, void *ret_tile) {
    struct state *state = context;
    uint8_t *tile = ret_tile;
    size_t rows = m->transposed ? m->n : m->k, columns = m->transposed ? m->k : m->n;
    struct ob_matrix small = *m;
    small.values = small_parts(state, thread, m->values, m->ld, rows, columns);
    small.ld = columns;
    state->base->pack(state->base_state, thread, m, tile);
    state->base->pack(state->base_state, thread, &small,
                      tile + state->base->tile_bytes(state->base_state, m->n, m->k));
}

static void stage(void *context, unsigned thread, const float *a, size_t lda, size_t count, size_t k,
                  void *ret_rows) {
    struct state *state = context;
    uint8_t *rows = ret_rows;
    const float *small = small_parts(state, thread, a, lda, count, k);
    state->base->stage(state->base_state, thread, a, lda, count, k, rows);
    state->base->stage(state->base_state, thread, small, k, count, k,
                       rows + state->base->staged_bytes(count, k));
}

static void multiply(void *context, unsigned thread, const struct ob_product *p) {
    const struct state *state = context;
    const uint8_t *rows = p->rows, *tile = p->tile;
    struct ob_product part = *p;
    part.rows = rows + state->base->staged_bytes(p->count, p->k);
    state->base->multiply(state->base_state, thread, &part);
    part.accumulate = true;
    part.rows = rows;
    part.tile = tile + state->base->tile_bytes(state->base_state, p->n, p->k);
    state->base->multiply(state->base_state, thread, &part);
    part.tile = tile;
    state->base->multiply(state->base_state, thread, &part);
}

static void close_state(void *context) {
    struct state *state = context;
    if (!state)
        return;
    if (state->base && state->base->close)
        state->base->close(state->base_state);
    for (unsigned i = 0; state->workers && i < state->threads; i++)
        free(state->workers[i].small);
    free(state->workers);
    free(state);
}

static enum ob_err open_state(unsigned threads, const struct ob_vector_loops *loops, void **ret_state,
                              struct ob_error *error) {
    struct state *state = calloc(1, sizeof *state);
    if (state)
        state->workers = calloc(threads, sizeof *state->workers);
    if (!state || !state->workers) {
        close_state(state);
        return ob_fail(error, OB_ENOMEM, "not enough memory for products = %s", ob_products_split.name);
    }
    state->threads = threads;
    state->loops = loops;
    for (size_t i = 0; i < BASE_COUNT && !state->base; i++) {
        if (!ob_cpu_has(BASES[i]->needs))
            continue;
        enum ob_err failed =
            BASES[i]->open ? BASES[i]->open(threads, loops, &state->base_state, NULL) : OB_OK;
        state->base = failed ? NULL : BASES[i];
    }
    if (!state->base) {
        close_state(state);
        return ob_fail(error, OB_EUNSUPPORTED,
                       "products = %s is not available: no way multiplies bfloat16 here",
                       ob_products_split.name);
    }
    *ret_state = state;
    return OB_OK;
}

const struct ob_products ob_products_split = {
    .name = "bfloat16x2",
    .needs = OB_CPU_AVX512F | OB_CPU_AVX512BW | OB_CPU_AVX512VL,
    .terms = 2,
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
typedef int ob_no_split; /* a source file is not empty */
#endif
