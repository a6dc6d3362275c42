/* The set of reasons to pause: for each pair of them, in every order of coming and going. */
#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "daemon/event_queue.h"
#include "daemon/pause.h"

/* What a peer makes of what it is told. */
struct told {
    struct ob_pause pause;
    struct ob_event_queue queue;
    bool paused;
};

static void set(struct told *t, enum ob_pause_reason reason, bool on) {
    struct ob_event event;
    if (ob_pause_set(&t->pause, reason, on))
        ob_event_queue_push(&t->queue, ob_pause_any(&t->pause) ? OB_EVENT_PAUSE : OB_EVENT_RESUME);
    while (ob_event_queue_take(&t->queue, &event)) {
        assert_int_not_equal(t->paused, event.kind == OB_EVENT_PAUSE); /* told only what is new */
        t->paused = event.kind == OB_EVENT_PAUSE;
    }
    assert_int_equal(t->paused, ob_pause_any(&t->pause));
}

static void either_may_end_first(enum ob_pause_reason a, enum ob_pause_reason b) {
    for (int b_first = 0; b_first < 2; b_first++) {
        struct told t = {0};
        set(&t, a, true);
        assert_true(t.paused);
        set(&t, b, true);
        assert_true(ob_pause_has(&t.pause, a) && ob_pause_has(&t.pause, b));
        set(&t, b_first ? b : a, false);
        assert_true(t.paused); /* the other one is still there */
        set(&t, b_first ? a : b, false);
        assert_false(t.paused);
    }
}

static void a_pair_of_reasons_pauses_until_both_are_gone(void **state) {
    (void)state;
    for (int a = 0; a < OB_PAUSE_COUNT; a++)
        for (int b = 0; b < OB_PAUSE_COUNT; b++)
            if (a != b)
                either_may_end_first((enum ob_pause_reason)a, (enum ob_pause_reason)b);
}

static void a_reason_that_comes_twice_goes_once(void **state) {
    (void)state;
    for (int reason = 0; reason < OB_PAUSE_COUNT; reason++) {
        struct told t = {0};
        set(&t, (enum ob_pause_reason)reason, true);
        set(&t, (enum ob_pause_reason)reason, true);
        set(&t, (enum ob_pause_reason)reason, false);
        assert_false(t.paused);
        set(&t, (enum ob_pause_reason)reason, false);
        assert_false(t.paused);
    }
}

static void a_reason_that_is_not_there_ends_no_other(void **state) {
    (void)state;
    for (int a = 0; a < OB_PAUSE_COUNT; a++)
        for (int b = 0; b < OB_PAUSE_COUNT; b++) {
            struct told t = {0};
            set(&t, (enum ob_pause_reason)a, true);
            set(&t, (enum ob_pause_reason)b, false);
            assert_int_equal(t.paused, a != b);
        }
}

static void every_reason_has_a_word_and_a_remedy(void **state) {
    (void)state;
    for (int a = 0; a < OB_PAUSE_COUNT; a++) {
        assert_true(strlen(ob_pause_reason_name((enum ob_pause_reason)a)) > 0);
        assert_non_null(strstr(ob_pause_reason_text((enum ob_pause_reason)a), "ontinue"));
        for (int b = 0; b < a; b++)
            assert_string_not_equal(ob_pause_reason_name((enum ob_pause_reason)a),
                                    ob_pause_reason_name((enum ob_pause_reason)b));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pair_of_reasons_pauses_until_both_are_gone),
        cmocka_unit_test(a_reason_that_comes_twice_goes_once),
        cmocka_unit_test(a_reason_that_is_not_there_ends_no_other),
        cmocka_unit_test(every_reason_has_a_word_and_a_remedy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
