/* member - an admitted machine that says what it likes: the client of attacks that need a certificate.
 *
 * It opens a real transport with an identity that the run admits, connects to daemons on loopback, and holds the last
 * heartbeat of each, whose digests it can repeat. It signs records, in order and with whatever round and exponent, answers
 * questions for its own chain, and sends heartbeats with any digest. It follows no pacing, holds nobody else's records and
 * never verifies anything.
 *
 * Bounds:  MEMBER_PEERS_MAX daemons, MEMBER_RECORDS_MAX records of its own.
 * Errors:  the calls return false, or say so on standard error and end the process: it is a test's.
 * Threads: one. Time: monotonic. */
#ifndef OB_TESTS_HOSTILE_MEMBER_H
#define OB_TESTS_HOSTILE_MEMBER_H

#include <stdbool.h>

#include "peer/heartbeat.h"
#include "run/manifest.h"
#include "transport/identity.h"
#include "transport/transport.h"

#define MEMBER_PEERS_MAX   16
#define MEMBER_RECORDS_MAX 65536

/* A daemon that is connected to. */
struct member_peer {
    struct ob_machine_id machine;
    bool linked, heard;
    struct ob_heartbeat heartbeat; /* the last one; its signature is not kept */
};

struct member {
    struct ob_manifest *manifest;
    struct ob_identity identity;
    uint8_t hello[OB_HELLO_MAX];
    size_t hello_bytes;
    struct ob_transport *transport;
    struct member_peer peers[MEMBER_PEERS_MAX];
    size_t peer_count;
    uint64_t instance, sequence;
    struct member_record {
        uint64_t first;
        size_t bytes;
        uint8_t *data;
    } * records; /* its own chain */
    size_t record_count;
    uint64_t next;
    uint32_t round; /* after its head */
    struct ob_hash head;
    uint64_t answered; /* questions, so far */
    bool mute;         /* answers no questions */
};

/* `manifest` is a file, `state` a folder with `identity` and `certificate`. */
void member_open(struct member *member, const char *manifest, const char *state);
void member_close(struct member *member);
/* "KEY@tcp://host:port"; shows its certificate at the door there. */
void member_connect(struct member *member, const char *peer);
/* Takes what comes for so long; questions are answered. */
void member_poll(struct member *member, int ms);
/* Until every daemon is linked and has said something; false after `ms`. */
bool member_wait(struct member *member, int ms);

/* Signs the next record of its chain and publishes it. Rounds must rise for anybody to take it. */
void member_record(struct member *member, uint32_t round, uint16_t live, int8_t exponent,
                   const uint8_t *bytes, uint16_t n);
/* A heartbeat that repeats the digests of log and control that `as` has, with these of the weights. */
void member_beat(struct member *member, const struct member_peer *as, const struct ob_hash *weights,
                 const struct ob_hash *weights_log);
void member_send(struct member *member, const struct member_peer *to, const void *data, size_t bytes);

#endif
