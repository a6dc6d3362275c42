/* A message without an end over a connection that we opened: what we subscribe to, or ask, sends parts and no last one. The
 * attacker is a process of its own, with libzmq; a relay in front of it gives the parts out one by one, as a network would. */
#include "tests/hostile/victim.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#define PART       60000
#define PARTS      3500 /* 210 MB */
#define ALLOWED_KB (64 * 1024)
#define LIMIT_MS   60000

/* ---- the attacker's process ---- */

static struct sockaddr_in loopback(unsigned port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static bool pass(int from, int to, long rest_ms) {
    static _Thread_local char data[65536];
    ssize_t bytes = recv(from, data, sizeof data, 0), sent = 0;
    while (sent < bytes) {
        ssize_t some = send(to, data + sent, (size_t)(bytes - sent), MSG_NOSIGNAL);
        if (some <= 0)
            return false;
        sent += some;
    }
    if (rest_ms > 0)
        victim_rest(rest_ms);
    return bytes > 0;
}

struct relay {
    int listening;
    unsigned to_port;
};

/* One connection after the other; some 50 MB/s to the victim. */
static void *relay(void *argument) {
    const struct relay *relay = argument;
    struct sockaddr_in to = loopback(relay->to_port);
    for (;;) {
        int theirs = accept4(relay->listening, NULL, NULL, SOCK_CLOEXEC);
        int ours = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool open = theirs >= 0 && connect(ours, (struct sockaddr *)&to, sizeof to) == 0;
        while (open) {
            struct pollfd waits[] = {{.fd = theirs, .events = POLLIN}, {.fd = ours, .events = POLLIN}};
            (void)poll(waits, 2, -1);
            open =
                (!waits[0].revents || pass(theirs, ours, 0)) && (!waits[1].revents || pass(ours, theirs, 1));
        }
        close(theirs);
        close(ours);
    }
    return NULL;
}

static void *serve_at(void *context, int type, const struct ob_identity *identity, unsigned port) {
    uint8_t secret[32];
    char endpoint[64];
    int one = 1, none = 0;
    void *socket = zmq_socket(context, type);
    if (crypto_sign_ed25519_sk_to_curve25519(secret, identity->secret_key) != 0)
        _exit(3);
    (void)snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%u", port);
    zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &one, sizeof one);
    zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret, sizeof secret);
    zmq_setsockopt(socket, ZMQ_SNDHWM, &none, sizeof none);
    if (zmq_bind(socket, endpoint) != 0)
        _exit(4);
    return socket;
}

static void pour(void *socket) {
    static char part[PART];
    for (int i = 0; i < PARTS; i++)
        (void)zmq_send(socket, part, sizeof part, i + 1 < PARTS ? ZMQ_SNDMORE : 0);
}

/* Everybody who comes gets the parts. `publishes`: over the subscription, else as an answer. */
static void attack(const struct ob_identity *identity, struct relay relays[2], bool publishes) {
    pthread_t threads[2];
    void *context = zmq_ctx_new();
    void *router = serve_at(context, ZMQ_ROUTER, identity, relays[0].to_port);
    void *publisher = serve_at(context, ZMQ_XPUB, identity, relays[1].to_port);
    for (int i = 0; i < 2; i++)
        if (pthread_create(&threads[i], NULL, relay, &relays[i]) != 0)
            _exit(5);
    for (;;) {
        char id[256], word[256];
        zmq_pollitem_t items[] = {{.socket = router, .events = ZMQ_POLLIN},
                                  {.socket = publisher, .events = ZMQ_POLLIN}};
        (void)zmq_poll(items, 2, -1);
        if (items[1].revents && zmq_recv(publisher, word, sizeof word, ZMQ_DONTWAIT) > 0 && word[0] == 1 &&
            publishes)
            pour(publisher);
        int bytes = items[0].revents ? zmq_recv(router, id, sizeof id, ZMQ_DONTWAIT) : -1;
        if (bytes <= 0)
            continue;
        (void)zmq_recv(router, word, sizeof word, ZMQ_DONTWAIT);
        if (publishes)
            continue;
        (void)zmq_send(router, id, (size_t)bytes, ZMQ_SNDMORE);
        pour(router);
    }
}

