#include "tests/unit/cmocka_all.h"

#include <math.h>
#include <string.h>

#include "history/health.h"
#include "tests/support/folder.h"
#include "tests/support/random.h"

static struct test_folder folder;
static struct ob_history *history;
static struct test_random random_state;

static int open_history(void **state) {
    static const struct ob_run_id RUN = {{{1}}};
    struct ob_error warning = {0}, error = {0};
    (void)state;
    random_state = (struct test_random){7};
    test_folder_make(&folder);
    return ob_history_open(folder.path, &RUN, &history, &warning, &error) != OB_OK;
}
static int close_history(void **state) {
    (void)state;
    ob_history_close(history);
    test_folder_remove(&folder);
    return 0;
}

/* Near enough to a normal deviate. */
static double noise(void) {
    double sum = 0;
    for (int i = 0; i < 12; i++)
        sum += test_random_unit(&random_state);
    return sum - 6;
}

struct course {
    uint32_t rounds;
    double from, to, deviation;           /* of the training loss */
    double saturated, abstained, seconds; /* shares; of a round */
    double curvature, vary; /* 0: not measured; deviation of share, seconds and curvature, as parts of them */
};

/* Rounds from `first` on. */
static void run_from(const struct course *course, uint32_t first) {
    for (uint32_t i = first; i < first + course->rounds; i++) {
        double loss = course->from + (course->to - course->from) * (i - first) / course->rounds +
                      course->deviation * noise();
        double vary = 1 + course->vary * noise();
        struct ob_history_row row = {.time_ms = 1000ull * i,
                                     .round = i,
                                     .rounds = 1,
                                     .seconds = (course->seconds > 0 ? course->seconds : 1) * vary,
                                     .samples = 8,
                                     .loss = loss,
                                     .loss_square = loss * loss,
                                     .lr = 1e-4,
                                     .machines = 2,
                                     .swarm_loss = NAN,
                                     .swarm_rate = 16,
                                     .curvature = course->curvature > 0 ? course->curvature * vary : NAN,
                                     .bytes = 100,
                                     .saturated = (uint64_t)(100 * course->saturated * vary),
                                     .abstained = (uint64_t)(100 * course->abstained),
                                     .size = 0};
        ob_history_add_row(history, &row);
    }
}

static void run(const struct course *course) {
    run_from(course, 0);
}

static void evaluate(uint32_t round, double loss) {
    struct ob_history_frontier frontier = {.round = round, .machines = 2};
    for (int i = 0; i < 100; i++)
        ob_score_item(&frontier.score, 10 * (loss + (i % 2 ? 0.5 : -0.5)), 10);
    ob_history_put_frontier(history, &frontier, NULL, 0);
}

static struct ob_health_facts usual(void) {
    return (struct ob_health_facts){
        .trains = true, .sample_seconds = 0.12, .since_round_s = 0.5, .live = 4, .loss_finite = true};
}

static struct ob_health judge(const struct ob_health_facts *facts) {
    struct ob_health health;
    ob_health_of(history, facts, &health);
    assert_true(health.sentence[0] != 0);
    return health;
}
#define assert_verdict(health, wanted) assert_string_equal(ob_health_name((health).kind), wanted)

static void nothing_seen_is_starting(void **state) {
    (void)state;
    struct ob_health_facts facts = usual();
    assert_verdict(judge(&facts), "starting");
    run(&(struct course){5, 3, 3, 0.2, 0, 0, 1});
    assert_verdict(judge(&facts), "starting");
}

/* One round's loss has a deviation of 0.19 where two hundred rounds move the mean by 0.2. */
static void fall_beyond_its_error_is_learning(void **state) {
    (void)state;
    struct ob_health_facts facts = usual();
    run(&(struct course){200, 3.4, 3.2, 0.19, 0, 0, 1});
    struct ob_health health = judge(&facts);
    assert_verdict(health, "learning");
    assert_true(fabs(health.loss.first - 3.4) < 0.1 && fabs(health.loss.last - 3.2) < 0.1);
    assert_true(health.loss.error > 0.01 && health.loss.error < 0.1);
}

