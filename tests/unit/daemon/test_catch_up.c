/* Asking for records stops while much waits to be replayed, and the estimate of what is left. */
#include "tests/unit/cmocka_all.h"

#include "daemon/catch_up.h"

static struct ob_compute_view waiting(uint64_t bytes) {
    return (struct ob_compute_view){.waiting_bytes = bytes};
}

/* -1: nothing was pushed */
static int pace(struct ob_catch_up *catch_up, uint64_t bytes) {
    struct ob_event_queue queue = {0};
    struct ob_compute_view work = waiting(bytes);
    struct ob_event event;
    ob_catch_up_pace(catch_up, &work, &queue);
    if (!ob_event_queue_take(&queue, &event))
        return -1;
    assert_false(ob_event_queue_take(&queue, &event));
    return (int)event.kind;
}

static void asking_stops_at_one_mark_and_goes_on_at_another(void **state) {
    (void)state;
    struct ob_catch_up catch_up = {0};
    assert_int_equal(pace(&catch_up, OB_WAITING_BYTES_MAX), -1);
    assert_int_equal(pace(&catch_up, OB_WAITING_BYTES_MAX + 1), OB_EVENT_BUSY);
    assert_int_equal(pace(&catch_up, OB_WAITING_BYTES_MAX + 1), -1);
    assert_int_equal(pace(&catch_up, OB_WAITING_BYTES_MAX / 4 + 1), -1);
    assert_int_equal(pace(&catch_up, OB_WAITING_BYTES_MAX / 4), OB_EVENT_FREE);
    assert_int_equal(pace(&catch_up, OB_WAITING_BYTES_MAX), -1);
}

static void seconds_are_those_of_the_slower_of_fetching_and_replaying(void **state) {
    (void)state;
    struct ob_peer_view view = {.samples_held = 100, .samples_known = 300, .catch_up_s = 5};
    struct ob_compute_view work = {.waiting_samples = 50, .replay_seconds = 0.01};
    assert_true(ob_catch_up_seconds(&view, &work, false) == 5);
    work.replay_seconds = 0.1; /* 250 samples */
    assert_true(ob_catch_up_seconds(&view, &work, false) == 25);
    view.catch_up_s = -1; /* unknown stays unknown … */
    assert_true(ob_catch_up_seconds(&view, &work, false) == -1);
    assert_true(ob_catch_up_seconds(&view, &work, true) == 25); /* … unless replaying is what holds it up */
    view = (struct ob_peer_view){.samples_held = 300, .samples_known = 300};
    work.waiting_samples = 0;
    assert_true(ob_catch_up_seconds(&view, &work, false) == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asking_stops_at_one_mark_and_goes_on_at_another),
        cmocka_unit_test(seconds_are_those_of_the_slower_of_fetching_and_replaying),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
