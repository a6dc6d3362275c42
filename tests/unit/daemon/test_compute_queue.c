/* What comes next for the compute thread: a flood of records does not keep it from its rounds, but the first round waits for
 * the log. */
#include "tests/unit/cmocka_all.h"

#include <stdlib.h>

#include "daemon/compute_queue.h"

#define FLOOD 5000

static void nobody(void *context) {
    (void)context;
}

static void submit(struct ob_compute_queue *queue, size_t records) {
    for (size_t i = 0; i < records; i++) {
        struct ob_job *job = calloc(1, sizeof *job);
        assert_non_null(job);
        job->kind = OB_JOB_RECORD;
        job->update.n = 1;
        ob_compute_queue_submit(queue, job);
    }
}

static void submit_mark(struct ob_compute_queue *queue) {
    struct ob_job *job = calloc(1, sizeof *job);
    assert_non_null(job);
    job->kind = OB_JOB_DIGEST;
    ob_compute_queue_submit(queue, job);
}

static size_t drop(struct ob_job *list) {
    size_t count = 0;
    for (struct ob_job *next; list; list = next, count++) {
        next = list->next;
        ob_job_free(list);
    }
    return count;
}

/* A sample takes ten times what a record takes. */
static void measure(struct ob_compute_queue *queue) {
    ob_compute_queue_replayed(queue, 1, 0.01);
    ob_compute_queue_sample(queue, 0, 1.0, 0.1);
}

static const struct ob_round_job ROUND = {.n = 16, .live = 2};

static void end_round(struct ob_compute_queue *queue) {
    struct ob_result result;
    ob_compute_queue_round_done(queue);
    assert_true(ob_compute_queue_result(queue, &result));
}

static void the_first_round_waits_for_the_log(void **state) {
    (void)state;
    static struct ob_compute_queue queue;
    struct ob_turn turn;
    size_t replayed = 0;
    ob_compute_queue_init(&queue, nobody, NULL);
    measure(&queue);
    submit(&queue, FLOOD);
    ob_compute_queue_round(&queue, &ROUND);
    assert_true(ob_compute_queue_view(&queue).round_waits);
    do {
        assert_true(ob_compute_queue_take(&queue, &turn));
        replayed += drop(turn.records);
    } while (!turn.has_round);
    assert_int_equal(replayed, FLOOD);
    end_round(&queue);
    ob_compute_queue_done(&queue);
}

static void a_flood_is_replayed_in_slices(void **state) {
    (void)state;
    static struct ob_compute_queue queue;
    struct ob_turn turn;
    size_t replayed = 0, rounds = 0;
    ob_compute_queue_init(&queue, nobody, NULL);
    measure(&queue);
    ob_compute_queue_round(&queue, &ROUND);
    assert_true(ob_compute_queue_take(&queue, &turn) && turn.has_round);
    end_round(&queue);
    submit(&queue, FLOOD);
    while (
        replayed <
        FLOOD) { /* each round: what replays in its time before it, and what replays in a sample's within */
        ob_compute_queue_round(&queue, &ROUND);
        assert_true(ob_compute_queue_take(&queue, &turn));
        assert_true(turn.has_round);
        assert_false(ob_compute_queue_view(&queue).round_waits);
        size_t before = drop(turn.records);
        assert_true(before <= 160);
        size_t within = drop(ob_compute_queue_slice(&queue));
        assert_true(within <= 64);
        replayed += before + within;
        rounds++;
        end_round(&queue);
    }
    assert_int_equal(replayed, FLOOD);
    assert_true(rounds >= FLOOD / (160 + 64));
    assert_int_equal(ob_compute_queue_view(&queue).waiting_records, 0);
    ob_compute_queue_done(&queue);
}

static void what_little_waits_comes_before_the_round(void **state) {
    (void)state;
    static struct ob_compute_queue queue;
    struct ob_turn turn;
    ob_compute_queue_init(&queue, nobody, NULL);
    measure(&queue);
    ob_compute_queue_round(&queue, &ROUND);
    assert_true(ob_compute_queue_take(&queue, &turn) && turn.has_round);
    end_round(&queue);
    submit(&queue, 32);
    ob_compute_queue_round(&queue, &ROUND);
    assert_true(ob_compute_queue_take(&queue, &turn) && turn.has_round);
    assert_int_equal(drop(turn.records), 32);
    end_round(&queue);
    ob_compute_queue_done(&queue);
}

