/* spoken - which protocol version goes to whom, by what machines said of themselves (versions.h) or by what they speak.
 *
 * This peer speaks the versions options.protocol_lowest … protocol_highest. To a machine goes the highest that both speak; to
 * one that has not said what it speaks, the version of its last message, or our lowest. What is published goes to all that are
 * linked: once in the lowest of these versions (to nobody, in our lowest), and once more for those that do not speak that one.
 *
 * The layouts of all versions from OB_PROTOCOL_LOWEST on are the same so far, so that the version is written where a message
 * leaves (effects.h). An encoder whose layout differs asks here. */
#ifndef OB_PEER_SPOKEN_H
#define OB_PEER_SPOKEN_H

#include <stdbool.h>
#include <stdint.h>

struct ob_peer;
struct machine;

/* 0: none in common. One of both has to be upgraded. */
uint8_t ob_spoken_common(const struct ob_peer *peer, const struct machine *machine);
/* The same; without a common one, ours that is nearest to theirs, so that its refusal there says the right thing. */
uint8_t ob_spoken_to(const struct ob_peer *peer, const struct machine *machine);
/* The lowest version for the linked machines that do not speak `above` or a lower one; 0: there is none. */
uint8_t ob_spoken_published(const struct ob_peer *peer, uint8_t above);
/* May a message of this version be read? */
bool ob_spoken_here(const struct ob_peer *peer, uint8_t version);

#endif
