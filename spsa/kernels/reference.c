#include "spsa/kernels/reference.h"

#include "spsa/kernels/gaussian.h"

/* Use 0 of a sample's randomness is its direction (spsa/direction.h). */
static void keystream(const struct ob_spsa_key *key, uint32_t tensor, uint32_t first_block, size_t blocks,
                      uint8_t *ret_bits) {
    ob_spsa_keystream(key, tensor, 0, first_block, blocks * OB_SPSA_BLOCK_BYTES, ret_bits);
}

void ob_spsa_reference_keystreams(const struct ob_spsa_key *keys, size_t count, uint32_t tensor, uint32_t use,
                                  uint32_t first_block, size_t blocks, uint8_t *const *to) {
    for (size_t j = 0; j < count; j++)
        ob_spsa_keystream(&keys[j], tensor, use, first_block, blocks * OB_SPSA_BLOCK_BYTES, to[j]);
}

static unsigned bit_at(const uint8_t *bits, size_t index) {
    return (bits[index / 8] >> (index % 8)) & 1u;
}

static void accumulate(int32_t *values, size_t blocks, const uint8_t *const *bits, const int32_t *q,
                       size_t count) {
    for (size_t i = 0; i < blocks * 512; i++) {
        uint32_t value = (uint32_t)values[i];
        for (size_t j = 0; j < count; j++)
            value = bit_at(bits[j], i) ? value + (uint32_t)q[j] : value - (uint32_t)q[j];
        values[i] = (int32_t)value;
    }
}

static void read_values(const int32_t *values, size_t count, float unit, float *out) {
    for (size_t i = 0; i < count; i++)
        out[i] = (float)values[i] * unit;
}

static void read_pair(const int32_t *values, size_t count, float unit, const uint8_t *bits, size_t bit,
                      float step, float *plus, float *minus) {
    for (size_t i = 0; i < count; i++) {
        float weight = (float)values[i] * unit;
        float signed_step = bit_at(bits, bit + i) ? -step : step;
        plus[i] = weight + signed_step;
        minus[i] = weight - signed_step;
    }
}

static void accumulate_gaussian(int32_t *values, size_t blocks, const uint8_t *const *bytes, const int32_t *q,
                                size_t count) {
    for (size_t i = 0; i < blocks * OB_SPSA_BLOCK_BYTES; i++) {
        uint32_t value = (uint32_t)values[i];
        for (size_t j = 0; j < count; j++)
            value -= (uint32_t)q[j] * (uint32_t)ob_spsa_gaussian(bytes[j][i]);
        values[i] = (int32_t)value;
    }
}

static void read_gaussian(const int32_t *values, size_t count, float unit, const uint8_t *bytes, float step,
                          float *plus, float *minus) {
    for (size_t i = 0; i < count; i++) {
        float weight = (float)values[i] * unit, signed_step = (float)ob_spsa_gaussian(bytes[i]) * step;
        plus[i] = weight + signed_step;
        minus[i] = weight - signed_step;
    }
}

int64_t ob_spsa_reference_sum_gaussian(const uint8_t *bytes, size_t count) {
    int64_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += ob_spsa_gaussian(bytes[i]);
    return total;
}

size_t ob_spsa_reference_count_bits(const uint8_t *bits, size_t bytes) {
    size_t set = 0;
    for (size_t i = 0; i < bytes; i++)
        set += (size_t)__builtin_popcount(bits[i]);
    return set;
}

static uint32_t sum(const int32_t *values, size_t count) {
    uint32_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += (uint32_t)values[i];
    return total;
}

static uint32_t reach(const int32_t *values, size_t count) {
    uint32_t all = 0;
    for (size_t i = 0; i < count; i++)
        all |= (uint32_t)(values[i] ^ (values[i] >> 31));
    return all;
}

const struct ob_spsa_kernels ob_spsa_kernels_reference = {
    .name = "reference",
    .keystream = keystream,
    .keystreams = ob_spsa_reference_keystreams,
    .accumulate = accumulate,
    .read = read_values,
    .read_pair = read_pair,
    .accumulate_gaussian = accumulate_gaussian,
    .read_gaussian = read_gaussian,
    .sum_gaussian = ob_spsa_reference_sum_gaussian,
    .count_bits = ob_spsa_reference_count_bits,
    .sum = sum,
    .reach = reach,
};
