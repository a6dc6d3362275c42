/* Real sockets on loopback, with encryption. Nothing asserts a time: the limits are for hanging. */
#include "tests/unit/cmocka_all.h"

#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "tests/support/folder.h"
#include "tests/unit/transport/fixture.h"
#include "transport/status_client.h"

static void published_and_direct_frames_both_ways(void **state) {
    (void)state;
    struct machine a, b, *all[2] = {&a, &b};
    struct ob_transport_event event;
    fixture_make(&a, true), fixture_make(&b, true);
    fixture_join(&a, &b), fixture_join(&b, &a);
    assert_true(fixture_wait_for(all, 2, 0, OB_TRANSPORT_LINK_UP, NULL, &event));
    assert_true(ob_transport_linked(a.transport, &b.identity.machine));
    fixture_publish_until_seen(all, 2, 0, 1, "from a");
    fixture_publish_until_seen(all, 2, 1, 0, "from b");
    assert_true(ob_transport_send(a.transport, &b.identity.machine, "direct", 6));
    assert_true(fixture_wait_for(all, 2, 1, OB_TRANSPORT_FRAME, "direct", &event));
    assert_false(event.published);
    assert_true(ob_machine_equal(&event.machine, &a.identity.machine));
    ob_transport_free(a.transport);
    ob_transport_free(b.transport);
}

static void largest_frames_arrive(void **state) {
    (void)state;
    struct machine a, b, *all[2] = {&a, &b};
    struct ob_transport_event event;
    fixture_make(&a, true), fixture_make(&b, true);
    fixture_join(&a, &b), fixture_join(&b, &a);
    assert_true(fixture_wait_for(all, 2, 0, OB_TRANSPORT_LINK_UP, NULL, &event));
    char *text = malloc(OB_MESSAGE_MAX + 1);
    assert_non_null(text);
    memset(text, 'x', OB_MESSAGE_MAX);
    text[OB_MESSAGE_MAX] = 0;
    fixture_publish_until_seen(all, 2, 0, 1, text);
    assert_true(ob_transport_send(a.transport, &b.identity.machine, text, OB_MESSAGE_MAX));
    assert_true(fixture_wait_for(all, 2, 1, OB_TRANSPORT_FRAME, text, &event));
    free(text);
    ob_transport_free(a.transport);
    ob_transport_free(b.transport);
}

static void only_a_socket_makes_way_for_the_status_socket(void **state) {
    (void)state;
    struct test_folder folder;
    char path[TEST_PATH_MAX];
    test_folder_make(&folder);
    test_file_write(test_folder_path(&folder, "s", path), "", 0);
    struct ob_identity identity;
    ob_identity_generate(&identity);
    struct ob_transport_options options = {.secret_key = identity.secret_key, .status_path = path};
    struct ob_transport *transport = NULL;
    struct ob_error error = {0};
    assert_int_equal(ob_transport_new(&options, &transport, &error), OB_EBUSY);
    assert_non_null(strstr(error.text, path));
    assert_int_equal(access(path, F_OK), 0);
    test_folder_remove(&folder);
}

static void answer_over_the_other_sides_connection(void **state) {
    (void)state;
    struct machine a, b, *all[2] = {&a, &b};
    struct ob_transport_event event;
    fixture_make(&a, true), fixture_make(&b, false); /* b cannot be reached */
    fixture_join(&b, &a);
    assert_int_equal(ob_transport_allow(a.transport, &b.identity.machine, NULL), OB_OK);
    assert_false(ob_transport_send(a.transport, &b.identity.machine, "x", 1));
    assert_true(fixture_wait_for(all, 2, 1, OB_TRANSPORT_LINK_UP, NULL, &event));
    assert_true(ob_transport_send(b.transport, &a.identity.machine, "hello", 5));
    assert_true(fixture_wait_for(all, 2, 0, OB_TRANSPORT_FRAME, "hello", &event));
    assert_true(ob_transport_send(a.transport, &b.identity.machine, "welcome", 7));
    assert_true(fixture_wait_for(all, 2, 1, OB_TRANSPORT_FRAME, "welcome", &event));
    ob_transport_publish(b.transport, "pushed", 6); /* a has no subscription to b */
    assert_true(fixture_wait_for(all, 2, 0, OB_TRANSPORT_FRAME, "pushed", &event));
    ob_transport_free(a.transport);
    ob_transport_free(b.transport);
}

