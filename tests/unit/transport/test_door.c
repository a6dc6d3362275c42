/* The door, with real sockets: what it takes, what it answers, and that it opens nothing else. */
#include "tests/unit/transport/fixture.h"

#include <sodium.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

#define HELLO "a certificate, as far as the transport knows"

static void knock(struct machine *from, struct machine *at, const char *hello) {
    assert_int_equal(
        ob_transport_knock(from->transport, &at->identity.machine, at->endpoint, hello, strlen(hello), NULL),
        OB_OK);
}

static void a_hello_is_judged_and_answered(void **state) {
    (void)state;
    struct machine host, guest, other, *all[2] = {&host, &guest};
    struct ob_transport_event event;
    fixture_make(&host, true), fixture_make(&guest, false), fixture_make(&other, false);
    knock(&guest, &host, HELLO);
    assert_true(fixture_wait_for(all, 2, 0, OB_TRANSPORT_KNOCK, HELLO, &event));
    assert_string_equal(event.text, "127.0.0.1");
    assert_true(ob_transport_knocker_is(host.transport, &guest.identity.machine));
    assert_false(ob_transport_knocker_is(host.transport, &other.identity.machine));
    ob_transport_answer(host.transport, OB_VERDICT_EXPIRED, NULL, 0);
    ob_transport_answer(host.transport, OB_VERDICT_WELCOME, NULL, 0); /* once is enough */
    assert_true(fixture_wait_for(all, 2, 1, OB_TRANSPORT_ANSWER, NULL, &event));
    assert_int_equal(event.verdict, OB_VERDICT_EXPIRED);
    assert_true(ob_machine_equal(&event.machine, &host.identity.machine));
    /* and the data sockets are still closed to it; then it is allowed, and nobody starts again */
    assert_int_equal(ob_transport_connect(guest.transport, &host.identity.machine, host.endpoint, NULL),
                     OB_OK);
    assert_true(fixture_wait_for(all, 2, 0, OB_TRANSPORT_REFUSED, NULL, &event));
    assert_int_equal(ob_transport_allow(host.transport, &guest.identity.machine, NULL), OB_OK);
    assert_true(fixture_wait_for(all, 2, 1, OB_TRANSPORT_LINK_UP, NULL, &event));
    fixture_publish_until_seen(all, 2, 0, 1, "a record");
    ob_transport_free(host.transport), ob_transport_free(guest.transport), ob_transport_free(other.transport);
}

/* Only after "you are out", once a second, and up to the bound. An older door says nothing more: the verdict stands. */
static void who_is_out_is_told_why(void **state) {
    (void)state;
    static uint8_t why[OB_WHY_MAX];
    struct machine host, guest, *all[2] = {&host, &guest};
    struct ob_transport_event event;
    fixture_make(&host, true), fixture_make(&guest, false);
    memset(why, 7, sizeof why);
    const struct {
        enum ob_verdict verdict;
        size_t bytes, heard;
    } CASES[] = {{OB_VERDICT_REVOKED, sizeof why, sizeof why},
                 {OB_VERDICT_EXPIRED, 10, 0},
                 {OB_VERDICT_REVOKED, 0, 0},
                 {OB_VERDICT_REVOKED, 1, 1}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        size_t heard = 0;
        do {
            knock(&guest, &host, HELLO);
            assert_true(fixture_wait_for(all, 2, 0, OB_TRANSPORT_KNOCK, HELLO, &event));
            ob_transport_answer(host.transport, CASES[i].verdict, why, CASES[i].bytes);
            assert_true(fixture_wait_for(all, 2, 1, OB_TRANSPORT_ANSWER, NULL, &event));
            assert_int_equal(event.verdict, CASES[i].verdict);
            heard = event.bytes;
            if (heard > 0)
                assert_memory_equal(event.data, why, heard);
        } while (heard == 0 && CASES[i].heard > 0); /* another one was told in this second */
        assert_int_equal(heard, CASES[i].heard);
    }
    ob_transport_free(host.transport), ob_transport_free(guest.transport);
}

static void no_door_there_is_silence(void **state) {
    (void)state;
    struct machine host, guest, *all[1] = {&guest};
    struct ob_transport_event event;
    fixture_make(&host, true), fixture_make(&guest, false);
    ob_transport_free(host.transport);
    knock(&guest, &host, HELLO);
    knock(&guest, &host, HELLO); /* one knock at a time */
    assert_true(fixture_wait_for(all, 1, 0, OB_TRANSPORT_ANSWER, NULL, &event));
    assert_int_equal(event.verdict, OB_VERDICT_SILENCE);
    assert_int_equal(ob_transport_poll(guest.transport, 50, &event, NULL), OB_OK);
    assert_int_equal(event.kind, OB_TRANSPORT_NOTHING);
    char large[OB_HELLO_MAX + 1] = {0};
    struct ob_error error = {0};
    assert_int_equal(ob_transport_knock(guest.transport, &host.identity.machine, host.endpoint, large,
                                        sizeof large, &error),
                     OB_ETOOBIG);
    ob_transport_free(guest.transport);
}

