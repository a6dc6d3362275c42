/* Machines of neighbouring protocol versions work together in the lower one; of others, both sides say who must upgrade. */
#include "tests/unit/peer/fixture.h"

#include "peer/message.h"
#include "peer/versions.h"

/* A peer that speaks `lowest` to `highest`, with the machines 1 … links linked. */
static struct fixture *start(uint8_t lowest, uint8_t highest, size_t links) {
    struct fixture *f = fixture_new();
    f->options.protocol_lowest = lowest;
    f->options.protocol_highest = highest;
    fixture_start(f);
    for (size_t i = 1; i <= links; i++)
        step_machine(f, OB_EVENT_LINK_UP, i);
    return f;
}

static void says(struct fixture *f, size_t machine, uint8_t lowest, uint8_t highest) {
    uint8_t data[OB_VERSIONS_BYTES];
    size_t bytes = ob_versions_encode(&(struct ob_versions){f->options.run, lowest, highest}, data);
    assert_int_equal(data[1], lowest);
    step_message(f, machine, data, bytes);
}

/* Of what is published next, the versions: the number `21` is first 2, then 1. */
static unsigned published(struct fixture *f) {
    unsigned versions = 0;
    while (pass_until(f, 5 * SECOND, OB_EFFECT_PUBLISH) == NULL)
        fail_msg("nothing is published");
    for (size_t i = 0; i < f->effects.count; i++)
        if (f->effects.items[i].kind == OB_EFFECT_PUBLISH &&
            f->effects.items[i].data[0] == OB_MESSAGE_HEARTBEAT)
            versions = versions * 10 + f->effects.items[i].data[1];
    return versions;
}

/* The version of the answer to a question of this version; 0: it is refused. */
static uint8_t answered(struct fixture *f, size_t machine, uint8_t version) {
    uint8_t ask[OB_SMALL_MESSAGE_BYTES_MAX];
    size_t bytes = ob_holds_ask_encode(&f->options.run, &f->machines[2].id, ask);
    ask[1] = version;
    step_message(f, machine, ask, bytes);
    const struct ob_effect *answer = find_sent(f, OB_MESSAGE_HOLDS);
    return answer ? answer->data[1] : 0;
}

static void a_new_link_is_told(void **state) {
    (void)state;
    struct fixture *f = start(2, 3, 1);
    const struct ob_effect *sent = find_sent(f, OB_MESSAGE_VERSIONS);
    struct ob_versions versions;
    assert_non_null(sent);
    assert_int_equal(sent->bytes, OB_VERSIONS_BYTES);
    assert_int_equal(sent->data[1], 2); /* a program that knows no such message refuses it by its kind */
    assert_true(ob_versions_decode(ob_reader_init(sent->data + 2, sent->bytes - 2), &versions));
    assert_int_equal(versions.lowest, 2);
    assert_int_equal(versions.highest, 3);
    says(f, 1, 2, 3); /* it may not have heard ours: the link is young */
    assert_non_null(find_sent(f, OB_MESSAGE_VERSIONS));
    says(f, 1, 2, 3);
    assert_null(find_sent(f, OB_MESSAGE_VERSIONS));
    fixture_free(f);
}

static void neighbours_speak_the_lower(void **state) {
    (void)state;
    struct fixture *f = start(2, 3, 1);
    assert_int_equal(answered(f, 1, 2), 2); /* it has not said what it speaks */
    assert_int_equal(published(f), 2);
    says(f, 1, 2, 2);
    assert_int_equal(answered(f, 1, 2), 2);
    assert_int_equal(look(f, 1).protocol, 2);
    says(f, 1, 2, 3); /* it was upgraded */
    assert_int_equal(answered(f, 1, 2), 3);
    assert_int_equal(answered(f, 1, 3), 3);
    assert_int_equal(published(f), 3);
    assert_int_equal(ob_peer_view(f->peer).protocol_published, 3);
    says(f, 1, 3, 4);
    assert_int_equal(answered(f, 1, 3), 3);
    assert_null(find_notice(f, OB_NOTICE_VERSION));
    assert_int_equal(answered(f, 1, 4), 0);
    fixture_free(f);
}

