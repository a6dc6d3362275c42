/* The loops of each instruction set against libm in double. */
#include "tests/unit/cmocka_all.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "model/forward/vector.h"
#include "model/forward/vector_loops.h"

#define COUNT 4099 /* no multiple of any vector */

static float input[COUNT], other[COUNT], got[COUNT];

/* Values from -30 to 30, denser near 0, and the ends of what the exponential takes. */
static int setup(void **state) {
    (void)state;
    for (int i = 0; i < COUNT; i++) {
        double x = (double)i / (COUNT - 1) * 2.0 - 1.0;
        input[i] = (float)(30.0 * x * x * x);
        other[i] = (float)sin((double)i);
    }
    return 0;
}

static void restore(void) {
    for (int i = 0; i < COUNT; i++)
        got[i] = input[i];
}

#define FOR_EACH_TABLE(table)                                                                                \
    for (int isa = 0; isa < OB_VECTOR_ISA_COUNT; isa++)                                                      \
        for (const struct ob_vector_loops *table = ob_vector_loops_of((enum ob_vector_isa)isa),              \
                                          *once = table;                                                     \
             once; once = NULL)

static void assert_near(double value, double expected, double absolute, double relative) {
    if (!(fabs(value - expected) <= absolute + relative * fabs(expected)))
        fail_msg("%.9g, expected %.9g", value, expected);
}

static void activations_are_libms(void **state) {
    (void)state;
    FOR_EACH_TABLE(t) {
        restore();
        t->gelu_tanh(COUNT, got);
        for (int i = 0; i < COUNT; i++) {
            double x = (double)input[i], u = sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x);
            assert_near((double)got[i], x / (1.0 + exp(-2.0 * u)), 1e-6, 1e-6);
        }
        restore();
        t->gelu_erf(COUNT, got);
        for (int i = 0; i < COUNT; i++) {
            double x = (double)input[i];
            assert_near((double)got[i], 0.5 * x * (1.0 + erf(x * M_SQRT1_2)), 5e-7, 5e-7);
        }
        restore();
        t->silu(COUNT, got);
        for (int i = 0; i < COUNT; i++)
            assert_near((double)got[i], (double)input[i] / (1.0 + exp(-(double)input[i])), 1e-7, 1e-6);
        restore();
        t->relu(COUNT, got);
        for (int i = 0; i < COUNT; i++)
            assert_true(got[i] == (input[i] > 0.0f ? input[i] : 0.0f));
    }
}

static void exponentials_are_libms_at_every_length(void **state) {
    (void)state;
    FOR_EACH_TABLE(t) {
        for (size_t count = 1; count <= COUNT; count += count < 70 ? 1 : 1343) {
            float most = t->largest(count, input);
            double expected = 0, largest = -1e30;
            for (size_t i = 0; i < count; i++)
                largest = fmax(largest, (double)input[i]);
            assert_true((double)most == largest);
            double in_place = (double)t->exponentials(count, input, most, got);
            for (size_t i = 0; i < count; i++) {
                double e = exp((double)(input[i] - most));
                assert_near((double)got[i], e, 1e-37, 4e-7);
                expected += e;
            }
            assert_near(in_place, expected, 0, 2e-6);
            assert_near(t->exponential_sum(count, input, most), expected, 0, 2e-6);
        }
    }
}

static void sums_are_those_of_doubles(void **state) {
    (void)state;
    FOR_EACH_TABLE(t) {
        for (size_t count = 1; count <= COUNT; count += count < 70 ? 1 : 1343) {
            double sum = 0, squares = 0;
            for (size_t i = 0; i < count; i++) {
                sum += (double)other[i];
                squares += ((double)other[i] - 0.25) * ((double)other[i] - 0.25);
            }
            assert_near((double)t->sum(count, other), sum, 1e-3, 1e-5);
            assert_near((double)t->squares(count, other, 0.25f), squares, 0, 1e-5);
            double products = 0, magnitude = 0;
            for (size_t i = 0; i < count; i++) {
                products += (double)input[i] * (double)other[i];
                magnitude += fabs((double)input[i] * (double)other[i]);
            }
            assert_near((double)t->dot(count, input, other), products, 1e-6 * magnitude, 0);
        }
    }
}

