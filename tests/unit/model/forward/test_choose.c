/* The choice between ways to multiply, with a clock that tells what the test wants. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/forward/choose.h"
#include "tests/unit/cmocka_all.h"

static const struct ob_products plain = {.name = "float32"}, quick = {.name = "quick"},
                                other = {.name = "other"}, absent = {.name = "absent", .needs = UINT32_MAX};
static const struct ob_products *const ALL[] = {&plain, &quick, &other, &absent};

/* Seconds of a sample and what an estimate is off by. */
struct machine {
    const struct ob_products *in_use;
    uint64_t ns[2]; /* quick, other */
    double off[2];
    bool breaks; /* quick cannot be used */
    unsigned
        busy_from; /* samples of float32 from this one on are as they should be, before it ten times as slow */
    unsigned plain_samples;
};

static uint64_t clock_ns;

static uint64_t fake_now(void) {
    return clock_ns;
}

static enum ob_err use(void *context, const struct ob_products *products, struct ob_error *error) {
    struct machine *machine = context;
    assert_ptr_not_equal(products, &absent);
    if (products == &quick && machine->breaks)
        return ob_fail(error, OB_EUNSUPPORTED, "quick is broken");
    machine->in_use = products;
    return OB_OK;
}

static enum ob_err losses(void *context, unsigned direction, double ret_losses[2], struct ob_error *error) {
    (void)error;
    struct machine *machine = context;
    double g = direction % 2 ? 0.001 : -0.002;
    int way = machine->in_use == &quick ? 0 : 1;
    if (machine->in_use == &plain)
        clock_ns += machine->plain_samples++ < machine->busy_from ? 1000 : 100;
    else
        clock_ns += machine->ns[way];
    ret_losses[1] = 3.0;
    ret_losses[0] = 3.0 + g * (machine->in_use == &plain ? 1.0 : 1.0 + machine->off[way]);
    return OB_OK;
}

static struct ob_choices choose(struct machine *machine) {
    struct ob_choices choices;
    struct ob_choose_job job = {.context = machine,
                                .use = use,
                                .losses = losses,
                                .now_ns = fake_now,
                                .ways = ALL,
                                .way_count = 4,
                                .directions = 4};
    assert_int_equal(ob_choose(&job, &choices, NULL), OB_OK);
    assert_ptr_equal(machine->in_use, choices.list[choices.chosen].products);
    assert_false(choices.list[3].measured); /* never used: `use` would have failed */
    return choices;
}

static const char *chosen(struct machine machine) {
    struct ob_choices choices = choose(&machine);
    return choices.list[choices.chosen].products->name;
}

static void the_fastest_is_taken(void **state) {
    (void)state;
    assert_string_equal(chosen((struct machine){.ns = {60, 50}}), "other");
    assert_string_equal(chosen((struct machine){.ns = {50, 60}}), "quick");
    assert_string_equal(chosen((struct machine){.ns = {50, 60}, .breaks = true}), "other");
}

static void a_slower_one_is_never_taken(void **state) {
    (void)state;
    for (uint64_t a = 10; a <= 300; a += 10)
        for (uint64_t b = 10; b <= 300; b += 10) {
            struct machine machine = {.ns = {a, b}};
            struct ob_choices choices = choose(&machine);
            for (size_t i = 0; i < choices.count; i++)
                assert_true(!choices.list[i].measured || choices.list[i].seconds * 0.97 <= 100e-9 ||
                            choices.chosen != i);
            uint64_t best = a < b ? a : b, took = choices.chosen == 0 ? 100 : choices.chosen == 1 ? a : b;
            assert_int_equal(took, best < 97 ? best : 100);
        }
}

static void a_machine_that_was_busy_does_not_deceive(void **state) {
    (void)state;
    assert_string_equal(chosen((struct machine){.ns = {150, 120}, .busy_from = 5}), "float32");
}

static void estimates_that_are_off_are_ruled_out(void **state) {
    (void)state;
    assert_string_equal(chosen((struct machine){.ns = {20, 50}, .off = {0.11, 0.04}}), "other");
    assert_string_equal(chosen((struct machine){.ns = {20, 50}, .off = {0.11, -0.2}}), "float32");
    assert_string_equal(chosen((struct machine){.ns = {20, 50}, .off = {(double)NAN, 0}}), "other");
}

static void the_text_says_which_and_why(void **state) {
    (void)state;
    char text[OB_CHOICES_TEXT_MAX];
    struct machine machine = {.ns = {20, 150}, .off = {0.5, 0.01}};
    struct ob_choices choices = choose(&machine);
    (void)ob_choices_text(&choices, text);
    assert_non_null(strstr(text, "float32 1.00"));
    assert_non_null(strstr(text, "quick 0.20 (error 0.5: estimates differ by 0.5)"));
    assert_non_null(strstr(text, "other 1.50 (error 0.01: not faster)"));
    assert_non_null(strstr(text, "absent: this processor"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fastest_is_taken),
        cmocka_unit_test(a_slower_one_is_never_taken),
        cmocka_unit_test(a_machine_that_was_busy_does_not_deceive),
        cmocka_unit_test(estimates_that_are_off_are_ruled_out),
        cmocka_unit_test(the_text_says_which_and_why),
    };
    return cmocka_run_group_tests_name("choose", tests, NULL, NULL);
}
