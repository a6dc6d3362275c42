/* records - the messages that carry records, and the question for them. */
#ifndef OB_PEER_RECORDS_H
#define OB_PEER_RECORDS_H

#include "base/cursor.h"

struct ob_peer;
struct machine;

void ob_receive_record(struct ob_peer *peer, struct machine *sender, struct ob_reader body);
void ob_receive_records(struct ob_peer *peer, struct machine *sender, struct ob_reader body);
void ob_receive_records_ask(struct ob_peer *peer, struct machine *sender, struct ob_reader body);

#endif
