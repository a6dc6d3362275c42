/* machines - the identities of a run: keys, and signatures that are real or cheap.
 *
 * A cheap signature is a keyed hash of the message that every verifier can compute: it finds mix-ups and
 * broken bytes and costs next to nothing. Ed25519 is the daemon's own. Nobody in a simulation signs with
 * another's key but where the plan says so. */
#ifndef OB_SIM_MACHINES_H
#define OB_SIM_MACHINES_H

#include "peer/peer.h"
#include "tests/support/random.h"

struct sim_machine {
    struct ob_machine_id id;
    uint8_t secret_key[64];
    bool ed25519;
    bool honest;   /* its key signs on one host only, and that host never forgot what it had signed */
    bool attacked; /* an attacker had its key */
    bool
        limited; /* a certificate allowed fewer rounds than it had trained, or its invitation may admit others in
                      its place: it may halt */
    bool revoked;
    uint64_t keep_below; /* then: samples that still count */
    uint64_t forked_at;  /* the lowest cut of all evidence that anybody stored; UINT64_MAX: none */
};

void sim_machine_init(struct sim_machine *machine, struct test_random *random, bool ed25519);
/* `machine` signs; it must outlive the use. */
struct ob_peer_crypto sim_machine_crypto(struct sim_machine *machine);
void sim_machine_sign(struct sim_machine *machine, const void *message, size_t bytes,
                      uint8_t ret_signature[64]);

#endif
