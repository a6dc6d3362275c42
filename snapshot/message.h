/* snapshot_message - how a snapshot travels: questions and answers between two members, sent.
 *
 *   kind 32, offer ask   u8 32, u8 version 1, run 32
 *   kind 33, offer       u8 33, u8 version 1, run 32, then nothing (there is none), or name 32 and the first
 *                        OB_SNAPSHOT_HEADER_BYTES of the newest snapshot
 *   kind 34, piece ask   u8 34, u8 version 1, run 32, name 32, offset u64, bytes u32 (1 … OB_SNAPSHOT_PIECE)
 *   kind 35, piece       u8 35, u8 version 1, run 32, name 32, offset u64, the bytes
 *
 * Pure functions. Decoding: false for what does not follow that; ret_message points into the data. */
#ifndef OB_SNAPSHOT_MESSAGE_H
#define OB_SNAPSHOT_MESSAGE_H

#include "record/wire.h"
#include "snapshot/snapshot.h"

#define OB_SNAPSHOT_PIECE 53248 /* five for a leaf */

struct ob_snapshot_message {
    enum ob_message_kind kind;
    struct ob_run_id run;
    struct ob_hash name;   /* OFFER, PIECE_ASK, PIECE_DATA */
    const uint8_t *header; /* OFFER; NULL: there is none */
    uint64_t offset;       /* PIECE_ASK, PIECE_DATA */
    size_t bytes;
    const uint8_t *data; /* PIECE_DATA */
};

#define OB_SNAPSHOT_MESSAGE_MAX (2 + 2 * OB_HASH_BYTES + 8 + OB_SNAPSHOT_PIECE)

bool ob_snapshot_message_is(const uint8_t *data, size_t bytes); /* by its kind alone */
/* Returns the length. */
size_t ob_snapshot_message_encode(const struct ob_snapshot_message *message,
                                  uint8_t ret_data[static OB_SNAPSHOT_MESSAGE_MAX]);
bool ob_snapshot_message_decode(const uint8_t *data, size_t bytes, struct ob_snapshot_message *ret_message);

#endif
