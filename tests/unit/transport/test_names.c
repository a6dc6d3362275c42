/* Host names and what keeps a machine from being reached. */
#include "tests/unit/transport/fixture.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static struct machine_pair { struct machine a, b; } make_pair(void) {
    struct machine_pair pair;
    fixture_make(&pair.a, true);
    fixture_make(&pair.b, true);
    return pair;
}

static void free_pair(struct machine_pair *pair) {
    ob_transport_free(pair->a.transport);
    ob_transport_free(pair->b.transport);
}

static unsigned port_of(const struct machine *m) {
    unsigned port = 0;
    (void)sscanf(m->endpoint, "tcp://127.0.0.1:%u", &port);
    return port;
}

/* Polls both until `a` has this trouble with `b`; false after FIXTURE_LIMIT_S. */
static bool trouble_comes(struct machine_pair *pair, enum ob_trouble wanted,
                          char ret_text[OB_TROUBLE_TEXT_MAX]) {
    time_t end = time(NULL) + FIXTURE_LIMIT_S;
    while (time(NULL) < end) {
        struct ob_transport_event event;
        assert_int_equal(ob_transport_poll(pair->a.transport, 5, &event, NULL), OB_OK);
        assert_int_equal(ob_transport_poll(pair->b.transport, 5, &event, NULL), OB_OK);
        if (ob_transport_trouble(pair->a.transport, &pair->b.identity.machine, ret_text) == wanted)
            return true;
    }
    print_message("trouble: %s\n", ret_text);
    return false;
}

static void connect_to(struct machine_pair *pair, const char *endpoint) {
    assert_int_equal(ob_transport_allow(pair->a.transport, &pair->b.identity.machine, NULL), OB_OK);
    assert_int_equal(ob_transport_connect(pair->a.transport, &pair->b.identity.machine, endpoint, NULL),
                     OB_OK);
}

/* `localhost` is ::1 first on many hosts, and nobody listens there. */
static void connect_looks_a_name_up_and_tries_its_addresses(void **state) {
    (void)state;
    struct machine_pair pair = make_pair();
    char endpoint[64], text[OB_TROUBLE_TEXT_MAX];
    (void)snprintf(endpoint, sizeof endpoint, "tcp://localhost:%u", port_of(&pair.b));
    assert_int_equal(ob_transport_allow(pair.b.transport, &pair.a.identity.machine, NULL), OB_OK);
    connect_to(&pair, endpoint);
    assert_true(trouble_comes(&pair, OB_TROUBLE_NONE, text));
    assert_string_equal(text, "");
    assert_string_equal(ob_transport_endpoint(pair.a.transport, &pair.b.identity.machine), endpoint);
    free_pair(&pair);
}

static void trouble_says_that_a_name_cannot_be_resolved(void **state) {
    (void)state;
    struct machine_pair pair = make_pair();
    char text[OB_TROUBLE_TEXT_MAX];
    connect_to(&pair, "tcp://nobody.invalid:7300"); /* RFC 6761: never exists */
    assert_true(trouble_comes(&pair, OB_TROUBLE_NAME, text));
    assert_non_null(strstr(text, "cannot resolve nobody.invalid: "));
    free_pair(&pair);
}

static void trouble_says_that_nobody_listens(void **state) {
    (void)state;
    struct machine_pair pair = make_pair();
    char endpoint[64], text[OB_TROUBLE_TEXT_MAX];
    (void)snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%u", fixture_next_port());
    connect_to(&pair, endpoint);
    assert_true(trouble_comes(&pair, OB_TROUBLE_REFUSED, text));
    assert_non_null(strstr(text, "connection refused"));
    free_pair(&pair);
}

static void knock(struct machine_pair *pair, const char *endpoint) {
    assert_int_equal(
        ob_transport_knock(pair->a.transport, &pair->b.identity.machine, endpoint, "hello", 5, NULL), OB_OK);
}

static void trouble_says_that_another_key_answers(void **state) {
    (void)state;
    struct machine_pair pair = make_pair();
    char text[OB_TROUBLE_TEXT_MAX];
    connect_to(&pair, pair.a.endpoint); /* ourselves, with b's key */
    assert_true(trouble_comes(&pair, OB_TROUBLE_HANDSHAKE, text));
    knock(&pair, pair.a.endpoint);
    assert_true(trouble_comes(&pair, OB_TROUBLE_KEY, text));
    assert_non_null(strstr(text, "check the key"));
    free_pair(&pair);
}

/* The right machine and key, but the second of its ports, whose door nobody is: said apart from a wrong key. */
static void trouble_says_that_it_is_another_port(void **state) {
    (void)state;
    struct machine_pair pair = make_pair();
    char endpoint[64], text[OB_TROUBLE_TEXT_MAX];
    (void)snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%u", port_of(&pair.b) + 1);
    connect_to(&pair, endpoint);
    assert_true(trouble_comes(&pair, OB_TROUBLE_HANDSHAKE, text));
    knock(&pair, endpoint);
    assert_true(trouble_comes(&pair, OB_TROUBLE_PORT, text));
    assert_non_null(strstr(text, "check the port"));
    free_pair(&pair);
}

static void trouble_says_that_it_does_not_admit_us(void **state) {
    (void)state;
    struct machine_pair pair = make_pair();
    struct ob_transport_event event;
    char text[OB_TROUBLE_TEXT_MAX];
    connect_to(&pair, pair.b.endpoint);
    assert_true(trouble_comes(&pair, OB_TROUBLE_HANDSHAKE, text));
    knock(&pair, pair.b.endpoint);
    struct machine *both[2] = {&pair.a, &pair.b};
    assert_true(fixture_wait_for(both, 2, 1, OB_TRANSPORT_KNOCK, NULL, &event));
    ob_transport_answer(pair.b.transport, OB_VERDICT_EXPIRED, NULL, 0);
    assert_true(trouble_comes(&pair, OB_TROUBLE_ADMISSION, text));
    assert_non_null(strstr(text, "not admitted: the certificate has expired"));
    free_pair(&pair);
}

static void free_does_not_wait_for_a_look_up(void **state) {
    (void)state;
    struct machine_pair pair = make_pair();
    for (int i = 0; i < 200; i++) { /* more names than are remembered */
        char endpoint[64];
        (void)snprintf(endpoint, sizeof endpoint, "tcp://nobody%d.invalid:7300", i);
        connect_to(&pair, endpoint);
    }
    free_pair(&pair);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(connect_looks_a_name_up_and_tries_its_addresses, fixture_setup),
        cmocka_unit_test_setup(trouble_says_that_a_name_cannot_be_resolved, fixture_setup),
        cmocka_unit_test_setup(trouble_says_that_nobody_listens, fixture_setup),
        cmocka_unit_test_setup(trouble_says_that_another_key_answers, fixture_setup),
        cmocka_unit_test_setup(trouble_says_that_it_is_another_port, fixture_setup),
        cmocka_unit_test_setup(trouble_says_that_it_does_not_admit_us, fixture_setup),
        cmocka_unit_test_setup(free_does_not_wait_for_a_look_up, fixture_setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
