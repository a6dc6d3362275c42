/* twin - one key, two daemons: whoever hears both brings each of them the other's signed heartbeat, so that both stop.
 *
 * Instances rise from one start of a daemon to the next. Of a machine's instances the newest is remembered with its last
 * heartbeat. Who is older and alive gets that one, and stops; what it says then names the newest, which gets it, and stops as
 * well. What has not been brought yet goes at once, what has every two seconds. Both are published: two hosts of one key
 * share one address, and whichever way leads to it may end at the wrong one.
 *
 * Nothing but a machine's own signed heartbeats is handed on, and the newest one only while it is heard: nobody keeps a
 * machine from starting by what it said in an earlier life. For each machine at most BURST messages of each of the two kinds
 * at once, then one a second: what it costs others when a member makes up instances. */
#ifndef OB_PEER_TWIN_H
#define OB_PEER_TWIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ob_peer;
struct machine;

/* A heartbeat whose signature is right. */
struct ob_twin_said {
    uint64_t instance, sequence;
    uint64_t twin;       /* another instance of its key that it has heard; 0: none */
    const uint8_t *data; /* the message, at most TWIN_MESSAGE_BYTES (state.h) … */
    size_t bytes;        /* … of so many bytes */
};

/* Another machine's: publishes what one of its daemons has to hear, and tells when two use its key. */
void ob_twin_heard(struct ob_peer *peer, struct machine *machine, const struct ob_twin_said *said);
/* With our own key. True: another daemon has it, and we have stopped; our heartbeat, which names it, is to be published. */
bool ob_twin_hear_own(struct ob_peer *peer, const struct ob_twin_said *said);

#endif