static void elementwise_loops_do_every_element_and_no_more(void **state) {
    (void)state;
    FOR_EACH_TABLE(t) {
        for (size_t count = 0; count < 70; count++) {
            restore();
            t->add(count, got, other);
            t->multiply(count, got, other);
            t->times(count, 3.0f, got);
            for (size_t i = 0; i < 70; i++) {
                double x = (double)input[i], y = (double)other[i];
                assert_near((double)got[i], i < count ? (x + y) * y * 3.0 : x, 1e-5, 1e-6);
            }
            t->scale(count, input, 0.5f, 2.0f, other, input, got);
            for (size_t i = 0; i < count; i++)
                assert_near((double)got[i],
                            ((double)input[i] - 0.5) * 2.0 * (double)other[i] + (double)input[i], 1e-5, 1e-5);
        }
        restore();
        t->less(67, other, input, got);
        for (int i = 0; i < 70; i++)
            assert_true(got[i] == (i < 67 ? other[i] - input[i] : input[i]));
        restore();
        t->add_times(67, -2.5f, other, got);
        for (int i = 0; i < 70; i++)
            assert_near((double)got[i], (double)input[i] - (i < 67 ? 2.5 * (double)other[i] : 0), 1e-5, 1e-6);
        restore();
        t->rotate(33, other, other + 100, got);
        for (int i = 0; i < 33; i++) {
            double c = (double)other[i], s = (double)other[100 + i], a = (double)input[i],
                   b = (double)input[i + 33];
            assert_near((double)got[i], a * c - b * s, 1e-5, 1e-6);
            assert_near((double)got[i + 33], b * c + a * s, 1e-5, 1e-6);
        }
        assert_true(got[66] == input[66]);
    }
}

/* What is not a number stays one, so that a broken loss is seen. */
static void not_a_number_is_kept(void **state) {
    (void)state;
    FOR_EACH_TABLE(t) {
        float x[20] = {0};
        x[3] = x[17] = NAN;
        t->gelu_tanh(20, x);
        assert_true(isnan(x[3]) && isnan(x[17]) && x[0] == 0.0f);
        assert_true(isnan(t->exponential_sum(20, x, 0.0f)));
    }
}

static uint64_t durations[OB_VECTOR_ISA_COUNT], clock_ns;
static size_t racers, reads;

/* Read once before the first turn, then before and after each, and once before each further round. */
static uint64_t fake_now(void) {
    size_t at = reads > 0 ? (reads - 1) % (2 * racers + 1) : 0;
    if (reads++ > 0 && at % 2 == 1)
        clock_ns += durations[at / 2];
    return clock_ns;
}

static void the_fastest_table_is_taken(void **state) {
    (void)state;
    int present[OB_VECTOR_ISA_COUNT];
    racers = 0;
    FOR_EACH_TABLE(t) {
        assert_non_null(t);
        present[racers++] = isa;
    }
    for (size_t fastest = 0; fastest < racers; fastest++) {
        struct ob_race race;
        for (size_t i = 0; i < racers; i++)
            durations[i] = i == fastest ? 40 : 50;
        clock_ns = reads = 0;
        const struct ob_vector_loops *loops = ob_vector_fastest(fake_now, &race);
        assert_ptr_equal(loops, ob_vector_loops_of((enum ob_vector_isa)present[fastest]));
        assert_int_equal(race.list[race.fastest].least_ns, 40);
    }
}

static void tables_are_forced_by_name_or_refused(void **state) {
    (void)state;
    static const char *const NAMES[] = {"plain", "avx2", "avx512"};
    const struct ob_vector_loops *loops;
    struct ob_error error = {0};
    for (int isa = 0; isa < OB_VECTOR_ISA_COUNT; isa++) {
        const struct ob_vector_loops *here = ob_vector_loops_of((enum ob_vector_isa)isa);
        assert_int_equal(ob_vector_named(NAMES[isa], &loops, &error), here ? OB_OK : OB_EUNSUPPORTED);
        assert_string_equal(here ? ob_vector_name(loops) : NAMES[isa], NAMES[isa]);
    }
    assert_int_equal(ob_vector_named("abacus", &loops, &error), OB_EUSAGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activations_are_libms),
        cmocka_unit_test(exponentials_are_libms_at_every_length),
        cmocka_unit_test(sums_are_those_of_doubles),
        cmocka_unit_test(elementwise_loops_do_every_element_and_no_more),
        cmocka_unit_test(not_a_number_is_kept),
        cmocka_unit_test(the_fastest_table_is_taken),
        cmocka_unit_test(tables_are_forced_by_name_or_refused),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
