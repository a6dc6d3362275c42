/* fixture - one peer, and others that exist only as keys: what they would say is made here, byte by byte. */
#ifndef OB_TESTS_PEER_FIXTURE_H
#define OB_TESTS_PEER_FIXTURE_H

#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "peer/control_exchange.h"
#include "peer/control_put.h"
#include "peer/fetch.h"
#include "peer/frontier.h"
#include "peer/heartbeat.h"
#include "peer/holds.h"
#include "peer/peer.h"

#define FIXTURE_MACHINES 8 /* number 0 is the peer under test */
#define MILLISECOND      1000000ull
#define SECOND           (1000 * MILLISECOND)
#define FIXTURE_SAMPLES  4

struct fixture_machine {
    struct ob_machine_id id;
    uint8_t secret_key[64];
    uint64_t next, heartbeats; /* its chain, as made so far */
    uint32_t head_round;
    struct ob_hash head;
};

struct fixture_stored {
    bool there;
    size_t bytes;
    uint8_t data[OB_RECORD_OVERHEAD_BYTES + FIXTURE_SAMPLES];
};

struct fixture {
    struct fixture_stored store[4096]; /* what the effects put there */
    size_t stored;
    struct ob_machine_id authority;
    uint8_t authority_key[64];
    uint64_t wall_s;
    struct ob_peer *peer;
    struct ob_peer_options options;
    bool certify; /* every machine has a certificate before the start */
    struct fixture_machine machines[FIXTURE_MACHINES];
    uint64_t now_ns;
    struct ob_effects effects; /* of the last step */
};

/* options are filled; change them before fixture_start. */
struct fixture *fixture_new(void);
void fixture_free(struct fixture *f);
void fixture_make_peer(struct fixture *f);
/* Makes the peer and starts it alone: it is through with reconciling. */
void fixture_start(struct fixture *f);

void step_event(struct fixture *f, struct ob_event event); /* its time is filled in */
void step(struct fixture *f, enum ob_event_kind kind);
void step_machine(struct fixture *f, enum ob_event_kind kind, size_t machine); /* EXPECT, LINK_… */
void step_message(struct fixture *f, size_t sender, const void *data, size_t bytes);
void step_round_done(struct fixture *f, size_t samples);
/* So many rounds of 100 ms, in which we end ours when we train. */
void train_rounds(struct fixture *f, unsigned rounds);
/* Ticks of 100 ms. */
void pass(struct fixture *f, uint64_t ns);
/* The same until an effect of this kind comes, which is returned; NULL after `ns`. */
const struct ob_effect *pass_until(struct fixture *f, uint64_t ns, enum ob_effect_kind kind);

/* The next record of a machine's chain as a message; returns its length. */
size_t make_record(struct fixture *f, size_t machine, uint32_t round, uint8_t *ret_message);
/* The same of at most FIXTURE_SAMPLES samples. */
size_t make_record_of(struct fixture *f, size_t machine, uint32_t round, uint16_t n, uint8_t *ret_message);
/* Makes it and lets the peer have it, from its own machine. */
void receive_record(struct fixture *f, size_t machine, uint32_t round);
/* Heartbeat with our own log and control digests, unless `log` is given. */
size_t make_heartbeat(struct fixture *f, size_t machine, bool trains, const struct ob_hash *log,
                      uint8_t *ret_message);
void receive_heartbeat(struct fixture *f, size_t machine, bool trains);
size_t make_goodbye(struct fixture *f, size_t machine, uint64_t sequence, uint64_t next,
                    uint8_t *ret_message);
/* A frontier of one page with one entry for each of `count` machines, as they are in the fixture. */
size_t make_frontier(struct fixture *f, const size_t *machines, uint32_t count, uint8_t *ret_message);

size_t count_effects(const struct fixture *f, enum ob_effect_kind kind);
const struct ob_effect *find_effect(const struct fixture *f, enum ob_effect_kind kind); /* first, or NULL */
const struct ob_effect *find_notice(const struct fixture *f, enum ob_notice notice);
/* The first SEND whose message is of this kind, or NULL. */
const struct ob_effect *find_sent(const struct fixture *f, enum ob_message_kind kind);
/* Of the fixture's authority: a control entry for a machine. Returns its length. */
size_t make_certificate(struct fixture *f, size_t machine, uint64_t sequence, uint64_t expiry_s,
                        uint32_t last_round, uint8_t *ret_entry);
size_t make_revocation(struct fixture *f, size_t machine, uint64_t sequence, uint64_t keep_below,
                       uint8_t *ret_entry);
/* Entries as one message of control entries from `sender`. */
void receive_control(struct fixture *f, size_t sender, const uint8_t *entry, size_t bytes);
/* Certificates without limits for all machines, from our operator. */
void certify_all(struct fixture *f);
struct ob_peer_machine look(const struct fixture *f, size_t machine);

#endif
