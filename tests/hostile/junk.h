/* junk - what comes into an attacker's mind: handshakes that stop anywhere, frames and commands that make no sense, resets.
 * The same seed gives the same junk. */
#ifndef OB_TESTS_HOSTILE_JUNK_H
#define OB_TESTS_HOSTILE_JUNK_H

#include "tests/hostile/zmtp_client.h"

struct random {
    uint64_t state; /* not 0 */
};
uint32_t junk_draw(struct random *random, uint32_t below);
/* One connection: opened, taken through a handshake or not, used for junk, perhaps reset. */
void junk_attack(struct zmtp_client *client, struct random *random);
/* `count` frames, a PING after each, over a connection that has shaken hands, in one piece. False: it was closed. */
bool junk_pings(struct zmtp_client *client, size_t count);

#endif
