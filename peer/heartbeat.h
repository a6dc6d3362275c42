/* heartbeat - what a machine says of itself every second, and what follows from what others say. */
#ifndef OB_PEER_HEARTBEAT_H
#define OB_PEER_HEARTBEAT_H

#include "base/cursor.h"

struct ob_peer;
struct machine;

void ob_heartbeat_publish(struct ob_peer *peer);
void ob_heartbeat_send(struct ob_peer *peer, const struct machine *to);
void ob_receive_heartbeat(struct ob_peer *peer, struct machine *sender, struct ob_reader body);

#endif