/* A client of our own making, with any key, at a port of the host. */
static void *raw_client(void *context, const struct machine *host, const struct machine *as, int type,
                        unsigned add) {
    uint8_t public_key[32], secret_key[32], server_key[32];
    char endpoint[OB_ENDPOINT_MAX];
    assert_int_equal(crypto_sign_ed25519_sk_to_curve25519(secret_key, as->identity.secret_key), 0);
    assert_int_equal(crypto_scalarmult_base(public_key, secret_key), 0);
    assert_int_equal(crypto_sign_ed25519_pk_to_curve25519(server_key, host->identity.machine.key), 0);
    void *socket = zmq_socket(context, type);
    int linger = 0;
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret_key, 32);
    zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, public_key, 32);
    zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server_key, 32);
    if (type == ZMQ_SUB)
        zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0);
    assert_int_equal(ob_endpoint_shift(host->endpoint, add, endpoint, NULL), OB_OK);
    assert_int_equal(zmq_connect(socket, endpoint), 0);
    return socket;
}

static void other_frames_get_no_answer(void **state) {
    (void)state;
    struct machine host, stranger;
    struct ob_transport_event event;
    static const struct {
        const char *bytes;
        size_t count;
    } BAD[] = {{"", 0}, {"\1", 1}, {"\1\1", 2}, {"\2\1\0", 3}, {"\377\377\377\377", 4}};
    char answer[16];
    fixture_make(&host, true), fixture_make(&stranger, false);
    void *context = zmq_ctx_new();
    void *client = raw_client(context, &host, &stranger, ZMQ_DEALER, 2);
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        assert_true(zmq_send(client, BAD[i].bytes, BAD[i].count, 0) >= 0);
    assert_true(zmq_send(client, "\1\1x", 3, ZMQ_SNDMORE) >= 0); /* a second part that nobody should send */
    assert_true(zmq_send(client, "y", 1, 0) >= 0);
    assert_true(zmq_send(client, "\1\1good", 6, 0) >= 0);
    struct machine *all[1] = {&host};
    assert_true(
        fixture_wait_for(all, 1, 0, OB_TRANSPORT_KNOCK, NULL, &event)); /* the first that comes of it */
    assert_int_equal(event.bytes, 4);
    assert_memory_equal(event.data, "good", 4);
    ob_transport_answer(host.transport, OB_VERDICT_RUN, NULL, 0);
    int timeout = 5000;
    zmq_setsockopt(client, ZMQ_RCVTIMEO, &timeout, sizeof timeout);
    assert_int_equal(zmq_recv(client, answer, sizeof answer, 0), 3);
    assert_memory_equal(answer, "\2\1\2", 3);
    assert_int_equal(zmq_recv(client, answer, sizeof answer, ZMQ_DONTWAIT), -1);
    /* a hello of another version: the daemon sees it empty, and says that it is malformed */
    assert_true(zmq_send(client, "\1\7good", 6, 0) >= 0);
    assert_true(fixture_wait_for(all, 1, 0, OB_TRANSPORT_KNOCK, NULL, &event));
    assert_int_equal(event.bytes, 0);
    zmq_close(client), zmq_ctx_term(context);
    ob_transport_free(host.transport), ob_transport_free(stranger.transport);
}

/* Each rebinding closes sockets and opens others at the same place. */
static void many_are_forbidden_one_after_the_other(void **state) {
    (void)state;
    struct machine host, good, *all[2] = {&host, &good};
    struct ob_transport_event event;
    fixture_make(&host, true), fixture_make(&good, false);
    assert_int_equal(ob_transport_allow(host.transport, &good.identity.machine, NULL), OB_OK);
    fixture_join(&good, &host);
    assert_true(fixture_wait_for(all, 2, 1, OB_TRANSPORT_LINK_UP, NULL, &event));
    for (int i = 0; i < 30; i++) {
        struct ob_identity bad;
        ob_identity_generate(&bad);
        assert_int_equal(ob_transport_allow(host.transport, &bad.machine, NULL), OB_OK);
        ob_transport_forbid(host.transport, &bad.machine);
        assert_int_equal(ob_transport_poll(host.transport, 0, &event, NULL), OB_OK);
    }
    fixture_publish_until_seen(all, 2, 0, 1, "still here");
    ob_transport_free(host.transport), ob_transport_free(good.transport);
}