static void no_change_that_would_have_shown_is_flat(void **state) {
    (void)state;
    struct ob_health_facts facts = usual();
    run(&(struct course){400, 3.4, 3.4, 0.05, 0, 0, 1});
    assert_verdict(judge(&facts), "flat");
}

static void change_that_could_not_be_seen_is_noise(void **state) {
    (void)state;
    struct ob_health_facts facts = usual();
    run(&(struct course){40, 3.4, 3.38, 0.3, 0, 0, 1});
    assert_verdict(judge(&facts), "noise");
}

static void held_out_loss_says_more_than_training_loss(void **state) {
    (void)state;
    struct ob_health_facts facts = usual();
    run(&(struct course){400, 3.4, 3.0, 0.05, 0, 0, 1}); /* overfits */
    for (uint32_t i = 0; i < 6; i++)
        evaluate(64 * i, 3.4 + 0.05 * i);
    struct ob_health health = judge(&facts);
    assert_verdict(health, "diverging");
    assert_non_null(strstr(health.sentence, "held-out loss rises"));
    for (uint32_t i = 0; i < 6; i++)
        evaluate(64 * i, 3.4 - 0.01 * i + 0.001 * (i % 2));
    assert_verdict(judge(&facts), "learning");
    for (uint32_t i = 0; i < 6; i++)
        evaluate(64 * i, 3.4 + 0.001 * (i % 2));
    assert_verdict(judge(&facts), "flat");
}

/* Three or four points lie on a line by chance: a run that stands still must not be said to move. */
static void few_evaluations_of_a_run_that_stands_still(void **state) {
    (void)state;
    struct ob_health_facts facts = usual();
    int learning = 0, diverging = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        assert_int_equal(close_history(state) + open_history(state), 0);
        random_state.state = seed;
        for (uint32_t i = 0; i < 3 + seed % 3; i++)
            evaluate(64 * i, 3.4 + 0.1 * noise());
        enum ob_health_kind kind = judge(&facts).kind;
        learning += kind == OB_HEALTH_LEARNING;
        diverging += kind == OB_HEALTH_DIVERGING;
    }
    assert_in_range(learning, 0, 12); /* 2.3 % of 200, and its scatter */
    assert_in_range(diverging, 0, 4);
}

/* Three evaluations of a loss that bends hardly say anything by their scatter about a line; the training loss does. */
static void few_evaluations_do_not_hide_what_the_training_loss_shows(void **state) {
    (void)state;
    struct ob_health_facts facts = usual();
    run(&(struct course){84, 7.2, 5.4, 0.2, 0, 0, 1, 0, 0});
    evaluate(0, 6.98);
    evaluate(32, 5.91);
    evaluate(48, 5.72);
    struct ob_health health = judge(&facts);
    assert_verdict(health, "learning");
    assert_non_null(strstr(health.sentence, "training loss falls"));
    for (uint32_t i = 4; i < 10; i++)
        evaluate(16 * i, 5.72);
    for (uint32_t i = 0; i < 4; i++)
        evaluate(16 * i, 5.72);
    health = judge(&facts); /* what would have shown is what counts */
    assert_verdict(health, "flat");
    assert_non_null(strstr(health.sentence, "held-out"));
}

/* A rate of nearly nothing moves the weights without noise, and to no use. */
static void fall_by_next_to_nothing_is_flat(void **state) {
    (void)state;
    struct ob_health_facts facts = usual();
    for (uint32_t i = 0; i < 12; i++)
        evaluate(64 * i, 3.4 - 1e-6 * i);
    assert_verdict(judge(&facts), "flat");
    for (uint32_t i = 0; i < 12; i++)
        evaluate(64 * i, 3.4 - 1e-3 * i);
    assert_verdict(judge(&facts), "learning");
}

static void two_evaluations_are_judged_by_their_own_errors(void **state) {
    (void)state;
    struct ob_health_facts facts = usual();
    evaluate(0, 3.4);
    evaluate(64, 3.3);
    assert_verdict(judge(&facts), "starting"); /* 0.1 of 0.07 */
    evaluate(64, 3.0);
    assert_verdict(judge(&facts), "learning");
}