static void stranger_gets_nothing_in_or_out(void **state) {
    (void)state;
    struct machine a, stranger, *all[2] = {&a, &stranger};
    struct ob_transport_event event;
    fixture_make(&a, true), fixture_make(&stranger, false);
    fixture_join(&stranger, &a); /* knows a's key, but a does not admit it */
    assert_true(fixture_wait_for(all, 2, 0, OB_TRANSPORT_REFUSED, NULL, &event));
    assert_non_null(strstr(event.text, "127.0.0.1"));
    for (int i = 0; i < 50; i++) {
        ob_transport_publish(a.transport, "secret", 6);
        for (size_t k = 0; k < 2; k++) {
            assert_int_equal(ob_transport_poll(all[k]->transport, 5, &event, NULL), OB_OK);
            assert_int_not_equal(event.kind, OB_TRANSPORT_FRAME);
            assert_int_not_equal(event.kind, OB_TRANSPORT_LINK_UP);
        }
    }
    assert_true(ob_transport_counters(a.transport).refused_handshakes > 0);
    /* admitted later, it gets in by itself */
    assert_int_equal(ob_transport_allow(a.transport, &stranger.identity.machine, NULL), OB_OK);
    assert_true(fixture_wait_for(all, 2, 1, OB_TRANSPORT_LINK_UP, NULL, &event));
    fixture_publish_until_seen(all, 2, 0, 1, "now");
    ob_transport_free(a.transport);
    ob_transport_free(stranger.transport);
}

static void plain_client_gets_nothing(void **state) {
    (void)state;
    struct machine a, *all[1] = {&a};
    struct ob_transport_event event;
    fixture_make(&a, true);
    void *context = zmq_ctx_new(), *plain = zmq_socket(context, ZMQ_DEALER);
    int linger = 0;
    zmq_setsockopt(plain, ZMQ_LINGER, &linger, sizeof linger);
    assert_int_equal(zmq_connect(plain, a.endpoint), 0);
    assert_int_equal(zmq_send(plain, "hi", 2, ZMQ_DONTWAIT), 2);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(ob_transport_poll(all[0]->transport, 5, &event, NULL), OB_OK);
        assert_int_not_equal(event.kind, OB_TRANSPORT_FRAME);
    }
    zmq_close(plain);
    zmq_ctx_term(context);
    ob_transport_free(a.transport);
}