/* A mark sees the records before it and none after, whatever is sliced. */
static void a_slice_ends_at_a_mark_that_keeps_its_place(void **state) {
    (void)state;
    static struct ob_compute_queue queue;
    struct ob_turn turn;
    ob_compute_queue_init(&queue, nobody, NULL);
    submit(&queue, 5);
    submit_mark(&queue);
    assert_int_equal(drop(ob_compute_queue_slice(&queue)), 5);
    assert_null(ob_compute_queue_slice(&queue));
    submit(&queue, 3);
    assert_null(ob_compute_queue_slice(&queue));
    assert_true(ob_compute_queue_take(&queue, &turn));
    assert_null(turn.records);
    assert_non_null(turn.mark);
    ob_job_free(turn.mark);
    assert_int_equal(drop(ob_compute_queue_slice(&queue)), 3);
    assert_null(ob_compute_queue_slice(&queue));
    ob_compute_queue_done(&queue);
}

/* Somebody sits down at the machine: this round ends, and the next one is a whole one again. */
static void a_round_is_ended_and_the_next_is_not(void **state) {
    (void)state;
    static struct ob_compute_queue queue;
    struct ob_turn turn;
    struct ob_result result;
    ob_compute_queue_init(&queue, nobody, NULL);
    ob_compute_queue_end_round(&queue); /* none is there: nothing is remembered */
    ob_compute_queue_round(&queue, &ROUND);
    assert_true(ob_compute_queue_take(&queue, &turn) && turn.has_round);
    assert_true(ob_compute_queue_goes_on(&queue));
    ob_compute_queue_sample(&queue, 7, 1.0, 0.1);
    ob_compute_queue_end_round(&queue);
    assert_false(ob_compute_queue_goes_on(&queue));
    ob_compute_queue_round_done(&queue);
    assert_true(ob_compute_queue_result(&queue, &result));
    assert_int_equal(result.n, 1);
    ob_compute_queue_round(&queue, &ROUND);
    ob_compute_queue_end_round(&queue); /* before it has begun */
    assert_true(ob_compute_queue_take(&queue, &turn) && turn.has_round);
    assert_false(ob_compute_queue_goes_on(&queue));
    ob_compute_queue_round_done(&queue);
    assert_true(ob_compute_queue_result(&queue, &result));
    assert_int_equal(result.n, 0);
    ob_compute_queue_round(&queue, &ROUND);
    assert_true(ob_compute_queue_take(&queue, &turn) && turn.has_round);
    assert_true(ob_compute_queue_goes_on(&queue));
    end_round(&queue);
    ob_compute_queue_done(&queue);
}

static void a_share_of_the_time_is_rested_for(void **state) {
    (void)state;
    static struct ob_compute_queue queue;
    struct ob_turn turn;
    ob_compute_queue_init(&queue, nobody, NULL);
    ob_compute_queue_rest(&queue, 1000, 0, 1); /* no share was set */
    ob_compute_queue_share(&queue, 1);
    ob_compute_queue_rest(&queue, 1000, 0, 1);
    assert_float_equal(ob_compute_queue_view(&queue).rest_seconds, 0, 0);
    ob_compute_queue_share(&queue, 0.5);
    ob_compute_queue_rest(&queue, 0.01, 0.01, 1);
    assert_true(ob_compute_queue_view(&queue).rest_seconds >= 0.01);
    ob_compute_queue_round(&queue,
                           &ROUND); /* what is to end does not rest: else these would last for hours */
    assert_true(ob_compute_queue_take(&queue, &turn) && turn.has_round);
    ob_compute_queue_end_round(&queue);
    ob_compute_queue_rest(&queue, 10000, 0, 1);
    end_round(&queue);
    ob_compute_queue_hurry(&queue);
    ob_compute_queue_rest(&queue, 10000, 0, 1);
    ob_compute_queue_stop(&queue);
    ob_compute_queue_rest(&queue, 10000, 0, 1);
    ob_compute_queue_done(&queue);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_round_waits_for_the_log),
        cmocka_unit_test(a_flood_is_replayed_in_slices),
        cmocka_unit_test(what_little_waits_comes_before_the_round),
        cmocka_unit_test(a_slice_ends_at_a_mark_that_keeps_its_place),
        cmocka_unit_test(a_round_is_ended_and_the_next_is_not),
        cmocka_unit_test(a_share_of_the_time_is_rested_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