static void rise_of_the_training_loss_is_diverging(void **state) {
    (void)state;
    struct ob_health_facts facts = usual();
    run(&(struct course){100, 7.4, 12, 0.5, 0, 0, 1});
    assert_verdict(judge(&facts), "diverging");
}

static void noise_that_rises_by_chance_is_not_diverging(void **state) {
    (void)state;
    struct ob_health_facts facts = usual();
    for (uint64_t seed = 1; seed <= 30; seed++) {
        assert_int_equal(close_history(state) + open_history(state), 0);
        random_state.state = seed;
        run(&(struct course){60, 3.4, 3.4, 0.3, 0, 0, 1});
        assert_int_not_equal(judge(&facts).kind, OB_HEALTH_DIVERGING);
    }
}

static void losses_that_are_not_finite_are_diverging(void **state) {
    (void)state;
    struct ob_health_facts facts = usual();
    run(&(struct course){50, 3, 3, 0.1, 0, 0.5, 1});
    assert_verdict(judge(&facts), "diverging");
    assert_int_equal(close_history(state) + open_history(state), 0);
    facts.loss_finite = false;
    assert_verdict(judge(&facts), "diverging");
}

static void rate_beyond_the_curvature_is_diverging(void **state) {
    (void)state;
    struct ob_health_facts facts = usual();
    run(&(struct course){50, 3, 3, 0.1, 0, 0, 1});
    struct ob_history_row row = *ob_history_row_at(history, 49);
    row.round = 50;
    row.curvature = 30000;
    ob_history_add_row(history, &row);
    struct ob_health health = judge(&facts);
    assert_verdict(health, "diverging");
    assert_float_equal(health.rate_times_curvature, 3, 1e-9);
}

static void bytes_at_the_end_are_saturated_unless_it_learns(void **state) {
    (void)state;
    struct ob_health_facts facts = usual();
    run(&(struct course){100, 3, 3, 0.1, 0.3, 0, 1});
    struct ob_health health = judge(&facts);
    assert_verdict(health, "saturated");
    assert_float_equal(health.saturated, 0.3, 1e-9);
    assert_int_equal(close_history(state) + open_history(state), 0);
    run(&(struct course){200, 3.4, 3.0, 0.1, 0.3, 0, 1});
    assert_verdict(judge(&facts), "learning");
}

static void waiting_for_most_of_the_time_is_starved(void **state) {
    (void)state;
    struct ob_health_facts facts = usual();
    run(&(struct course){100, 3.4, 3.0, 0.1, 0, 0, 1}); /* 0.96 s of work a second */
    assert_verdict(judge(&facts), "learning");
    facts.waits_for = "carol";
    facts.since_round_s = 60;
    struct ob_health health = judge(&facts);
    assert_verdict(health, "starved");
    assert_non_null(strstr(health.sentence, "carol"));
    facts.trains = false; /* paused: it is meant to stand still */
    assert_verdict(judge(&facts), "learning");
    facts.trains = true;
    facts.since_round_s = 0.1;
    assert_int_equal(close_history(state) + open_history(state), 0);
    run(&(struct course){100, 3.4, 3.0, 0.1, 0, 0, 4});
    assert_verdict(judge(&facts), "starved");
    facts.rest = 0.9; /* as its owner wants it: a tenth of its time is all that it computes */
    assert_verdict(judge(&facts), "learning");
    facts.rest = 0;
    assert_int_equal(close_history(state) + open_history(state), 0);
    run(&(struct course){100, 3.4, 3.0, 0.1, 0, 0, 1.7}); /* 56 % at work */
    assert_verdict(judge(&facts), "learning");
    facts.before = OB_HEALTH_IS_STARVED; /* it does not come and go with each second */
    assert_verdict(judge(&facts), "starved");
    facts.live = 1; /* there is nobody to wait for: other programs take the processor */
    assert_verdict(judge(&facts), "learning");
}

