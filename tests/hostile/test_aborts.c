/* What else in libzmq (4.3.4) ends the process on a peer's doing: each scenario in a process of its own, because the fault
 * is an abort. At the door, which admits any key, an attacker is a stranger. */
#include "tests/hostile/victim.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define TRIES      4
#define DOOR_QUEUE 32

/* More frames than the queue takes, with ZMTP's PING after each: libzmq stops reading when the queue is full, notes a reset
 * meanwhile, and has to answer the next PING of its buffer when it reads on. */
static void ping_and_reset(struct victim *victim, struct zmtp_client *client, size_t queue) {
    static const uint8_t PING[] = "\4PING\0\0";
    uint8_t *bytes = malloc(1u << 20);
    size_t used = 0;
    assert_non_null(bytes);
    for (size_t i = 0; i < queue + 64; i++) {
        used += zmtp_client_frame(client, 0, "x", 1, bytes + used);
        used += zmtp_client_frame(client, ZMTP_COMMAND, PING, 7, bytes + used);
    }
    victim_hold(victim);
    assert_true(zmtp_client_raw(client, bytes, used));
    free(bytes);
    victim_rest(200); /* until its queue is full */
    zmtp_client_reset(client);
    victim_rest(100);
    victim_release(victim);
    victim_rest(200);
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

struct random {
    uint64_t state;
};

static uint32_t draw(struct random *random, uint32_t below) {
    random->state ^= random->state << 13;
    random->state ^= random->state >> 7;
    random->state ^= random->state << 17;
    return (uint32_t)(random->state >> 32) % below;
}

static void send_junk(struct zmtp_client *client, struct random *random) {
    static const char *const COMMANDS[] = {
        "\4PING",
        "\4PING\0",
        "\4PING\0\1context",
        "\4PONG",
        "\11SUBSCRIBE",
        "\11SUBSCRIBEtopic",
        "\6CANCELtopic",
        "\5ERROR\377why",
        "\5READY",
        "\5HELLO",
        "\7WELCOME",
        "\10INITIATE",
        "\7MESSAGE",
        "\377",
        "\0",
        "",
    };
    uint8_t junk[700];
    size_t bytes = draw(random, sizeof junk);
    for (size_t i = 0; i < bytes; i++)
        junk[i] = (uint8_t)draw(random, draw(random, 2) ? 256 : 9);
    const char *command = COMMANDS[draw(random, sizeof COMMANDS / sizeof *COMMANDS)];
    switch (draw(random, 6)) {
    case 0: /* within a box, as a message or as a command */
        (void)zmtp_client_send(client, draw(random, 8), junk, bytes);
        break;
    case 1:
        (void)zmtp_client_send(client, ZMTP_COMMAND, command, strlen(command) + draw(random, 4));
        break;
    case 2: /* outside of it */
        (void)zmtp_client_raw(client, junk, bytes);
        break;
    case 3: { /* a frame that says it is longer than it is, or than may be */
        uint8_t head[9] = {2, 0, 0, 0, (uint8_t)draw(random, 2), 0, (uint8_t)draw(random, 2), 1, 0};
        (void)zmtp_client_raw(client, head, 1 + draw(random, 9));
        break;
    }
    case 4: { /* a command of the handshake, again or out of turn */
        uint8_t frame[64] = {4, (uint8_t)strlen(command)};
        memcpy(frame + 2, command, strlen(command));
        (void)zmtp_client_raw(client, frame, 2 + strlen(command));
        break;
    }
    default:
        (void)zmtp_client_send(client, ZMTP_MORE, junk, bytes);
        break;
    }
}

static void attack(struct zmtp_client *client, struct random *random) {
    static const char *const TYPES[] = {"DEALER", "SUB", "ROUTER", "REQ", "XSUB", "PUB", "", "DEALER"};
    static const size_t IDENTITIES[] = {0, 0, 1, 5, 200, 255, 256, 300, 20000};
    static const uint8_t IDENTITY[20000];
    unsigned stage = draw(random, 6);
    if (!zmtp_client_open(client, 0))
        return;
    zmtp_client_patience(client, 100); /* what is refused is not answered */
    bool good = stage < 1 || zmtp_client_greet(client);
    good = good && (stage < 2 || zmtp_client_hello(client));
    if (good && stage >= 3)
        (void)zmtp_client_initiate(client, TYPES[draw(random, 8)], IDENTITY, IDENTITIES[draw(random, 9)]);
    for (unsigned i = draw(random, 4); i > 0; i--)
        send_junk(client, random);
    if (draw(random, 3) == 0)
        zmtp_client_reset(client);
}

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
        if (draw(&random, 4) == 0)
            victim_client(&victim, i % 3, client);
        else
            victim_member(&victim, i % 3, &identity, client);
        attack(client, &random);
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
        cmocka_unit_test_setup(whatever_is_sent_does_not_end_the_process, fixture_setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