/* A DEALER of a member that speaks ZeroMQ by itself, and says `text`. */
static void *speak_as(void *context, const struct machine *member, const struct machine *to, const char *id,
                      const char *text) {
    uint8_t public[32], secret[32], server[32];
    int linger = 0;
    void *dealer = zmq_socket(context, ZMQ_DEALER);
    assert_non_null(dealer);
    assert_int_equal(crypto_sign_ed25519_sk_to_curve25519(secret, member->identity.secret_key), 0);
    assert_int_equal(crypto_sign_ed25519_pk_to_curve25519(public, member->identity.machine.key), 0);
    assert_int_equal(crypto_sign_ed25519_pk_to_curve25519(server, to->identity.machine.key), 0);
    zmq_setsockopt(dealer, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(dealer, ZMQ_ROUTING_ID, id, strlen(id));
    zmq_setsockopt(dealer, ZMQ_CURVE_SECRETKEY, secret, sizeof secret);
    zmq_setsockopt(dealer, ZMQ_CURVE_PUBLICKEY, public, sizeof public);
    zmq_setsockopt(dealer, ZMQ_CURVE_SERVERKEY, server, sizeof server);
    assert_int_equal(zmq_connect(dealer, to->endpoint), 0);
    assert_int_equal(zmq_send(dealer, text, strlen(text), 0), (int)strlen(text));
    return dealer;
}

static void routing_id_that_another_took_is_forgotten(void **state) {
    (void)state;
    struct machine a, gone, heir, *all[1] = {&a};
    struct ob_transport_event event;
    fixture_make(&a, true);
    ob_identity_generate(&gone.identity), ob_identity_generate(&heir.identity);
    assert_int_equal(ob_transport_allow(a.transport, &gone.identity.machine, NULL), OB_OK);
    assert_int_equal(ob_transport_allow(a.transport, &heir.identity.machine, NULL), OB_OK);
    void *context = zmq_ctx_new(), *dealer = speak_as(context, &gone, &a, "same", "first");
    assert_true(fixture_wait_for(all, 1, 0, OB_TRANSPORT_FRAME, "first", &event));
    assert_true(ob_transport_send(a.transport, &gone.identity.machine, "answer", 6));
    zmq_close(dealer);
    /* until the ROUTER has let go of the id, it drops whoever comes with it, who then tries again */
    dealer = NULL;
    for (int i = 0; i < 20 && !dealer; i++) {
        void *next = speak_as(context, &heir, &a, "same", "second");
        for (int k = 0; k < 100 && !dealer; k++) {
            assert_int_equal(ob_transport_poll(a.transport, 5, &event, NULL), OB_OK);
            if (event.kind == OB_TRANSPORT_FRAME && ob_machine_equal(&event.machine, &heir.identity.machine))
                dealer = next;
        }
        if (!dealer)
            zmq_close(next);
    }
    assert_non_null(dealer);
    assert_true(ob_transport_linked(a.transport, &heir.identity.machine));
    assert_false(ob_transport_linked(a.transport, &gone.identity.machine));
    assert_false(ob_transport_send(a.transport, &gone.identity.machine, "for it alone", 12));
    assert_true(ob_transport_send(a.transport, &heir.identity.machine, "yours", 5));
    zmq_close(dealer);
    zmq_ctx_term(context);
    ob_transport_free(a.transport);
}

static void restarted_peer_is_linked_again(void **state) {
    (void)state;
    struct machine a, b, *all[2] = {&a, &b}, *one[1] = {&a};
    struct ob_transport_event event;
    fixture_make(&a, true), fixture_make(&b, true);
    fixture_join(&a, &b), fixture_join(&b, &a);
    fixture_publish_until_seen(all, 2, 1, 0, "before");
    ob_transport_free(b.transport);
    assert_true(fixture_wait_for(one, 1, 0, OB_TRANSPORT_LINK_DOWN, NULL, &event));
    fixture_start(&b, true);
    fixture_join(&b, &a);
    assert_true(fixture_wait_for(all, 2, 0, OB_TRANSPORT_LINK_UP, NULL, &event));
    fixture_publish_until_seen(all, 2, 1, 0, "after");
    fixture_publish_until_seen(all, 2, 0, 1, "back");
    ob_transport_free(a.transport);
    ob_transport_free(b.transport);
}

static void forbid_cuts_an_open_connection(void **state) {
    (void)state;
    struct machine a, b, *all[2] = {&a, &b};
    struct ob_transport_event event;
    fixture_make(&a, true), fixture_make(&b, false);
    assert_int_equal(ob_transport_allow(a.transport, &b.identity.machine, NULL), OB_OK);
    fixture_join(&b, &a);
    fixture_publish_until_seen(all, 2, 0, 1, "one");
    ob_transport_forbid(a.transport, &b.identity.machine);
    assert_true(fixture_wait_for(all, 2, 1, OB_TRANSPORT_LINK_DOWN, NULL, &event));
    assert_true(fixture_wait_for(all, 2, 0, OB_TRANSPORT_REFUSED, NULL, &event));
    ob_transport_free(a.transport);
    ob_transport_free(b.transport);
}

static void *wake_later(void *argument) {
    usleep(20000);
    ob_transport_wake(argument);
    return NULL;
}

static void wake_from_another_thread(void **state) {
    (void)state;
    struct machine a, *all[1] = {&a};
    struct ob_transport_event event;
    pthread_t thread;
    fixture_make(&a, false);
    assert_int_equal(pthread_create(&thread, NULL, wake_later, a.transport), 0);
    assert_true(fixture_wait_for(all, 1, 0, OB_TRANSPORT_WAKE, NULL, &event));
    pthread_join(thread, NULL);
    ob_transport_free(a.transport);
}

struct question {
    const char *state_dir;
    char *answer;
    enum ob_err failed;
};

static void *ask(void *argument) {
    struct question *question = argument;
    question->failed =
        ob_status_ask(question->state_dir, "{}", FIXTURE_LIMIT_S * 1000, &question->answer, NULL);
    return NULL;
}

static void status_round_trip(void **state) {
    (void)state;
    struct test_folder folder;
    char path[TEST_PATH_MAX];
    test_folder_make(&folder);
    struct question question = {.state_dir = folder.path};
    test_folder_path(&folder, OB_STATUS_SOCKET, path);
    struct ob_error error = {0};
    assert_int_equal(ob_status_ask(question.state_dir, "{}", 100, &question.answer, &error), OB_ENOTFOUND);
    /* a daemon that was killed leaves its socket behind */
    struct sockaddr_un left = {.sun_family = AF_UNIX};
    assert_true(strlen(path) < sizeof left.sun_path);
    memcpy(left.sun_path, path, strlen(path) + 1);
    int killed = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(killed, (struct sockaddr *)&left, sizeof left), 0);
    (void)close(killed);
    assert_int_equal(ob_status_ask(question.state_dir, "{}", 100, &question.answer, &error), OB_ENOTFOUND);
    struct machine a, *all[1] = {&a};
    ob_identity_generate(&a.identity);
    struct ob_transport_options options = {.secret_key = a.identity.secret_key, .status_path = path};
    assert_int_equal(ob_transport_new(&options, &a.transport, &error), OB_OK);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    pthread_t thread;
    struct ob_transport_event event;
    assert_int_equal(pthread_create(&thread, NULL, ask, &question), 0);
    assert_true(fixture_wait_for(all, 1, 0, OB_TRANSPORT_STATUS, "{}", &event));
    ob_transport_status_reply(a.transport, "{\"ok\":1}", 8);
    pthread_join(thread, NULL);
    assert_int_equal(question.failed, OB_OK);
    assert_string_equal(question.answer, "{\"ok\":1}");
    free(question.answer);
    ob_transport_free(a.transport);
    assert_int_not_equal(stat(path, &info), 0);
    test_folder_remove(&folder);
}