static pid_t attacker(const struct ob_identity *identity, unsigned port, bool publishes) {
    struct relay relays[2];
    for (unsigned i = 0; i < 2; i++) {
        struct sockaddr_in address = loopback(port + i);
        int one = 1;
        relays[i] = (struct relay){socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), port + 10 + i};
        (void)setsockopt(relays[i].listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        assert_int_equal(bind(relays[i].listening, (struct sockaddr *)&address, sizeof address), 0);
        assert_int_equal(listen(relays[i].listening, 8), 0);
    }
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        attack(identity, relays, publishes);
        _exit(0);
    }
    for (int i = 0; i < 2; i++)
        close(relays[i].listening);
    return child;
}

/* ---- the victim's ---- */

static size_t peak_kb(void) {
    char line[256];
    size_t kb = 0;
    FILE *file = fopen("/proc/self/status", "re");
    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "VmHWM: %zu", &kb) == 1)
            break;
    (void)fclose(file);
    return kb;
}

static struct ob_transport_counters counters(struct victim *victim) {
    victim_hold(victim);
    struct ob_transport_counters counters = ob_transport_counters(victim->machine.transport);
    victim_release(victim);
    return counters;
}

static void connect_to(struct victim *victim, const struct ob_machine_id *machine, unsigned port) {
    char endpoint[64];
    (void)snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%u", port);
    victim_hold(victim);
    assert_int_equal(ob_transport_allow(victim->machine.transport, machine, NULL), OB_OK);
    assert_int_equal(ob_transport_connect(victim->machine.transport, machine, endpoint, NULL), OB_OK);
    victim_release(victim);
}

static void endless(bool publishes) {
    struct victim victim;
    struct ob_identity member;
    unsigned port = fixture_next_port();
    ob_identity_generate(&member);
    pid_t child = attacker(&member, port, publishes);
    victim_start_with(&victim, &(struct ob_transport_options){.handshake_ms = 5000});
    size_t before = peak_kb();
    connect_to(&victim, &member.machine, port);
    struct ob_transport_counters now = counters(&victim);
    for (int ms = 0; ms < LIMIT_MS && now.closed_connections == 0; ms += 10) {
        victim_hold(&victim);
        if (!publishes && ob_transport_linked(victim.machine.transport, &member.machine))
            (void)ob_transport_send(victim.machine.transport, &member.machine, "question", 8);
        victim_release(&victim);
        victim_rest(10);
        now = counters(&victim);
        if (peak_kb() > before + PART / 1024 * PARTS)
            break;
    }
    size_t grown = peak_kb() - before;
    print_message("grew by %zu MB\n", grown / 1024);
    if (MEMORY_IS_OURS && grown > ALLOWED_KB)
        fail_msg("it grew by %zu MB", grown / 1024);
    assert_true(now.closed_connections > 0);
    victim_rest(1500); /* it is not asked again at once */
    assert_int_equal(counters(&victim).closed_connections, now.closed_connections);
    victim_must_serve(&victim);
    victim_stop(&victim);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
}

static void published(void) {
    endless(true);
}

static void answered(void) {
    endless(false);
}

static void a_publication_without_an_end_costs_little_and_its_sender_is_left_alone(void **state) {
    (void)state;
    victim_scenario(published);
}

static void an_answer_without_an_end_costs_little_and_its_sender_is_left_alone(void **state) {
    (void)state;
    victim_scenario(answered);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_publication_without_an_end_costs_little_and_its_sender_is_left_alone),
        cmocka_unit_test(an_answer_without_an_end_costs_little_and_its_sender_is_left_alone),
    };
    return cmocka_run_group_tests(tests, fixture_setup, NULL);
}