static void an_oversized_hello_is_cut_off(void **state) {
    (void)state;
    struct machine host, stranger;
    struct ob_transport_event event;
    char large[4096] = {1, 1};
    fixture_make(&host, true), fixture_make(&stranger, false);
    void *context = zmq_ctx_new();
    void *client = raw_client(context, &host, &stranger, ZMQ_DEALER, 2);
    assert_int_equal(zmq_send(client, large, sizeof large, 0), sizeof large);
    for (int i = 0; i < 60; i++) {
        assert_int_equal(ob_transport_poll(host.transport, 5, &event, NULL), OB_OK);
        assert_int_not_equal(event.kind, OB_TRANSPORT_KNOCK);
    }
    zmq_close(client), zmq_ctx_term(context);
    ob_transport_free(host.transport), ob_transport_free(stranger.transport);
}

static void too_many_hellos_are_not_heard(void **state) {
    (void)state;
    struct machine host, stranger;
    struct ob_transport_event event;
    fixture_make(&host, true), fixture_make(&stranger, false);
    void *context = zmq_ctx_new();
    void *client = raw_client(context, &host, &stranger, ZMQ_DEALER, 2);
    size_t heard = 0, refused = 0;
    time_t end = time(NULL) + FIXTURE_LIMIT_S;
    for (int i = 0; i < 1000; i++)
        (void)zmq_send(client, "\1\1hello", 7, 0);
    while (ob_transport_counters(host.transport).refused_connections < 500 && time(NULL) < end) {
        assert_int_equal(ob_transport_poll(host.transport, 5, &event, NULL), OB_OK);
        heard += event.kind == OB_TRANSPORT_KNOCK;
        refused += event.kind == OB_TRANSPORT_REFUSED;
        if (event.kind == OB_TRANSPORT_REFUSED)
            assert_non_null(strstr(event.text, "127.0.0.1: knocks too often"));
    }
    assert_true(ob_transport_counters(host.transport).refused_connections >= 500);
    assert_true(heard >= 1 && heard < 500);
    assert_true(refused >= 1 && refused < 500); /* counted all, told a few */
    zmq_close(client), zmq_ctx_term(context);
    ob_transport_free(host.transport), ob_transport_free(stranger.transport);
}

/* Not ours: a subscriber that was admitted, is forbidden, and keeps its socket open. */
static void a_forbidden_subscriber_hears_no_more(void **state) {
    (void)state;
    struct machine host, bad, good, *all[2] = {&host, &good};
    struct ob_transport_event event;
    char text[16];
    fixture_make(&host, true), fixture_make(&bad, false), fixture_make(&good, false);
    assert_int_equal(ob_transport_allow(host.transport, &bad.identity.machine, NULL), OB_OK);
    assert_int_equal(ob_transport_allow(host.transport, &good.identity.machine, NULL), OB_OK);
    fixture_join(&good, &host);
    void *context = zmq_ctx_new();
    void *subscriber = raw_client(context, &host, &bad, ZMQ_SUB, 1);
    int got = -1;
    for (int i = 0; i < 2000 && got < 0; i++) {
        ob_transport_publish(host.transport, "one", 3);
        assert_int_equal(ob_transport_poll(host.transport, 5, &event, NULL), OB_OK);
        got = zmq_recv(subscriber, text, sizeof text, ZMQ_DONTWAIT);
    }
    assert_int_equal(got, 3);
    fixture_publish_until_seen(all, 2, 0, 1, "one");
    ob_transport_forbid(host.transport, &bad.identity.machine);
    assert_int_equal(ob_transport_poll(host.transport, 5, &event, NULL), OB_OK);
    fixture_publish_until_seen(all, 2, 0, 1, "two"); /* the good one is back */
    while (zmq_recv(subscriber, text, sizeof text, ZMQ_DONTWAIT) >= 0)
        if (memcmp(text, "two", 3) == 0)
            fail_msg("a machine that was forbidden still hears");
    for (int i = 0; i < 100; i++) { /* it tries again and again */
        ob_transport_publish(host.transport, "two", 3);
        assert_int_equal(ob_transport_poll(host.transport, 5, &event, NULL), OB_OK);
        if (zmq_recv(subscriber, text, sizeof text, ZMQ_DONTWAIT) >= 0 && memcmp(text, "two", 3) == 0)
            fail_msg("a machine that was forbidden hears again");
    }
    zmq_close(subscriber), zmq_ctx_term(context);
    ob_transport_free(host.transport), ob_transport_free(bad.transport), ob_transport_free(good.transport);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hello_is_judged_and_answered),
        cmocka_unit_test(who_is_out_is_told_why),
        cmocka_unit_test(no_door_there_is_silence),
        cmocka_unit_test(other_frames_get_no_answer),
        cmocka_unit_test(an_oversized_hello_is_cut_off),
        cmocka_unit_test(many_are_forbidden_one_after_the_other),
        cmocka_unit_test(too_many_hellos_are_not_heard),
        cmocka_unit_test(a_forbidden_subscriber_hears_no_more),
    };
    return cmocka_run_group_tests(tests, fixture_setup, NULL);
}
