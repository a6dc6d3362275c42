#include "spsa/weights.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "spsa/kernels/kernels.h"

#define HUGE_PAGE    ((size_t)2 << 20)
#define SMALL_PAGE   4096
#define HALF_RANGE   ((uint32_t)1 << 30)
#define READ_BLOCKS  32 /* keystream blocks of one read: 2 KiB of stack */
#define SUM_ELEMENTS 65536

static uint64_t padded(uint64_t elements) {
    return (elements + OB_SPSA_BLOCK_ELEMENTS - 1) / OB_SPSA_BLOCK_ELEMENTS * OB_SPSA_BLOCK_ELEMENTS;
}

static void *zeroed_arena(size_t bytes) {
    size_t page = bytes < HUGE_PAGE ? SMALL_PAGE : HUGE_PAGE;
    void *arena = aligned_alloc(page, (bytes + page - 1) / page * page);
    if (!arena)
        return NULL;
    if (page == HUGE_PAGE)
        (void)madvise(arena, bytes, MADV_HUGEPAGE); /* fewer page walks in replay; nothing depends on it */
    memset(arena, 0, bytes);
    return arena;
}

enum ob_err ob_spsa_weights_new(const struct ob_spsa_tensor *tensors, size_t count,
                                struct ob_spsa_weights **ret_weights, struct ob_error *error) {
    assert(count > 0);
    uint64_t elements = 0;
    for (size_t i = 0; i < count; i++) {
        const struct ob_spsa_tensor *t = &tensors[i];
        if (t->elements < 1 || t->elements >= (uint64_t)1 << 41)
            return ob_fail(error, OB_ETOOBIG, "tensor %zu has %" PRIu64 " elements, expected 1 to 2^41", i,
                           t->elements);
        assert(t->exponent >= OB_SPSA_EXPONENT_MIN && t->exponent <= OB_SPSA_EXPONENT_MAX);
        assert(t->log2_scale >= -16 && t->log2_scale <= 16);
        elements += padded(t->elements);
    }
    if (elements > SIZE_MAX / 8)
        return ob_fail(error, OB_ETOOBIG, "the model has too many weights for this machine's address space");
    struct ob_spsa_weights *weights = calloc(1, sizeof *weights);
    if (weights) {
        weights->count = count;
        weights->tensors = malloc(count * sizeof *tensors);
        weights->values = calloc(count, sizeof *weights->values);
        weights->arena_bytes = (size_t)elements * sizeof(int32_t);
        weights->arena = zeroed_arena(weights->arena_bytes);
    }
    if (!weights || !weights->tensors || !weights->values || !weights->arena) {
        ob_spsa_weights_free(weights);
        return ob_fail(error, OB_ENOMEM, "not enough memory for %" PRIu64 " weights of 4 bytes", elements);
    }
    memcpy(weights->tensors, tensors, count * sizeof *tensors);
    int32_t *at = weights->arena;
    for (size_t i = 0; i < count; i++) {
        weights->values[i] = at;
        at += padded(tensors[i].elements);
    }
    *ret_weights = weights;
    return OB_OK;
}

void ob_spsa_weights_free(struct ob_spsa_weights *weights) {
    if (!weights)
        return;
    free(weights->tensors);
    free(weights->values);
    free(weights->arena);
    free(weights->sums);
    free(weights);
}

void ob_spsa_weights_copy(struct ob_spsa_weights *to, const struct ob_spsa_weights *from) {
    assert(to->count == from->count && to->arena_bytes == from->arena_bytes && !to->sums);
    memcpy(to->arena, from->arena, from->arena_bytes);
}

/* A float32 as sign, 24-bit integer mantissa and power of two: |value| = mantissa · 2^power. */
struct parts {
    bool negative;
    uint32_t mantissa;
    int power;
};

static struct parts parts_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    int exponent = (int)(bits >> 23 & 0xff);
    uint32_t fraction = bits & 0x7fffff;
    if (exponent == 0)
        return (struct parts){bits >> 31, fraction, -149};
    return (struct parts){bits >> 31, fraction | 0x800000, exponent - 150};
}

int32_t ob_spsa_exponent_for(float largest_magnitude) {
    struct parts p = parts_of(largest_magnitude);
    if (p.mantissa == 0)
        return OB_SPSA_EXPONENT_MAX;
    int top = 31 - __builtin_clz(p.mantissa);                 /* mantissa in [2^top, 2^(top+1)) */
    bool power_of_two = (p.mantissa & (p.mantissa - 1)) == 0; /* else the logarithm is rounded up */
    int exponent = 28 - (p.power + top + (power_of_two ? 0 : 1));
    if (exponent > OB_SPSA_EXPONENT_MAX)
        return OB_SPSA_EXPONENT_MAX;
    return exponent < OB_SPSA_EXPONENT_MIN ? OB_SPSA_EXPONENT_MIN : exponent;
}

