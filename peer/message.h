/* message - what peers say to each other: the first byte is the kind, the second the protocol version.
 * Nothing is longer than OB_MESSAGE_MAX. docs/wire.md has every layout to the byte.
 *
 * Kinds 1 to 31 are the peer's; 32 to 63 are the daemon's own direct transfers. */
#ifndef OB_PEER_MESSAGE_H
#define OB_PEER_MESSAGE_H

#include <stddef.h>

#include "base/cursor.h"
#include "base/err.h"
#include "base/ids.h"
#include "record/record.h"

#define OB_PROTOCOL_VERSION     2
#define OB_MESSAGE_HEADER_BYTES 2

enum ob_message_kind {
    OB_MESSAGE_RECORD = 1,   /* published: a record as it was taken or made */
    OB_MESSAGE_HEARTBEAT,    /* published, sent: signed; what a machine says of itself every second */
    OB_MESSAGE_FRONTIER_ASK, /* sent: a page of the frontier is wanted */
    OB_MESSAGE_FRONTIER,     /* sent: that page */
    OB_MESSAGE_RECORDS_ASK,  /* sent: records of one chain are wanted */
    OB_MESSAGE_RECORDS,      /* sent: these */
    OB_MESSAGE_CONTROL_ASK,  /* sent: the asker's hashes of its control table */
    OB_MESSAGE_CONTROL,      /* published, sent: control entries */
    OB_MESSAGE_HOLDS_ASK,    /* sent: how far do you hold this chain? */
    OB_MESSAGE_HOLDS,        /* sent: so far */
    OB_MESSAGE_HELD_ASK,     /* handed on from peer to peer: does this machine hold the asker's chain? */
    OB_MESSAGE_HELD,         /* handed on: its signed answer */
    OB_MESSAGE_KINDS = OB_MESSAGE_HELD
};

/* The beginning that all have: kind, version, run. */
struct ob_writer ob_message_start(enum ob_message_kind kind, const struct ob_run_id *run, void *buffer,
                                  size_t capacity);
/* Nothing failed and nothing is left over. */
bool ob_message_read(const struct ob_reader *reader);

/* count × (length, item): le32 lengths in RECORDS, le16 in CONTROL. Decoding walks over all of them: the
 * items fill the message exactly, and taking the next one cannot fail. */
struct ob_list {
    struct ob_reader items;
    uint32_t count;
    bool short_lengths;
};
bool ob_list_decode(struct ob_reader reader, bool short_lengths, struct ob_run_id *ret_run,
                    struct ob_list *ret_list);
const uint8_t *ob_list_next(struct ob_list *list, size_t *ret_bytes); /* NULL: that was the last one */

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
