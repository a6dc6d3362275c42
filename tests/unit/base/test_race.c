/* A race with a clock that tells what the test wants: the slower one is never taken. */
#include <string.h>

#include "base/race.h"
#include "tests/unit/cmocka_all.h"

struct track {
    uint64_t ns[3];
    unsigned runs[3], slow_until; /* turns of racer 0 up to this one take ten times as long */
    unsigned rounds_seen[3];
    size_t breaks; /* this racer (1: the first) cannot go on in round 2; 0: none */
    double behind; /* of the race */
    size_t stays;  /* this racer (1: the first) never leaves; 0: none */
};

static uint64_t clock_ns;

static uint64_t fake_now(void) {
    return clock_ns;
}

static bool run(void *context, size_t racer, unsigned round) {
    struct track *track = context;
    assert_int_equal(round, track->rounds_seen[racer]++);
    if (racer + 1 == track->breaks && round == 2)
        return false;
    bool slow = racer == 0 && track->runs[0] < track->slow_until;
    track->runs[racer]++;
    clock_ns += track->ns[racer] * (slow ? 10 : 1);
    return true;
}

static struct ob_race race_of(struct track *track, bool second_there) {
    struct ob_race race = {.count = 3,
                           .list = {{.name = "one", .available = true}, {.name = "two"}, {"three", true, 0}}};
    race.list[1].available = second_there;
    struct ob_race_job job = {
        .run = run, .context = track, .now_ns = fake_now, .rounds = 5, .limit_ns = 1000000, .heats = 1};
    if (track->behind > 0) {
        job.heats = 2;
        job.behind = track->behind;
    }
    if (track->stays > 0)
        race.list[track->stays - 1].stays = true;
    ob_race_run(&job, &race);
    return race;
}

static void the_slower_one_is_never_taken(void **state) {
    (void)state;
    for (uint64_t a = 1; a <= 9; a++)
        for (uint64_t b = 1; b <= 9; b++)
            for (uint64_t c = 1; c <= 9; c++) {
                struct track track = {.ns = {a, b, c}};
                struct ob_race race = race_of(&track, true);
                for (size_t i = 0; i < 3; i++)
                    assert_true(track.ns[race.fastest] <= track.ns[i]);
                assert_int_equal(race.list[1].least_ns, b);
            }
}

static void of_equals_the_later_is_taken(void **state) {
    (void)state;
    struct track track = {.ns = {4, 4, 4}};
    assert_int_equal(race_of(&track, true).fastest, 2);
}

static void what_is_not_there_does_not_run(void **state) {
    (void)state;
    struct track track = {.ns = {4, 1, 3}};
    struct ob_race race = race_of(&track, false);
    char text[OB_RACE_TEXT_MAX];
    assert_int_equal(race.fastest, 2);
    assert_int_equal(track.runs[1], 0);
    assert_string_equal(ob_race_text(&race, text), "one 1.33; two: not on this processor; three 1.00");
}

/* What is disturbed in some of its turns still wins by its best one. */
static void one_good_turn_is_enough(void **state) {
    (void)state;
    struct track track = {.ns = {2, 3, 4}, .slow_until = 5};
    assert_int_equal(race_of(&track, true).fastest, 0);
    assert_int_equal(track.runs[0], 6);
}

static void no_round_begins_after_the_limit(void **state) {
    (void)state;
    struct track track = {.ns = {300000, 300000, 500000}};
    struct ob_race race = race_of(&track, true);
    assert_int_equal(track.runs[0], 2); /* one is not timed */
    assert_int_equal(race.fastest, 1);
}

static void who_is_far_behind_leaves_after_the_heats(void **state) {
    (void)state;
    struct track track = {.ns = {14, 10, 12}, .behind = 1.25};
    struct ob_race race = race_of(&track, true);
    assert_int_equal(race.fastest, 1);
    assert_true(race.list[0].left && race.list[0].least_ns == 14);
    assert_int_equal(track.runs[0], 3);
    assert_int_equal(track.runs[1], 6);
    assert_int_equal(track.runs[2], 6);
}

static void who_stays_never_leaves(void **state) {
    (void)state;
    struct track track = {.ns = {90, 10, 12}, .behind = 1.25, .stays = 1};
    struct ob_race race = race_of(&track, true);
    assert_false(race.list[0].left);
    assert_int_equal(track.runs[0], 6);
}

/* One that was disturbed in all heats but one still takes part in what follows. */
static void a_good_heat_is_enough_to_go_on(void **state) {
    (void)state;
    struct track track = {.ns = {10, 11, 50}, .slow_until = 2, .behind = 1.25};
    struct ob_race race = race_of(&track, true);
    assert_int_equal(race.fastest, 0);
}

static void who_cannot_go_on_is_out(void **state) {
    (void)state;
    struct track track = {.ns = {1, 4, 5}, .breaks = 1};
    struct ob_race race = race_of(&track, true);
    assert_int_equal(race.fastest, 1);
    assert_false(race.list[0].available);
    assert_int_equal(track.rounds_seen[0], 3);
}

static void the_heats_are_run_whatever_the_limit(void **state) {
    (void)state;
    struct track track = {.ns = {2000000, 1900000, 1800000}, .behind = 1.25};
    struct ob_race race = race_of(&track, true);
    assert_int_equal(race.fastest, 2);
    assert_int_equal(track.runs[0], 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_slower_one_is_never_taken),
        cmocka_unit_test(of_equals_the_later_is_taken),
        cmocka_unit_test(what_is_not_there_does_not_run),
        cmocka_unit_test(one_good_turn_is_enough),
        cmocka_unit_test(no_round_begins_after_the_limit),
        cmocka_unit_test(who_is_far_behind_leaves_after_the_heats),
        cmocka_unit_test(who_stays_never_leaves),
        cmocka_unit_test(a_good_heat_is_enough_to_go_on),
        cmocka_unit_test(who_cannot_go_on_is_out),
        cmocka_unit_test(the_heats_are_run_whatever_the_limit),
    };
    return cmocka_run_group_tests_name("race", tests, NULL, NULL);
}
