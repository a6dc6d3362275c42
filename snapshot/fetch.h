/* snapshot_fetch - one snapshot on its way here, from every peer that offers the same one.
 *
 * First its table, then leaf after leaf, several at a time, each from one peer and checked as soon as it is
 * whole: who sends a leaf that does not have its hash is named and asked no more. What was checked is written
 * to SNAPSHOTS/incoming at once; a fetch of the same snapshot that was broken off goes on there.
 *
 * Errors:  OB_EREFUSED: nobody is left who could deliver; OB_EFULL, OB_EIO, OB_ENOMEM. Bounded: eight
 *          leaves (2 MiB) and the table in memory.
 * Owns:    its buffers and the file.
 * Threads: the network thread. */
#ifndef OB_SNAPSHOT_FETCH_H
#define OB_SNAPSHOT_FETCH_H

#include "snapshot/folder.h"
#include "snapshot/message.h"
#include "transport/transport.h"

#define OB_SNAPSHOT_SOURCES 16
#define OB_SNAPSHOT_SLOTS   8

struct ob_snapshot_source {
    struct ob_machine_id machine;
    bool lied;
    uint64_t heard_ns; /* when it last delivered, or was last asked after a silence */
    unsigned silences; /* in a row */
};

/* A leaf on its way. */
struct ob_snapshot_slot {
    bool used;
    size_t leaf, bytes, source;
    uint64_t offset;
    uint8_t have; /* bit i: piece i is here */
    uint8_t *data;
};

struct ob_snapshot_fetch {
    struct ob_snapshots *snapshots; /* borrowed, as is the transport */
    struct ob_transport *transport;
    struct ob_hash name;
    struct ob_snapshot *table; /* NULL until it is here */
    uint8_t *table_data;
    size_t table_bytes, table_have;
    size_t table_source;
    struct ob_snapshot_source sources[OB_SNAPSHOT_SOURCES];
    size_t source_count;
    struct ob_snapshot_slot slots[OB_SNAPSHOT_SLOTS];
    bool *done; /* of each leaf */
    size_t done_count, next_leaf;
    int descriptor;
    char path[OB_PATH_MAX];
    uint64_t now_ns, bytes_have, bytes_here; /* here: fetched in this go */
    enum ob_err failed;                      /* writing went wrong */
    struct ob_error error;
};

/* header: of an offer, ob_snapshot_table_bytes of it is not 0. */
OB_MUST_USE enum ob_err ob_snapshot_fetch_start(struct ob_snapshot_fetch *fetch,
                                                struct ob_snapshots *snapshots,
                                                struct ob_transport *transport, const struct ob_hash *name,
                                                const uint8_t header[static OB_SNAPSHOT_HEADER_BYTES],
                                                struct ob_error *error);
void ob_snapshot_fetch_done(struct ob_snapshot_fetch *fetch); /* frees; the file stays */
/* Another machine that offers it. */
void ob_snapshot_fetch_from(struct ob_snapshot_fetch *fetch, const struct ob_machine_id *machine);
void ob_snapshot_fetch_take(struct ob_snapshot_fetch *fetch, const struct ob_machine_id *from,
                            const struct ob_snapshot_message *piece, uint64_t now_ns);
/* Asks for what is wanted next. *ret_whole: all leaves are here. */
OB_MUST_USE enum ob_err ob_snapshot_fetch_tend(struct ob_snapshot_fetch *fetch, uint64_t now_ns,
                                               bool *ret_whole, struct ob_error *error);
uint64_t ob_snapshot_fetch_total(const struct ob_snapshot_fetch *fetch); /* 0: not known yet */

#endif