static void half_that_does_not_answer_is_a_split(void **state) {
    (void)state;
    struct ob_health_facts facts = usual();
    run(&(struct course){200, 3.4, 3.0, 0.1, 0, 0, 1});
    facts.live = 3;
    facts.silent = 1;
    assert_verdict(judge(&facts), "learning");
    facts.live = facts.silent = 2;
    assert_verdict(judge(&facts), "split");
    facts.live = 4;
    facts.silent = 0;
    facts.isolated = true;
    assert_verdict(judge(&facts), "split");
    facts.isolated = false;
    facts.disagree = 2;
    assert_verdict(judge(&facts), "split");
    facts.disagree = 1;
    assert_verdict(judge(&facts), "learning");
}

static void end_is_finished_unless_it_diverged(void **state) {
    (void)state;
    struct ob_health_facts facts = usual();
    facts.finished = true;
    run(&(struct course){200, 3.4, 3.0, 0.1, 0, 0, 1});
    struct ob_health health = judge(&facts);
    assert_verdict(health, "finished");
    assert_non_null(strstr(health.sentence, "falls"));
}

static void curve_has_the_losses_in_equal_parts(void **state) {
    (void)state;
    double curve[8];
    ob_health_curve(history, curve, 8);
    assert_true(isnan(curve[0]) && isnan(curve[7]));
    run(&(struct course){5000, 8, 0, 0, 0, 0, 1}); /* thinned */
    ob_health_curve(history, curve, 8);
    for (int i = 0; i < 8; i++)
        assert_true(fabs(curve[i] - (7.5 - i)) < 0.06);
}

/* ---- at a boundary ---- */

/* How often another word is told; one evaluation after each row. `vary`: what comes and goes, as `i` says. */
struct watch {
    struct ob_health_facts facts;
    struct ob_health_view view;
    unsigned evaluations, changes;
};

static void look(struct watch *watch) {
    struct ob_health now;
    enum ob_health_kind before = watch->view.shown.kind;
    watch->facts.before = before;
    ob_health_of(history, &watch->facts, &now);
    ob_health_show(&watch->view, &now);
    watch->changes += before != watch->view.shown.kind && before != OB_HEALTH_STARTING;
    watch->evaluations++;
    assert_true(watch->view.shown.sentence[0] != 0);
}

static void live_through(struct watch *watch, const struct course *course) {
    for (uint32_t i = 0; i < course->rounds; i++) {
        struct course one = *course;
        one.rounds = 1;
        one.from = one.to = course->from + (course->to - course->from) * i / course->rounds;
        run_from(&one, i);
        look(watch);
    }
}

/* Each stands for long where one word ends and another begins. */
static void word_at_a_boundary_does_not_flap(void **state) {
    static const struct course COURSES[] = {
        {800, 3.4, 2.76, 0.33, 0, 0, 1, 0, 0},     /* falls by two errors of the window: learning or noise */
        {800, 3.4, 3.4, 0.069, 0, 0, 1, 0, 0},     /* a change by 1 % would just have shown: flat or noise */
        {800, 3.4, 3.4, 0.2, 0.25, 0, 1, 0, 0.3},  /* a quarter of the bytes */
        {800, 3.4, 3.4, 0.2, 0, 0, 1.92, 0, 0.1},  /* half of the time at work */
        {800, 3.4, 3.4, 0.2, 0, 0, 1, 20000, 0.3}, /* rate times curvature near 2 */
    };
    for (size_t i = 0; i < sizeof COURSES / sizeof *COURSES; i++) {
        struct watch watch = {.facts = usual()};
        assert_int_equal(close_history(state) + open_history(state), 0);
        live_through(&watch, &COURSES[i]);
        print_message("course %zu: %u changes in %u evaluations, at last %s\n", i, watch.changes,
                      watch.evaluations, ob_health_name(watch.view.shown.kind));
        assert_in_range(watch.changes, 0, watch.evaluations / 100);
    }
}

