/* wire - every kind of message that travels between machines: the one place where numbers are given out. Its
 * layout stands in docs/wire.md and at the head of the file that reads it.
 *
 * Each message begins with its kind and its version, one byte each, and the run's 32 bytes (but for RECORD).
 * A number is never used again for something else; docs/contributing.md says what a new one needs. */
#ifndef OB_RECORD_WIRE_H
#define OB_RECORD_WIRE_H

#define OB_MESSAGE_HEADER_BYTES 2

/* ROW(number, KIND, receiver): peer/peer.c calls ob_receive_RECEIVER. 1 to 31. */
#ifndef OB_PROTOCOL_VERSION   /* tests build a program of another one */
#define OB_PROTOCOL_VERSION 2 /* the highest that this program speaks … */
#define OB_PROTOCOL_LOWEST  2 /* … and the lowest: it should be one less once there are two */
#endif
#define OB_PEER_MESSAGES(ROW)                                                                                \
    ROW(1, RECORD, record)             /* published: a record as it was taken or made */                     \
    ROW(2, HEARTBEAT, heartbeat)       /* published, sent: signed; what a machine says of itself */          \
    ROW(3, FRONTIER_ASK, frontier_ask) /* sent: a page of the frontier is wanted */                          \
    ROW(4, FRONTIER, frontier)         /* sent: that page */                                                 \
    ROW(5, RECORDS_ASK, records_ask)   /* sent: records of one chain are wanted */                           \
    ROW(6, RECORDS, records)           /* sent: these */                                                     \
    ROW(7, CONTROL_ASK, control_ask)   /* sent: the asker's hashes of its control table */                   \
    ROW(8, CONTROL, control)           /* published, sent: control entries */                                \
    ROW(9, HOLDS_ASK, holds_ask)       /* sent: how far do you hold this chain? */                           \
    ROW(10, HOLDS, holds)              /* sent: so far */                                                    \
    ROW(11, HELD_ASK, held_ask)        /* handed on from peer to peer: do you hold the asker's chain? */     \
    ROW(12, HELD, held)                /* handed on: its signed answer */                                    \
    ROW(13, REPORT, report)            /* published, handed on: signed; aggregates for people */             \
    ROW(14, EVALUATION, evaluation)    /* published, handed on: signed; held-out sums at a frontier */       \
    ROW(15, VERSIONS, versions)        /* sent: the protocol versions that a machine speaks */

#define OB_TRANSFER_VERSION 1

enum ob_message_kind {
#define OB_ROW(number, kind, receiver) OB_MESSAGE_##kind = (number),
    OB_PEER_MESSAGES(OB_ROW)
#undef OB_ROW

    /* Transfers of bulk, of version OB_TRANSFER_VERSION, which the daemon takes before the peer: 32 to 63. */
    OB_MESSAGE_OFFER_ASK = 32,    /* snapshot/message.h: which snapshot have you got? */
    OB_MESSAGE_OFFER,             /* this one, or none */
    OB_MESSAGE_PIECE_ASK,         /* a piece of a snapshot is wanted */
    OB_MESSAGE_PIECE,             /* that piece */
    OB_MESSAGE_FILE_ASK,          /* transfer/message.h: a block of a file with a known name is wanted */
    OB_MESSAGE_FILE_BLOCK,        /* that block, or that there is no such file here */
    OB_MESSAGE_MANIFEST_ASK = 60, /* daemon/manifest_frames.h: a piece of the manifest is wanted */
    OB_MESSAGE_MANIFEST           /* that piece */
};

#endif
