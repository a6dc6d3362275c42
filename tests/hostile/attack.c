/* attack - what a certified member with bad intent does to daemons on loopback, one attack at a time, bounded in time.
 *
 *   attack NAME SECONDS MANIFEST STATE KEY@ADDRESS…
 *
 *   honest   a zero record for each round that the first daemon is in: what a slow but honest machine looks like
 *   jump     one record of the run's last round, and heartbeats
 *   drag     a record of one zero byte every 4.4 s, and heartbeats
 *   accuse   five times a second a heartbeat with a wrong weights digest, and at once one with the right one
 *   ask      the first bytes of the manifest and all records of each daemon, as fast as it can
 *   burst    19,819 records of the rounds to come, as fast as they are taken, each byte the smallest that moves
 *            the weights: one of zeros costs nothing to replay
 *   push     one record whose bytes all say the largest value, with the largest exponent
 *
 * Exit status 0: it was done, for so many seconds; 2: it could not be done. tests/hostile/members.sh says what must follow. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/manifest_frames.h"
#include "peer/fetch.h"
#include "tests/hostile/member.h"

#define WAIT_MS       60000
#define DRAG_NS       4400000000ull
#define ACCUSE_NS     200000000ull
#define HEARTBEATS    1000000000ull
#define BURST         19819
#define BURST_AT_ONCE 500

struct attack {
    struct member member;
    uint64_t for_ns, acted_ns, beat_ns;
    uint64_t acts;
};

static const struct ob_hash NONE;

static void beat(struct attack *attack) {
    const struct member_peer *as = &attack->member.peers[0];
    if (attack->beat_ns != 0 && ob_now_ns() - attack->beat_ns < HEARTBEATS)
        return;
    attack->beat_ns = ob_now_ns();
    member_beat(&attack->member, as, &NONE, &NONE);
}

static bool due(struct attack *attack, uint64_t every_ns) {
    if (attack->acted_ns != 0 && ob_now_ns() - attack->acted_ns < every_ns)
        return false;
    attack->acted_ns = ob_now_ns();
    attack->acts++;
    return true;
}

/* The round that the first daemon is in, or the next that our own chain allows. */
static uint32_t present_round(const struct member *member) {
    uint32_t theirs = member->peers[0].heartbeat.round.index, ours = member->round;
    return theirs > ours ? theirs : ours;
}

static void zero_record(struct member *member, uint32_t round) {
    if (round < member->manifest->bounds.max_rounds)
        member_record(member, round, 1, member->manifest->bounds.exponent_min, (const uint8_t[]){0}, 1);
}

static void honest(struct attack *attack) {
    struct member *member = &attack->member;
    beat(attack);
    if (member->peers[0].heartbeat.round.index >= member->round && due(attack, 50000000))
        zero_record(member, present_round(member));
}

static void jump(struct attack *attack) {
    if (attack->acts++ == 0)
        zero_record(&attack->member, attack->member.manifest->bounds.max_rounds - 1);
    beat(attack);
}

static void drag(struct attack *attack) {
    if (due(attack, DRAG_NS))
        zero_record(&attack->member, present_round(&attack->member));
    beat(attack);
}

static void accuse(struct attack *attack) {
    const struct member_peer *as = &attack->member.peers[attack->acts % attack->member.peer_count];
    struct ob_hash wrong = as->heartbeat.weights;
    if (memcmp(&wrong, &NONE, sizeof wrong) == 0 || !due(attack, ACCUSE_NS))
        return;
    wrong.bytes[0] ^= 1;
    member_beat(&attack->member, as, &wrong, &as->heartbeat.weights_log);
    member_beat(&attack->member, as, &as->heartbeat.weights, &as->heartbeat.weights_log);
}

static void ask(struct attack *attack) {
    struct member *member = &attack->member;
    uint8_t manifest[OB_MANIFEST_ASK_BYTES], records[128];
    beat(attack);
    for (size_t i = 0; i < member->peer_count; i++) {
        const struct member_peer *peer = &member->peers[i];
        struct ob_records_ask from = {.run = member->manifest->run, .machine = peer->machine};
        size_t bytes = ob_records_ask_encode(&from, records);
        (void)ob_manifest_ask_encode(&member->manifest->run, 0, manifest);
        for (int k = 0; k < 20; k++, attack->acts++) {
            member_send(member, peer, manifest, sizeof manifest);
            member_send(member, peer, records, bytes);
        }
    }
}

/* So many at a time that no queue on the way overflows: what is lost would be asked for, but later. */
static void burst(struct attack *attack) {
    uint8_t bytes[OB_SAMPLES_PER_ROUND_MAX];
    struct member *member = &attack->member;
    const struct ob_record_bounds *bounds = &member->manifest->bounds;
    memset(bytes, 1, sizeof bytes);
    for (int i = 0; i < BURST_AT_ONCE && attack->acts < BURST; i++, attack->acts++) {
        uint32_t round = attack->acts == 0 ? present_round(member) : member->round;
        if (round < bounds->max_rounds)
            member_record(member, round, 1, bounds->exponent_min, bytes, bounds->samples_per_round);
    }
    beat(attack);
}

static void push(struct attack *attack) {
    struct member *member = &attack->member;
    uint8_t bytes[OB_SAMPLES_PER_ROUND_MAX];
    const struct ob_record_bounds *bounds = &member->manifest->bounds;
    memset(bytes, member->manifest->rule.code.code_max, sizeof bytes);
    if (attack->acts++ == 0)
        member_record(member, present_round(member), 1, bounds->exponent_max, bytes,
                      bounds->samples_per_round);
    beat(attack);
}

static const struct {
    const char *name;
    void (*act)(struct attack *attack);
} ATTACKS[] = {{"honest", honest}, {"jump", jump},   {"drag", drag}, {"accuse", accuse},
               {"ask", ask},       {"burst", burst}, {"push", push}};

static void run(struct attack *attack, void (*act)(struct attack *attack)) {
    if (!member_wait(&attack->member, WAIT_MS)) {
        fprintf(stderr, "attack: no daemon to attack\n");
        exit(2);
    }
    uint64_t until_ns = ob_now_ns() + attack->for_ns;
    while (ob_now_ns() < until_ns) {
        act(attack);
        member_poll(&attack->member, 20);
    }
    printf("%llu acts, %zu records, %llu questions answered\n", (unsigned long long)attack->acts,
           attack->member.record_count, (unsigned long long)attack->member.answered);
}

int main(int argc, char **argv) {
    static struct attack attack;
    if (argc < 6 || sodium_init() < 0) {
        fprintf(stderr, "usage: attack NAME SECONDS MANIFEST STATE KEY@ADDRESS...\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof ATTACKS / sizeof ATTACKS[0]; i++) {
        if (strcmp(argv[1], ATTACKS[i].name) != 0)
            continue;
        member_open(&attack.member, argv[3], argv[4]);
        for (int peer = 5; peer < argc; peer++)
            member_connect(&attack.member, argv[peer]);
        attack.for_ns = strtoull(argv[2], NULL, 10) * OB_SECOND_NS;
        run(&attack, ATTACKS[i].act);
        member_close(&attack.member);
        return 0;
    }
    fprintf(stderr, "attack: no attack is called %s\n", argv[1]);
    return 2;
}
