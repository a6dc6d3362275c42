/* snapshot_serve - our snapshots for newcomers, no faster than [swarm] snapshot_upload_kib a second.
 *
 * Questions for pieces wait in a queue of fixed size, at most OB_SNAPSHOT_ASKS_A_PEER of one machine, and are
 * answered as the rate allows; what does not fit is dropped and asked again. Only for members; the answers
 * come from the files as they are, their hashes protect who asked.
 *
 * Owns:    its queue.
 * Threads: the network thread. */
#ifndef OB_SNAPSHOT_SERVE_H
#define OB_SNAPSHOT_SERVE_H

#include "snapshot/folder.h"
#include "snapshot/message.h"
#include "transport/transport.h"

#define OB_SNAPSHOT_ASKS        128
#define OB_SNAPSHOT_ASKS_A_PEER 48

struct ob_snapshot_server {
    struct {
        struct ob_machine_id machine;
        struct ob_hash name;
        uint64_t offset;
        uint32_t bytes;
    } asks[OB_SNAPSHOT_ASKS]; /* oldest first */
    size_t count;
    double budget; /* bytes that may be sent now */
    uint64_t last_ns, sent_bytes, dropped;
};

/* A question of an admitted machine. kib: the rate; 0: we serve none. */
void ob_snapshot_serve(struct ob_snapshot_server *server, const struct ob_snapshots *snapshots,
                       struct ob_transport *transport, const struct ob_machine_id *from,
                       const struct ob_snapshot_message *ask, int64_t kib);
void ob_snapshot_serve_tend(struct ob_snapshot_server *server, const struct ob_snapshots *snapshots,
                            struct ob_transport *transport, int64_t kib, uint64_t now_ns);

#endif
