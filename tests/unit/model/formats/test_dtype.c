/* Every float16 and bfloat16 there is, both ways, against arithmetic; and rounding half to even between them. */
#include "tests/unit/cmocka_all.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/formats/dtype.h"

#define ALL 65536

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* The definition: IEEE 754, 5 bits of exponent, 10 of fraction. */
static float half_by_arithmetic(unsigned half) {
    int exponent = (int)(half >> 10 & 31), fraction = (int)(half & 1023);
    float value = exponent == 31 ? (fraction ? NAN : INFINITY)
                  : exponent     ? ldexpf((float)(1024 + fraction), exponent - 25)
                                 : ldexpf((float)fraction, -24);
    return half & 0x8000 ? -value : value;
}

static void decode_all_halves(void **state) {
    (void)state;
    uint8_t *data = malloc(2 * ALL), *again = malloc(2 * ALL);
    float *values = malloc(ALL * sizeof *values);
    assert_true(data && again && values);
    for (unsigned i = 0; i < ALL; i++) {
        data[2 * i] = (uint8_t)i;
        data[2 * i + 1] = (uint8_t)(i >> 8);
    }
    ob_dtype_decode(OB_DTYPE_F16, data, 0, ALL, values);
    ob_dtype_encode(OB_DTYPE_F16, values, ALL, again);
    for (unsigned i = 0; i < ALL; i++) {
        float expected = half_by_arithmetic(i);
        if (isnan(expected)) {
            assert_true(isnan(values[i]));
            continue;
        }
        if (bits_of(values[i]) != bits_of(expected))
            fail_msg("half %04x: %a, expected %a", i, (double)values[i], (double)expected);
        assert_memory_equal(again + 2 * i, data + 2 * i, 2);
    }
    for (size_t first = 0; first < 90; first++) { /* any part is the part of the whole */
        float part[33];
        ob_dtype_decode(OB_DTYPE_F16, data, 700 * first, 33, part);
        for (size_t i = 0; i < 33; i++)
            assert_int_equal(bits_of(part[i]), bits_of(values[700 * first + i]));
    }
    free(data);
    free(again);
    free(values);
}

static void decode_all_bfloat16(void **state) {
    (void)state;
    for (uint32_t i = 0; i < ALL; i++) {
        uint8_t data[2] = {(uint8_t)i, (uint8_t)(i >> 8)}, again[2];
        float value;
        ob_dtype_decode(OB_DTYPE_BF16, data, 0, 1, &value);
        assert_int_equal(bits_of(value), i << 16);
        ob_dtype_encode(OB_DTYPE_BF16, &value, 1, again);
        if (!isnan(value))
            assert_memory_equal(again, data, 2);
    }
}

/* The middle between two neighbours goes to the even one, anything beside it to the nearer one. */
static void encode_rounds_half_to_even(void **state) {
    (void)state;
    for (unsigned i = 0; i < 0x7bff; i++) {
        float low = half_by_arithmetic(i), high = half_by_arithmetic(i + 1), middle = 0.5f * (low + high);
        const float values[3] = {middle, nextafterf(middle, 0), nextafterf(middle, INFINITY)};
        const unsigned expected[3] = {i + (i & 1), i, i + 1};
        for (int k = 0; k < 3; k++) {
            uint8_t data[2];
            ob_dtype_encode(OB_DTYPE_F16, &values[k], 1, data);
            assert_int_equal(data[0] | data[1] << 8, expected[k]);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decode_all_halves),
        cmocka_unit_test(decode_all_bfloat16),
        cmocka_unit_test(encode_rounds_half_to_even),
    };
    return cmocka_run_group_tests_name("dtype", tests, NULL, NULL);
}
