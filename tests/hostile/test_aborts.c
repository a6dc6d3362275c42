/* What else in libzmq (4.3.4) ends the process on a peer's doing: each scenario in a process of its own, because the fault
 * is an abort. At the door, which admits any key, an attacker is a stranger. */
#include "tests/hostile/junk.h"
#include "tests/hostile/victim.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define TRIES      4
#define DOOR_QUEUE 32

/* More frames than the queue takes, with ZMTP's PING after each: libzmq stops reading when the queue is full, notes a reset
 * meanwhile, and has to answer the next PING of its buffer when it reads on. */
static void ping_and_reset(struct victim *victim, struct zmtp_client *client, size_t queue) {
    victim_hold(victim);
    assert_true(junk_pings(client, queue + 64));
    victim_rest(200); /* until its queue is full */
    zmtp_client_reset(client);
    victim_rest(100);
    victim_release(victim);
    victim_rest(200);
}

/* The same at once: what was sent and the reset are noticed together, and the queue fills while they are handled. */
static void ping_and_reset_at_once(void) {
    struct victim victim;
    victim_start(&victim);
    for (int i = 0; i < 60; i++) {
        struct zmtp_client client;
        victim_client(&victim, 2, &client);
        if (!zmtp_client_join(&client, "DEALER", 0))
            continue; /* it comes too often for the moment */
        if (junk_pings(&client, 200))
            zmtp_client_reset(&client);
        zmtp_client_close(&client);
        victim_rest(10);
    }
    victim_rest(1000);
    victim_must_serve(&victim);
    victim_stop(&victim);
}

static void stranger_pings(void) {
    struct victim victim;
    victim_start(&victim);
    for (int i = 0; i < TRIES; i++) {
        struct zmtp_client client;
        victim_client(&victim, 2, &client);
        assert_true(zmtp_client_join(&client, "DEALER", 0));
        ping_and_reset(&victim, &client, DOOR_QUEUE);
    }
    victim_must_serve(&victim);
    victim_stop(&victim);
}

static void member_pings(void) {
    struct victim victim;
    victim_start(&victim);
    for (int i = 0; i < TRIES; i++) {
        struct ob_identity identity;
        struct zmtp_client client;
        victim_member(&victim, 0, &identity, &client);
        assert_true(zmtp_client_join(&client, "DEALER", 0));
        ping_and_reset(&victim, &client, OB_RECEIVE_QUEUE_MAX);
    }
    victim_must_serve(&victim);
    victim_stop(&victim);
}

/* ---- whatever else ---- */

#define CLIENTS 150 /* to each port; HOSTILE_CLIENTS: more */

static void anything(void) {
    struct victim victim;
    struct random random = {0x9e3779b97f4a7c15};
    static struct zmtp_client clients[16];
    victim_start(&victim);
    for (size_t i = 0; i < sizeof clients / sizeof *clients; i++)
        clients[i].fd = -1;
    const char *more = getenv("HOSTILE_CLIENTS");
    unsigned count = 3 * (more ? (unsigned)strtoul(more, NULL, 10) : CLIENTS);
    for (unsigned i = 0; i < count; i++) {
        struct zmtp_client *client = &clients[i % 16];
        struct ob_identity identity;
        zmtp_client_close(client);
        if (junk_draw(&random, 4) == 0)
            victim_client(&victim, i % 3, client);
        else
            victim_member(&victim, i % 3, &identity, client);
        junk_attack(client, &random);
        if (i % 4 == 0)
            victim_rest(
                8); /* the victim takes 32 connections a second of one address, once its bucket is empty */
    }
    for (size_t i = 0; i < sizeof clients / sizeof *clients; i++)
        zmtp_client_close(&clients[i]);
    victim_rest(1000); /* its bucket fills */
    victim_must_serve(&victim);
    victim_stop(&victim);
}

static void a_stranger_s_pings_and_a_reset_do_not_end_the_process(void **state) {
    (void)state;
    victim_scenario(stranger_pings);
}

static void pings_and_a_reset_at_once_do_not_end_the_process(void **state) {
    (void)state;
    victim_scenario(ping_and_reset_at_once);
}

static void a_member_s_pings_and_a_reset_do_not_end_the_process(void **state) {
    (void)state;
    victim_scenario(member_pings);
}

static void whatever_is_sent_does_not_end_the_process(void **state) {
    (void)state;
    victim_scenario(anything);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_stranger_s_pings_and_a_reset_do_not_end_the_process, fixture_setup),
        cmocka_unit_test_setup(a_member_s_pings_and_a_reset_do_not_end_the_process, fixture_setup),
        cmocka_unit_test_setup(pings_and_a_reset_at_once_do_not_end_the_process, fixture_setup),
        cmocka_unit_test_setup(whatever_is_sent_does_not_end_the_process, fixture_setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