/* A link that comes and goes. */
static void machines_that_come_and_go_are_told_when_they_are_gone(void **state) {
    struct watch watch = {.facts = usual()};
    (void)state;
    run(&(struct course){200, 3.4, 3.0, 0.1, 0, 0, 1, 0, 0});
    for (unsigned i = 0; i < 400; i++) {
        watch.facts.silent = i % 4 < 2 ? 2 : 0;
        watch.facts.live = 4 - watch.facts.silent;
        look(&watch);
    }
    print_message("come and go: %u changes\n", watch.changes);
    assert_in_range(watch.changes, 0, 4);
    watch.facts.live = watch.facts.silent = 2;
    for (unsigned i = 0; i < OB_HEALTH_HOLD; i++)
        look(&watch);
    assert_verdict(watch.view.shown, "split");
    watch.facts.live = 4;
    watch.facts.silent = 0;
    for (unsigned i = 0; i + 1 < OB_HEALTH_HOLD; i++)
        look(&watch);
    assert_verdict(watch.view.shown, "split");
    assert_non_null(strstr(watch.view.shown.sentence, "silent")); /* a word goes with its own sentence */
    look(&watch);
    assert_verdict(watch.view.shown, "learning");
    assert_non_null(strstr(watch.view.shown.sentence, "falls"));
}

/* What must not wait does not. */
static void divergence_and_the_end_are_told_at_once(void **state) {
    struct watch watch = {.facts = usual()};
    (void)state;
    run(&(struct course){200, 3.4, 3.0, 0.1, 0, 0, 1, 0, 0});
    look(&watch);
    assert_verdict(watch.view.shown, "learning"); /* nothing was shown before */
    watch.facts.loss_finite = false;
    look(&watch);
    assert_verdict(watch.view.shown, "diverging");
    watch.facts.loss_finite = true;
    watch.facts.finished = true;
    look(&watch);
    assert_verdict(watch.view.shown, "finished");
    watch = (struct watch){.facts = usual()}; /* a short run says that it learns before it ends */
    assert_int_equal(close_history(state) + open_history(state), 0);
    run(&(struct course){20, 3.4, 3.4, 0.1, 0.5, 0, 1, 0, 0});
    look(&watch);
    assert_verdict(watch.view.shown, "saturated");
    run_from(&(struct course){40, 3.4, 2.4, 0.1, 0.5, 0, 1, 0, 0}, 20);
    look(&watch);
    assert_verdict(watch.view.shown, "learning");
}

int main(void) {
#define IN_HISTORY(test) cmocka_unit_test_setup_teardown(test, open_history, close_history)
    const struct CMUnitTest tests[] = {
        IN_HISTORY(nothing_seen_is_starting),
        IN_HISTORY(fall_beyond_its_error_is_learning),
        IN_HISTORY(no_change_that_would_have_shown_is_flat),
        IN_HISTORY(change_that_could_not_be_seen_is_noise),
        IN_HISTORY(held_out_loss_says_more_than_training_loss),
        IN_HISTORY(few_evaluations_of_a_run_that_stands_still),
        IN_HISTORY(few_evaluations_do_not_hide_what_the_training_loss_shows),
        IN_HISTORY(fall_by_next_to_nothing_is_flat),
        IN_HISTORY(two_evaluations_are_judged_by_their_own_errors),
        IN_HISTORY(rise_of_the_training_loss_is_diverging),
        IN_HISTORY(noise_that_rises_by_chance_is_not_diverging),
        IN_HISTORY(losses_that_are_not_finite_are_diverging),
        IN_HISTORY(rate_beyond_the_curvature_is_diverging),
        IN_HISTORY(bytes_at_the_end_are_saturated_unless_it_learns),
        IN_HISTORY(waiting_for_most_of_the_time_is_starved),
        IN_HISTORY(half_that_does_not_answer_is_a_split),
        IN_HISTORY(end_is_finished_unless_it_diverged),
        IN_HISTORY(curve_has_the_losses_in_equal_parts),
        IN_HISTORY(word_at_a_boundary_does_not_flap),
        IN_HISTORY(machines_that_come_and_go_are_told_when_they_are_gone),
        IN_HISTORY(divergence_and_the_end_are_told_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
