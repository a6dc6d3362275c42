/* The choice between ways to multiply, with a clock that tells what the test wants. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/forward/choose.h"
#include "tests/unit/cmocka_all.h"

static const struct ob_products plain = {.name = "float32"}, quick = {.name = "quick"},
                                other = {.name = "other"}, absent = {.name = "absent", .needs = UINT32_MAX};
static const struct ob_products *const ALL[] = {&plain, &quick, &other, &absent};

/* Milliseconds of a sample (float32: 100) and what an estimate is off by. */
struct machine {
    const struct ob_products *in_use;
    uint64_t ms[2]; /* of quick and other, in milliseconds */
    double off[2];
    bool breaks;                 /* quick cannot be used */
    unsigned busy_from, busy_to; /* samples [from, to) of all take ten times as long */
    double slower; /* each sample takes this part longer than the one before it: the processor warms up */
    unsigned samples[3], all; /* of plain, quick, other */
    const struct ob_products *of_samples[512];
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
    bool busy = machine->all >= machine->busy_from && machine->all < machine->busy_to;
    double ns = machine->in_use == &plain ? 100e6 : (double)machine->ms[way] * 1e6;
    clock_ns += (uint64_t)(ns * (busy ? 10 : 1) * (1 + machine->slower * machine->all));
    assert_in_range(machine->all, 0, 511);
    machine->of_samples[machine->all++] = machine->in_use;
    machine->samples[machine->in_use == &plain ? 0 : way + 1]++;
    ret_losses[1] = 3.0;
    ret_losses[0] = 3.0 + g * (machine->in_use == &plain ? 1.0 : 1.0 + machine->off[way]);
    return OB_OK;
}

static struct ob_choices choose(struct machine *machine) {
    struct ob_choices choices;
    struct ob_choose_job job = {
        .context = machine, .use = use, .losses = losses, .now_ns = fake_now, .ways = ALL, .way_count = 4};
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
    assert_string_equal(chosen((struct machine){.ms = {60, 50}}), "other");
    assert_string_equal(chosen((struct machine){.ms = {50, 60}}), "quick");
    assert_string_equal(chosen((struct machine){.ms = {50, 60}, .breaks = true}), "other");
}

static void a_slower_one_is_never_taken(void **state) {
    (void)state;
    for (uint64_t a = 10; a <= 300; a += 10)
        for (uint64_t b = 10; b <= 300; b += 10) {
            struct machine machine = {.ms = {a, b}};
            struct ob_choices choices = choose(&machine);
            for (size_t i = 0; i < choices.count; i++)
                assert_true(!choices.list[i].measured || choices.list[i].seconds < 0.097 + 1e-9 || i == 0 ||
                            choices.chosen != i);
            uint64_t best = a < b ? a : b, took = choices.chosen == 0 ? 100 : choices.chosen == 1 ? a : b;
            assert_int_equal(took, best < 97 ? best : 100);
        }
}

/* Other work on the machine, whenever it begins and however long it lasts, up to half of the measurement: all ways
 * wait for it alike. */
static void other_work_does_not_deceive(void **state) {
    (void)state;
    for (unsigned from = 0; from < 24; from++)
        for (unsigned count = 1; count <= 8; count++) {
            struct machine busy = {.busy_from = from, .busy_to = from + count};
            busy.ms[0] = 51, busy.ms[1] = 50;
            assert_string_equal(chosen(busy), "other");
            busy.ms[0] = 50, busy.ms[1] = 51;
            assert_string_equal(chosen(busy), "quick");
            busy.ms[0] = 150, busy.ms[1] = 120;
            assert_string_equal(chosen(busy), "float32");
        }
}

/* A tenth slower from one round of turns to the next: the order of the list decides nothing. */
static void a_processor_that_warms_up_does_not_deceive(void **state) {
    (void)state;
    assert_string_equal(chosen((struct machine){.ms = {53, 50}, .slower = 0.005}), "other");
    assert_string_equal(chosen((struct machine){.ms = {50, 53}, .slower = 0.005}), "quick");
}

static void they_take_turns(void **state) {
    (void)state;
    struct machine machine = {.ms = {60, 70}};
    (void)choose(&machine);
    for (unsigned i = 0; i + 3 < 3 * (1 + OB_CHOOSE_HEATS); i++)
        assert_ptr_equal(machine.of_samples[i], ALL[i % 3]);
}

/* The time goes to those that are close to one another; float32 goes on, because the others' estimates are compared with
 * its own. */
static void a_slow_one_leaves_after_the_heats(void **state) {
    (void)state;
    struct machine machine = {.ms = {1, 3}};
    struct ob_choices choices = choose(&machine);
    assert_int_equal(machine.samples[2], 1 + OB_CHOOSE_HEATS);
    assert_int_equal(machine.samples[1], machine.samples[0]);
    assert_in_range(machine.samples[0], 2 + OB_CHOOSE_HEATS, 1 + OB_CHOOSE_TURNS);
    assert_true(choices.list[2].measured && choices.list[2].passes);
}

static void it_takes_no_more_than_its_time_and_the_heats(void **state) {
    (void)state;
    uint64_t start = clock_ns;
    (void)chosen((struct machine){.ms = {60, 70}});
    assert_in_range(clock_ns - start, 1, 1500000000);
    start = clock_ns;
    (void)chosen((struct machine){.ms = {600, 700}}); /* of a model that is too large for it */
    assert_in_range(clock_ns - start, 1, (1 + OB_CHOOSE_HEATS) * 1400000000ull);
}

static void estimates_that_are_off_are_ruled_out(void **state) {
    (void)state;
    assert_string_equal(chosen((struct machine){.ms = {20, 50}, .off = {0.051, 0.049}}), "other");
    assert_string_equal(chosen((struct machine){.ms = {20, 50}, .off = {0.06, -0.2}}), "float32");
    assert_string_equal(chosen((struct machine){.ms = {20, 50}, .off = {(double)NAN, 0}}), "other");
}

static void with_nothing_to_choose_from_nothing_is_measured(void **state) {
    (void)state;
    static const struct ob_products *const lacking[] = {&plain, &absent};
    struct machine machine = {0};
    struct ob_choices choices;
    char text[OB_CHOICES_TEXT_MAX];
    struct ob_choose_job job = {.context = &machine,
                                .use = use,
                                .losses = losses,
                                .now_ns = fake_now,
                                .ways = lacking,
                                .way_count = 2};
    assert_int_equal(ob_choose(&job, &choices, NULL), OB_OK);
    assert_ptr_equal(machine.in_use, &plain);
    assert_int_equal(choices.chosen, 0);
    assert_int_equal(machine.all, 0);
    assert_non_null(strstr(ob_choices_text(&choices, text), "float32: the only way here; absent: "));
}

static void the_text_says_which_and_why(void **state) {
    (void)state;
    char text[OB_CHOICES_TEXT_MAX];
    struct machine machine = {.ms = {20, 150}, .off = {0.5, 0.01}};
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
        cmocka_unit_test(other_work_does_not_deceive),
        cmocka_unit_test(a_processor_that_warms_up_does_not_deceive),
        cmocka_unit_test(they_take_turns),
        cmocka_unit_test(a_slow_one_leaves_after_the_heats),
        cmocka_unit_test(it_takes_no_more_than_its_time_and_the_heats),
        cmocka_unit_test(estimates_that_are_off_are_ruled_out),
        cmocka_unit_test(with_nothing_to_choose_from_nothing_is_measured),
        cmocka_unit_test(the_text_says_which_and_why),
    };
    return cmocka_run_group_tests_name("choose", tests, NULL, NULL);
}
