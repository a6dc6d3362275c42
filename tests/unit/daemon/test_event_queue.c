#include "tests/unit/cmocka_all.h"

#include "daemon/event_queue.h"

static void events_come_out_in_order_and_without_data(void **state) {
    (void)state;
    static const enum ob_event_kind KINDS[] = {OB_EVENT_PAUSE, OB_EVENT_BUSY, OB_EVENT_RESUME, OB_EVENT_FREE,
                                               OB_EVENT_LEAVE};
    struct ob_event_queue queue = {0};
    struct ob_event event;
    for (int turn = 0; turn < 10; turn++) { /* around the ring */
        for (size_t i = 0; i < 5; i++)
            ob_event_queue_push(&queue, KINDS[i]);
        for (size_t i = 0; i < 5; i++) {
            assert_true(ob_event_queue_take(&queue, &event));
            assert_int_equal(event.kind, KINDS[i]);
            assert_null(event.data);
            assert_int_equal(event.bytes, 0);
        }
        assert_false(ob_event_queue_take(&queue, &event));
    }
}

static void as_many_fit_as_are_promised(void **state) {
    (void)state;
    struct ob_event_queue queue = {0};
    for (int i = 0; i < OB_EVENT_QUEUE_MAX; i++)
        ob_event_queue_push(&queue, OB_EVENT_PAUSE);
    assert_int_equal(queue.count, OB_EVENT_QUEUE_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_come_out_in_order_and_without_data),
        cmocka_unit_test(as_many_fit_as_are_promised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