/* mantissa · 2^shift rounded half to even; false when it is 2^31 or more. */
static bool scale_half_even(uint32_t mantissa, int shift, uint32_t *ret_value) {
    if (shift >= 0) {
        if (mantissa != 0 && (shift > 31 || mantissa > (uint32_t)INT32_MAX >> shift))
            return false;
        *ret_value = mantissa == 0 ? 0 : mantissa << shift;
        return true;
    }
    int right = -shift;
    if (right > 32) {
        *ret_value = 0;
        return true;
    }
    uint64_t whole = (uint64_t)mantissa >> right, rest = mantissa - (whole << right),
             half = (uint64_t)1 << (right - 1);
    *ret_value = (uint32_t)whole + (rest > half || (rest == half && (whole & 1)));
    return true;
}

enum ob_err ob_spsa_fixed_point(int32_t exponent, uint64_t first, size_t count, const float *base,
                                int32_t *ret_values, struct ob_error *error) {
    for (size_t i = 0; i < count; i++) {
        uint32_t magnitude;
        if (!isfinite(base[i]))
            return ob_fail(error, OB_ENOTFINITE, "element %" PRIu64 " is not a finite number", first + i);
        struct parts p = parts_of(base[i]);
        if (!scale_half_even(p.mantissa, p.power + exponent, &magnitude))
            return ob_fail(error, OB_ETOOBIG,
                           "element %" PRIu64 " (%g) is out of range for fixed point with exponent %d",
                           first + i, (double)base[i], exponent);
        ret_values[i] = p.negative ? -(int32_t)magnitude : (int32_t)magnitude;
    }
    return OB_OK;
}

enum ob_err ob_spsa_weights_set(struct ob_spsa_weights *weights, uint32_t tensor, uint64_t first,
                                size_t count, const float *base, struct ob_error *error) {
    assert(tensor < weights->count && first + count <= weights->tensors[tensor].elements);
    return ob_spsa_fixed_point(weights->tensors[tensor].exponent, first, count, base,
                               weights->values[tensor] + first, error);
}

static float power_of_two(int exponent) {
    assert(exponent >= -126 && exponent <= 127);
    uint32_t bits = (uint32_t)(exponent + 127) << 23;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

void ob_spsa_weights_read(const struct ob_spsa_engine *engine, const struct ob_spsa_weights *weights,
                          uint32_t tensor, uint64_t first, size_t count, float *ret_values) {
    const struct ob_spsa_tensor *t = &weights->tensors[tensor];
    assert(tensor < weights->count && first + count <= t->elements);
    engine->kernels->read(weights->values[tensor] + first, count, power_of_two(-t->exponent), ret_values);
}

static void read_pair(const struct ob_spsa_engine *engine, const struct ob_spsa_weights *weights,
                      uint32_t tensor, uint64_t first, size_t count, float step, const uint8_t *stream,
                      size_t skipped, float *const to[2]) {
    const int32_t *values = weights->values[tensor] + first;
    float unit = power_of_two(-weights->tensors[tensor].exponent);
    if (weights->distribution == OB_SPSA_GAUSSIAN)
        engine->kernels->read_gaussian(values, count, unit, stream + skipped, step, to[0], to[1]);
    else
        engine->kernels->read_pair(values, count, unit, stream, skipped, step, to[0], to[1]);
}

void ob_spsa_weights_read_pair(const struct ob_spsa_engine *engine, const struct ob_spsa_weights *weights,
                               const struct ob_spsa_key *key, float epsilon, uint32_t tensor, uint64_t first,
                               size_t count, float *ret_plus, float *ret_minus) {
    const struct ob_spsa_tensor *t = &weights->tensors[tensor];
    assert(tensor < weights->count && first + count <= t->elements);
    float step = epsilon * power_of_two(t->log2_scale - ob_spsa_direction_bits_below(weights->distribution));
    size_t elements = ob_spsa_block_elements(weights->distribution);
    uint8_t stream[READ_BLOCKS * OB_SPSA_BLOCK_BYTES + OB_SPSA_BITS_SLACK] = {0};
    while (count > 0) {
        size_t skipped = (size_t)(first % elements), part = READ_BLOCKS * elements - skipped;
        if (part > count)
            part = count;
        size_t blocks = (skipped + part + elements - 1) / elements;
        engine->kernels->keystream(key, tensor, (uint32_t)(first / elements), blocks, stream);
        read_pair(engine, weights, tensor, first, part, step, stream, skipped,
                  (float *const[2]){ret_plus, ret_minus});
        first += part;
        count -= part;
        ret_plus += part;
        ret_minus += part;
    }
}

int64_t ob_spsa_weights_overrange(const struct ob_spsa_engine *engine,
                                  const struct ob_spsa_weights *weights) {
    for (size_t t = 0; t < weights->count; t++)
        for (uint64_t at = 0; at < weights->tensors[t].elements; at += SUM_ELEMENTS) {
            uint64_t left = weights->tensors[t].elements - at;
            size_t count = left < SUM_ELEMENTS ? (size_t)left : SUM_ELEMENTS;
            if (engine->kernels->reach(weights->values[t] + at, count) >= HALF_RANGE)
                return (int64_t)t;
        }
    return -1;
}