static void bad_addresses_are_named(void **state) {
    (void)state;
    struct ob_identity identity;
    struct ob_error error = {0};
    struct ob_transport *transport = NULL;
    const char *bad[] = {"127.0.0.1:80", "tcp://nothing", "tcp://127.0.0.1:0", "tcp://127.0.0.1:65534",
                         "tcp://h:1x"};
    ob_identity_generate(&identity);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ob_transport_options options = {.secret_key = identity.secret_key, .listen = bad[i]};
        assert_int_equal(ob_transport_new(&options, &transport, &error), OB_EUSAGE);
        assert_non_null(strstr(error.text, bad[i]));
    }
    struct machine a;
    fixture_make(&a, true);
    struct ob_transport_options taken = {.secret_key = identity.secret_key, .listen = a.endpoint};
    assert_int_equal(ob_transport_new(&taken, &transport, &error), OB_EBUSY);
    assert_non_null(strstr(error.text, a.endpoint));
    ob_transport_free(a.transport);
}

static void identity_files(void **state) {
    (void)state;
    struct test_folder folder;
    char path[TEST_PATH_MAX];
    test_folder_make(&folder);
    test_folder_path(&folder, "identity", path);
    struct ob_identity made, read;
    struct ob_error error = {0};
    ob_identity_generate(&made);
    assert_int_equal(ob_identity_load(path, &read, &error), OB_ENOTFOUND);
    assert_int_equal(ob_identity_save(&made, path, &error), OB_OK);
    assert_int_equal(ob_identity_save(&made, path, &error), OB_EBUSY);
    assert_int_equal(ob_identity_load(path, &read, &error), OB_OK);
    assert_memory_equal(&made, &read, sizeof made);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(ob_identity_load(path, &read, &error), OB_EREFUSED);
    assert_non_null(strstr(error.text, "chmod 600"));
    assert_int_equal(chmod(path, 0600), 0);
    if (geteuid() == 0) { /* the mode is right, the owner is not */
        assert_int_equal(chown(path, 65534, (gid_t)-1), 0);
        assert_int_equal(ob_identity_load(path, &read, &error), OB_EREFUSED);
        assert_non_null(strstr(error.text, "belongs to nobody, and this program runs as root"));
        assert_null(strstr(error.text, "chmod"));
        assert_int_equal(chown(path, 0, (gid_t)-1), 0);
    }
    assert_int_equal(truncate(path, 50), 0);
    assert_int_equal(ob_identity_load(path, &read, &error), OB_EFORMAT);
    assert_non_null(strstr(error.text, path));
    test_folder_remove(&folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_and_direct_frames_both_ways),
        cmocka_unit_test(largest_frames_arrive),
        cmocka_unit_test(only_a_socket_makes_way_for_the_status_socket),
        cmocka_unit_test(answer_over_the_other_sides_connection),
        cmocka_unit_test(stranger_gets_nothing_in_or_out),
        cmocka_unit_test(plain_client_gets_nothing),
        cmocka_unit_test(routing_id_that_another_took_is_forgotten),
        cmocka_unit_test(restarted_peer_is_linked_again),
        cmocka_unit_test(forbid_cuts_an_open_connection),
        cmocka_unit_test(wake_from_another_thread),
        cmocka_unit_test(status_round_trip),
        cmocka_unit_test(bad_addresses_are_named),
        cmocka_unit_test(identity_files),
    };
    return cmocka_run_group_tests(tests, fixture_setup, NULL);
}
