/* message - what peers say to each other: the first byte is the kind, the second the protocol version (1).
 * All little-endian. Layouts are stated in docs/wire.md and at the head of message.c.
 *
 *   kind              direction        body after the two bytes
 *   1 RECORD          published        one record (record/record.h)
 *   2 HEARTBEAT       published, sent  signed: run_id, machine, instance, sequence, own next, own round, log
 * digest, control digest, weights digest and the log digest it belongs to, signature 3 FRONTIER_ASK    sent
 * run_id, index of the first machine wanted (paged) 4 FRONTIER        sent             run_id, page: total
 * machines, first index, count, count × (machine, next, head round, head hash) 5 RECORDS_ASK     sent run_id,
 * machine, first sample wanted 6 RECORDS         sent             run_id, count, count × (le32 length,
 * record) 7 CONTROL_ASK     sent             run_id, control digest of the asker 8 CONTROL         published,
 * sent  run_id, count, count × (le16 length, control entry) Nothing is longer than OB_MESSAGE_MAX. */
#ifndef OB_PEER_MESSAGE_H
#define OB_PEER_MESSAGE_H

#include <stddef.h>

#include "base/cursor.h"
#include "base/err.h"
#include "base/ids.h"
#include "record/record.h"

#define OB_PROTOCOL_VERSION 1

enum ob_message_kind {
    OB_MESSAGE_RECORD = 1,
    OB_MESSAGE_HEARTBEAT,
    OB_MESSAGE_FRONTIER_ASK,
    OB_MESSAGE_FRONTIER,
    OB_MESSAGE_RECORDS_ASK,
    OB_MESSAGE_RECORDS,
    OB_MESSAGE_CONTROL_ASK,
    OB_MESSAGE_CONTROL
};

/* Building an OB_MESSAGE_RECORDS in caller's storage, for OB_EFFECT_SERVE: start, add encoded records until
 * it returns false (full), end gives the length. */
struct ob_message_records {
    struct ob_writer writer;
    uint32_t count;
};
void ob_message_records_start(struct ob_message_records *message, const struct ob_run_id *run, void *buffer,
                              size_t capacity);
bool ob_message_records_add(struct ob_message_records *message, const void *record, size_t bytes);
size_t ob_message_records_end(struct ob_message_records *message);

#endif
