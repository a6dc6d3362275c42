#include "snapshot/serve.h"

#include <string.h>

#define BURST_S 0.1 /* what was not used is kept for so long */

static const struct ob_snapshot_file *find(const struct ob_snapshots *snapshots, const struct ob_hash *name) {
    for (size_t i = 0; i < snapshots->count; i++)
        if (ob_hash_equal(&snapshots->files[i]->table->name, name))
            return snapshots->files[i];
    return NULL;
}

static void offer(const struct ob_snapshots *snapshots, struct ob_transport *transport,
                  const struct ob_machine_id *to, bool any) {
    uint8_t data[OB_SNAPSHOT_MESSAGE_MAX], header[OB_SNAPSHOT_HEADER_BYTES];
    struct ob_snapshot_message answer = {.kind = OB_MESSAGE_OFFER, .run = snapshots->manifest->run};
    if (any && snapshots->count > 0 &&
        ob_snapshot_pread(snapshots->files[0]->descriptor, header, sizeof header, 0) == 0) {
        answer.name = snapshots->files[0]->table->name;
        answer.header = header;
    }
    (void)ob_transport_send(transport, to, data, ob_snapshot_message_encode(&answer, data));
}

static void queue(struct ob_snapshot_server *server, const struct ob_machine_id *from,
                  const struct ob_snapshot_message *ask) {
    size_t of_it = 0;
    for (size_t i = 0; i < server->count; i++) {
        if (!ob_machine_equal(&server->asks[i].machine, from))
            continue;
        of_it++;
        if (server->asks[i].offset == ask->offset && ob_hash_equal(&server->asks[i].name, &ask->name))
            return; /* asked again while it waits */
    }
    if (server->count == OB_SNAPSHOT_ASKS || of_it == OB_SNAPSHOT_ASKS_A_PEER) {
        server->dropped++;
        return;
    }
    size_t at = server->count++;
    server->asks[at].machine = *from;
    server->asks[at].name = ask->name;
    server->asks[at].offset = ask->offset;
    server->asks[at].bytes = (uint32_t)ask->bytes;
}

void ob_snapshot_serve(struct ob_snapshot_server *server, const struct ob_snapshots *snapshots,
                       struct ob_transport *transport, const struct ob_machine_id *from,
                       const struct ob_snapshot_message *ask, int64_t kib) {
    if (ask->kind == OB_MESSAGE_OFFER_ASK)
        offer(snapshots, transport, from, kib > 0);
    else if (ask->kind == OB_MESSAGE_PIECE_ASK && kib > 0)
        queue(server, from, ask);
}

static void send_piece(struct ob_snapshot_server *server, const struct ob_snapshots *snapshots,
                       struct ob_transport *transport, size_t at) {
    uint8_t bytes[OB_SNAPSHOT_PIECE], data[OB_SNAPSHOT_MESSAGE_MAX];
    const struct ob_snapshot_file *file = find(snapshots, &server->asks[at].name);
    uint64_t offset = server->asks[at].offset;
    size_t count = server->asks[at].bytes;
    if (!file || offset > file->table->file_bytes || count > file->table->file_bytes - offset ||
        ob_snapshot_pread(file->descriptor, bytes, count, offset) != 0)
        return; /* it is gone, or there never was such a piece: who asks notices */
    struct ob_snapshot_message piece = {.kind = OB_MESSAGE_PIECE,
                                        .run = snapshots->manifest->run,
                                        .name = file->table->name,
                                        .offset = offset,
                                        .bytes = count,
                                        .data = bytes};
    size_t length = ob_snapshot_message_encode(&piece, data);
    server->budget -= (double)length;
    server->sent_bytes += length;
    (void)ob_transport_send(transport, &server->asks[at].machine, data, length);
}

void ob_snapshot_serve_tend(struct ob_snapshot_server *server, const struct ob_snapshots *snapshots,
                            struct ob_transport *transport, int64_t kib, uint64_t now_ns) {
    double rate = 1024.0 * (double)kib, most = rate * BURST_S;
    if (server->last_ns > 0)
        server->budget += rate * 1e-9 * (double)(now_ns - server->last_ns);
    server->last_ns = now_ns;
    if (server->budget > most)
        server->budget = most;
    size_t done = 0;
    while (done < server->count && server->budget > 0)
        send_piece(server, snapshots, transport, done++);
    server->count -= done;
    memmove(server->asks, server->asks + done, server->count * sizeof *server->asks);
}
