#include "transfer/serve.h"

#include <string.h>

#define BURST_S 0.1 /* what was not used is kept for so long */

void ob_transfer_serve(struct ob_transfer_server *server, const struct ob_machine_id *from,
                       const struct ob_transfer_message *ask) {
    size_t of_it = 0;
    if (ask->kind != OB_MESSAGE_FILE_ASK)
        return;
    for (size_t i = 0; i < server->count; i++) {
        if (!ob_machine_equal(&server->asks[i].machine, from))
            continue;
        of_it++;
        if (server->asks[i].level == ask->level && server->asks[i].block == ask->block &&
            ob_hash_equal(&server->asks[i].name, &ask->name))
            return; /* asked again while it waits */
    }
    if (server->count == OB_TRANSFER_ASKS || of_it == OB_TRANSFER_ASKS_A_PEER) {
        server->dropped++;
        return;
    }
    size_t at = server->count++;
    server->asks[at].machine = *from;
    server->asks[at].name = ask->name;
    server->asks[at].level = ask->level;
    server->asks[at].block = ask->block;
}

static const struct ob_share *find(const struct ob_transfer_source *source, const struct ob_hash *name) {
    for (size_t i = 0; i < source->count; i++)
        if (ob_hash_equal(&source->shares[i].name, name))
            return &source->shares[i];
    return NULL;
}

static void answer(struct ob_transfer_server *server, const struct ob_transfer_source *source, size_t at) {
    uint8_t block[OB_FILE_BLOCK], data[OB_TRANSFER_MESSAGE_MAX];
    const struct ob_share *share = find(source, &server->asks[at].name);
    struct ob_transfer_message message = {
        .kind = OB_MESSAGE_FILE_BLOCK, .run = source->run, .name = server->asks[at].name};
    if (share) {
        bool last = server->asks[at].level == OB_TRANSFER_LAST;
        message.file_bytes = share->tree.bytes;
        message.level = last ? (uint8_t)(share->tree.levels - 1) : server->asks[at].level;
        message.block = server->asks[at].block;
        message.data = block;
        if (!ob_share_read(share, message.level, message.block, block, &message.bytes))
            return; /* there is no such block, or the file can no longer be read: who asks notices */
    }
    size_t length = ob_transfer_message_encode(&message, data);
    server->budget -= (double)length;
    server->sent_bytes += length;
    (void)source->send(source->context, &server->asks[at].machine, data, length);
}

void ob_transfer_serve_tend(struct ob_transfer_server *server, const struct ob_transfer_source *source,
                            int64_t kib, uint64_t now_ns) {
    double rate = 1024.0 * (double)kib, most = rate * BURST_S;
    if (server->last_ns > 0)
        server->budget += rate * 1e-9 * (double)(now_ns - server->last_ns);
    server->last_ns = now_ns;
    if (server->budget > most)
        server->budget = most;
    size_t done = 0;
    while (done < server->count && server->budget > 0)
        answer(server, source, done++);
    server->count -= done;
    memmove(server->asks, server->asks + done, server->count * sizeof *server->asks);
}
