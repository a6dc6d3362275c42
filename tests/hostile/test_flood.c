/* Connections that read nothing, or send what ZeroMQ keeps without a bound. What is measured is the memory of the process:
 * the attacker's part in it is small and the same before and after. */
#include "tests/hostile/victim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FRAME      60000
#define ROUNDS     1500 /* of FRAME bytes: 90 MB */
#define ALLOWED_MB 48   /* of growth: what the bounds allow a few connections, and the allocator's own */
#define MB         ((size_t)1 << 20)
#define MEMBERS    8

static size_t resident(void) {
    unsigned long pages = 0, mapped = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &mapped, &pages), 2);
    (void)fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void must_not_have_grown(size_t before, size_t allowed_mb) {
    size_t now = resident();
    print_message("grew by %zu MB\n", now > before ? (now - before) / MB : 0);
    if (MEMORY_IS_OURS && now > before + allowed_mb * MB)
        fail_msg("it grew by %zu MB", (now - before) / MB);
}

static void start(struct victim *victim) {
    memset(victim, 0, sizeof *victim);
    victim_start_with(victim, &(struct ob_transport_options){.handshake_ms = 2000, .slow_ms = 1000});
}

static bool is_closed(struct zmtp_client *client) {
    for (int i = 0; i < 150; i++) {
        if (zmtp_client_hung_up(client, 100))
            return true;
    }
    return false;
}

/* ---- answers that nobody reads ---- */

static void answers_unread(void) {
    static const uint8_t DATA[FRAME];
    struct victim victim;
    struct zmtp_client clients[MEMBERS];
    struct ob_identity members[MEMBERS];
    start(&victim);
    for (size_t i = 0; i < MEMBERS; i++) {
        victim_member(&victim, 0, &members[i], &clients[i]);
        assert_true(zmtp_client_join(&clients[i], "DEALER", 4096));
        assert_true(zmtp_client_send(&clients[i], 0, "here", 4));
    }
    while (atomic_load(&victim.frames) < MEMBERS)
        victim_rest(5);
    size_t before = resident(), refused = 0;
    victim_hold(&victim);
    for (int i = 0; i < ROUNDS; i++)
        for (size_t k = 0; k < MEMBERS; k++)
            refused += !ob_transport_send(victim.machine.transport, &members[k].machine, DATA, sizeof DATA);
    victim_release(&victim);
    must_not_have_grown(before, ALLOWED_MB);
    assert_true(refused > 0);
    for (size_t i = 0; i < MEMBERS; i++) {
        assert_true(is_closed(&clients[i]));
        zmtp_client_close(&clients[i]);
    }
    victim_must_serve(&victim);
    victim_hold(&victim);
    assert_int_equal(ob_transport_counters(victim.machine.transport).closed_connections, MEMBERS);
    victim_release(&victim);
    victim_stop(&victim);
}

/* It takes a little, so that TCP finds nothing wrong with it. */
static void answers_read_slowly(void) {
    static const uint8_t DATA[FRAME];
    struct victim victim;
    struct zmtp_client client;
    struct ob_identity member;
    uint8_t byte;
    start(&victim);
    victim_member(&victim, 0, &member, &client);
    assert_true(zmtp_client_join(&client, "DEALER", 4096));
    assert_true(zmtp_client_send(&client, 0, "here", 4));
    while (atomic_load(&victim.frames) < 1)
        victim_rest(5);
    victim_hold(&victim);
    while (ob_transport_send(victim.machine.transport, &member.machine, DATA, sizeof DATA))
        ;
    victim_release(&victim);
    bool closed = false;
    for (int i = 0; i < 600 && !closed; i++) {
        closed = zmtp_client_hung_up(&client, 50);
        (void)!read(client.fd, &byte, 1);
    }
    assert_true(closed);
    zmtp_client_close(&client);
    victim_must_serve(&victim);
    victim_stop(&victim);
}

/* ---- a subscriber that reads nothing ---- */

static void publications_unread(void) {
    static const uint8_t DATA[FRAME];
    struct victim victim;
    struct zmtp_client client;
    struct ob_identity member;
    start(&victim);
    victim_member(&victim, 1, &member, &client);
    assert_true(zmtp_client_join(&client, "SUB", 4096));
    assert_true(zmtp_client_send(&client, 0, "\1", 1));
    victim_rest(200);
    size_t before = resident();
    for (int i = 0; i < 2 * ROUNDS; i++) {
        victim_hold(&victim);
        ob_transport_publish(victim.machine.transport, DATA, sizeof DATA / 4);
        victim_release(&victim);
    }
    must_not_have_grown(before, ALLOWED_MB);
    assert_true(is_closed(&client));
    zmtp_client_close(&client);
    victim_must_serve(&victim);
    victim_stop(&victim);
}

/* It takes a little, and gets ever further behind. */
static void publications_read_slowly(void) {
    static const uint8_t DATA[FRAME];
    struct victim victim;
    struct zmtp_client client;
    struct ob_identity member;
    uint8_t byte;
    start(&victim);
    victim_member(&victim, 1, &member, &client);
    assert_true(zmtp_client_join(&client, "SUB", 4096));
    assert_true(zmtp_client_send(&client, 0, "\1", 1));
    victim_rest(200);
    size_t before = resident();
    bool closed = false;
    for (int i = 0; i < 600 && !closed; i++) {
        for (int k = 0; k < 4; k++) {
            victim_hold(&victim);
            ob_transport_publish(victim.machine.transport, DATA, sizeof DATA / 4);
            victim_release(&victim);
        }
        closed = zmtp_client_hung_up(&client, 50);
        (void)!read(client.fd, &byte, 1);
    }
    must_not_have_grown(before, ALLOWED_MB);
    assert_true(closed);
    zmtp_client_close(&client);
    victim_must_serve(&victim);
    victim_stop(&victim);
}

