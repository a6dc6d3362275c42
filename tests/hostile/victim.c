#include "tests/hostile/victim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void victim_rest(long ms) {
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static void *serve(void *argument) {
    struct victim *victim = argument;
    while (!atomic_load(&victim->stop)) {
        struct ob_transport_event event = {.kind = OB_TRANSPORT_NOTHING};
        if (atomic_load(&victim->wanted))
            victim_rest(1);
        pthread_mutex_lock(&victim->lock);
        if (ob_transport_poll(victim->machine.transport, 2, &event, NULL))
            atomic_store(&victim->stop, true);
        atomic_fetch_add(&victim->frames, event.kind == OB_TRANSPORT_FRAME);
        atomic_fetch_add(&victim->knocks, event.kind == OB_TRANSPORT_KNOCK);
        atomic_fetch_add(&victim->refusals, event.kind == OB_TRANSPORT_REFUSED);
        pthread_mutex_unlock(&victim->lock);
    }
    return NULL;
}

void victim_start(struct victim *victim) {
    victim_start_with(victim, &(struct ob_transport_options){.handshake_ms = 500});
}

void victim_start_with(struct victim *victim, const struct ob_transport_options *options) {
    struct ob_transport_options all = *options;
    memset(victim, 0, sizeof *victim);
    ob_identity_generate(&victim->machine.identity);
    (void)snprintf(victim->machine.endpoint, sizeof victim->machine.endpoint, "tcp://127.0.0.1:%u",
                   fixture_next_port());
    all.secret_key = victim->machine.identity.secret_key;
    all.listen = victim->machine.endpoint;
    fixture_start_with(&victim->machine, &all);
    pthread_mutex_init(&victim->lock, NULL);
    assert_int_equal(pthread_create(&victim->thread, NULL, serve, victim), 0);
}

void victim_stop(struct victim *victim) {
    atomic_store(&victim->stop, true);
    pthread_join(victim->thread, NULL);
    pthread_mutex_destroy(&victim->lock);
    ob_transport_free(victim->machine.transport);
}

void victim_hold(struct victim *victim) {
    atomic_store(&victim->wanted, true);
    pthread_mutex_lock(&victim->lock);
}

void victim_release(struct victim *victim) {
    atomic_store(&victim->wanted, false);
    pthread_mutex_unlock(&victim->lock);
}

void victim_client(const struct victim *victim, unsigned port_offset, struct zmtp_client *ret_client) {
    uint8_t key[ZMTP_KEY];
    unsigned port = 0;
    (void)sscanf(victim->machine.endpoint, "tcp://127.0.0.1:%u", &port);
    zmtp_curve_key(victim->machine.identity.machine.key, key);
    zmtp_client_init(ret_client, port + port_offset, key);
}

void victim_member(struct victim *victim, unsigned port_offset, struct ob_identity *ret_identity,
                   struct zmtp_client *ret_client) {
    ob_identity_generate(ret_identity);
    victim_client(victim, port_offset, ret_client);
    zmtp_client_be(ret_client, ret_identity->secret_key);
    victim_hold(victim);
    assert_int_equal(ob_transport_allow(victim->machine.transport, &ret_identity->machine, NULL), OB_OK);
    victim_release(victim);
}

void victim_must_serve(struct victim *victim) {
    struct ob_identity identity;
    struct zmtp_client friend;
    size_t before = atomic_load(&victim->frames);
    victim_member(victim, 0, &identity, &friend);
    assert_true(zmtp_client_join(&friend, "DEALER", 0));
    assert_true(zmtp_client_send(&friend, 0, "hello", 5));
    for (int i = 0; i < 5000 && atomic_load(&victim->frames) == before; i++)
        victim_rest(1);
    assert_true(atomic_load(&victim->frames) > before);
    zmtp_client_close(&friend);
}

void victim_scenario(void (*scenario)(void)) {
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)setenv("CMOCKA_TEST_ABORT", "1", 1); /* else it would go on with the other tests */
        scenario();
        _exit(0);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status))
        fail_msg("the process was ended by signal %d", WTERMSIG(status));
    assert_int_equal(status, 0);
}