/* What goes to all is understood by all with whom there is a common version. */
static void what_is_published_is_for_everybody(void **state) {
    (void)state;
    struct fixture *f = start(2, 3, 3);
    says(f, 1, 2, 3);
    says(f, 2, 2, 3);
    says(f, 3, 2, 3);
    assert_int_equal(published(f), 3);
    says(f, 2, 2, 2);
    assert_int_equal(published(f), 2);
    says(f, 3, 3, 4); /* does not speak 2 */
    assert_int_equal(published(f), 23);
    step_machine(f, OB_EVENT_LINK_DOWN, 2);
    assert_int_equal(published(f), 3);
    step_machine(f, OB_EVENT_LINK_UP, 2); /* another program perhaps: it has not said anything */
    assert_int_equal(published(f), 23);
    assert_int_equal(answered(f, 2, 2), 2);
    assert_int_equal(answered(f, 3, 3), 3);
    says(f, 1, 4, 5); /* none in common: nobody waits for it */
    says(f, 2, 2, 3);
    assert_int_equal(published(f), 3);
    fixture_free(f);
}

static void assert_told(const struct fixture *f, const char *text) {
    const struct ob_effect *notice = find_notice(f, OB_NOTICE_VERSION);
    assert_non_null(notice);
    assert_string_equal(notice->text, text);
}

static void without_a_common_version_both_say_who_must_upgrade(void **state) {
    (void)state;
    struct fixture *f = start(2, 3, 1);
    f->now_ns += 20 * SECOND;
    says(f, 1, 4, 5);
    assert_told(
        f, "speaks protocol versions 4 to 5, this machine versions 2 to 3: upgrade onebyte on this machine");
    assert_non_null(find_sent(f, OB_MESSAGE_VERSIONS)); /* so that it can say so as well */
    assert_int_equal(look(f, 1).protocol, 0);
    assert_int_equal(look(f, 1).protocol_highest, 5);
    assert_int_equal(answered(f, 1, 4), 0);
    assert_int_equal(f->effects.count, 0); /* once in a while */
    f->now_ns += 20 * SECOND;
    says(f, 1, 1, 1);
    assert_told(f, "speaks protocol version 1, this machine versions 2 to 3: upgrade onebyte there");
    fixture_free(f);
}

/* A program of before these messages, and of another version, shows by what it says. */
static void a_version_that_nobody_announced(void **state) {
    (void)state;
    struct fixture *f = start(2, 3, 1);
    f->now_ns += 20 * SECOND;
    assert_int_equal(answered(f, 1, 1), 0);
    assert_told(f, "speaks protocol version 1, this machine versions 2 to 3: upgrade onebyte there");
    assert_int_equal(look(f, 1).protocol, 0);
    assert_int_equal(look(f, 1).protocol_last, 1);
    assert_int_equal(answered(f, 1, 3), 3); /* it was upgraded */
    assert_int_equal(look(f, 1).protocol, 3);
    fixture_free(f);
}

static void what_is_no_range_is_refused(void **state) {
    (void)state;
    struct fixture *f = start(2, 3, 1);
    static const uint8_t BAD[][2] = {{0, 3}, {0, 0}, {3, 2}, {255, 254}};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        uint64_t refused = ob_peer_view(f->peer).counters.refused;
        says(f, 1, BAD[i][0], BAD[i][1]);
        assert_int_equal(ob_peer_view(f->peer).counters.refused, refused + 1);
        assert_int_equal(look(f, 1).protocol_highest, 0);
    }
    fixture_free(f);
}

static void a_peer_needs_a_range(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    struct ob_peer *peer = NULL;
    f->options.protocol_lowest = 3;
    f->options.protocol_highest = 2;
    assert_int_equal(ob_peer_new(&f->options, &peer, NULL), OB_EUSAGE);
    f->options.protocol_lowest = 0;
    assert_int_equal(ob_peer_new(&f->options, &peer, NULL), OB_EUSAGE);
    fixture_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_link_is_told),
        cmocka_unit_test(neighbours_speak_the_lower),
        cmocka_unit_test(what_is_published_is_for_everybody),
        cmocka_unit_test(without_a_common_version_both_say_who_must_upgrade),
        cmocka_unit_test(a_version_that_nobody_announced),
        cmocka_unit_test(what_is_no_range_is_refused),
        cmocka_unit_test(a_peer_needs_a_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