/* ---- what has no end ---- */

/* Sends frames until it is closed or `total` bytes are out. */
static void pour(struct zmtp_client *client, unsigned flags, size_t bytes, size_t total) {
    uint8_t *data = calloc(1, bytes);
    assert_non_null(data);
    data[0] = 1; /* to a publisher: a subscription … */
    for (size_t sent = 0, i = 0; sent < total; sent += bytes, i++) {
        memcpy(data + 1, &i, sizeof i < bytes - 1 ? sizeof i : bytes - 1); /* … that is like no other */
        if (!zmtp_client_send(client, flags, data, bytes))
            break;
        if (i % 16 == 0)
            victim_rest(1); /* the network's share: some 100 MB/s */
    }
    free(data);
}

static void parts_without_end(unsigned port_offset, size_t bytes, size_t total, size_t allowed_mb) {
    struct victim victim;
    struct zmtp_client client;
    struct ob_identity member;
    start(&victim);
    victim_member(&victim, port_offset, &member, &client);
    assert_true(zmtp_client_join(&client, "DEALER", 0));
    size_t before = resident();
    pour(&client, ZMTP_MORE, bytes, total);
    must_not_have_grown(before, allowed_mb);
    assert_true(is_closed(&client));
    zmtp_client_close(&client);
    victim_must_serve(&victim);
    victim_stop(&victim);
}

static void a_member_s_parts(void) {
    parts_without_end(0, FRAME, 200 * MB, ALLOWED_MB);
}

static void a_stranger_s_parts(void) {
    parts_without_end(2, 900, 100 * MB, ALLOWED_MB);
}

static void subscriber_sends(uint8_t first, size_t bytes) {
    struct victim victim;
    struct zmtp_client client;
    struct ob_identity member;
    start(&victim);
    victim_member(&victim, 1, &member, &client);
    assert_true(zmtp_client_join(&client, "SUB", 0));
    size_t before = resident();
    uint8_t *data = calloc(1, bytes);
    assert_non_null(data);
    for (uint32_t i = 0; i < 60000; i++) {
        data[0] = first;
        for (size_t k = 1; k < bytes; k++)
            data[k] = (uint8_t)(i * 2654435761u >> (k % 4 * 8)) ^ (uint8_t)k;
        if (!zmtp_client_send(&client, 0, data, bytes))
            break;
        if (i % 16 == 0) {
            victim_hold(&victim); /* ZeroMQ takes subscriptions in when something is published */
            ob_transport_publish(victim.machine.transport, "x", 1);
            victim_release(&victim);
        }
    }
    free(data);
    must_not_have_grown(before, ALLOWED_MB);
    assert_true(is_closed(&client));
    zmtp_client_close(&client);
    victim_must_serve(&victim);
    victim_stop(&victim);
}

static void subscriptions(void) {
    subscriber_sends(1, 400);
}

static void other_messages(void) {
    subscriber_sends(7, 400);
}

static void who_does_not_read_answers_is_closed_and_costs_little(void **state) {
    (void)state;
    victim_scenario(answers_unread);
}

static void who_reads_a_byte_now_and_then_is_closed(void **state) {
    (void)state;
    victim_scenario(answers_read_slowly);
}

static void a_subscriber_that_does_not_read_is_closed_and_costs_little(void **state) {
    (void)state;
    victim_scenario(publications_unread);
}

static void a_subscriber_that_reads_a_byte_now_and_then_is_closed_and_costs_little(void **state) {
    (void)state;
    victim_scenario(publications_read_slowly);
}

static void a_member_s_message_of_many_parts_costs_little(void **state) {
    (void)state;
    victim_scenario(a_member_s_parts);
}

static void a_stranger_s_message_of_many_parts_costs_little(void **state) {
    (void)state;
    victim_scenario(a_stranger_s_parts);
}

static void many_subscriptions_cost_little(void **state) {
    (void)state;
    victim_scenario(subscriptions);
}

static void what_a_subscriber_sends_costs_little(void **state) {
    (void)state;
    victim_scenario(other_messages);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_does_not_read_answers_is_closed_and_costs_little),
        cmocka_unit_test(who_reads_a_byte_now_and_then_is_closed),
        cmocka_unit_test(a_subscriber_that_does_not_read_is_closed_and_costs_little),
        cmocka_unit_test(a_subscriber_that_reads_a_byte_now_and_then_is_closed_and_costs_little),
        cmocka_unit_test(a_member_s_message_of_many_parts_costs_little),
        cmocka_unit_test(a_stranger_s_message_of_many_parts_costs_little),
        cmocka_unit_test(many_subscriptions_cost_little),
        cmocka_unit_test(what_a_subscriber_sends_costs_little),
    };
    return cmocka_run_group_tests(tests, fixture_setup, NULL);
}
