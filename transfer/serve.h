/* transfer_serve - our files for members, by their names, no faster than a rate.
 *
 * Questions wait in a queue of fixed size, at most OB_TRANSFER_ASKS_A_PEER of one machine, and are answered as
 * the rate allows; what does not fit is dropped and asked again. The hashes of a file protect who asked.
 *
 * Owns:    its queue.
 * Threads: one at a time. */
#ifndef OB_TRANSFER_SERVE_H
#define OB_TRANSFER_SERVE_H

#include "transfer/message.h"
#include "transfer/share.h"

#define OB_TRANSFER_ASKS        256
#define OB_TRANSFER_ASKS_A_PEER 48

/* Sends a message to one machine; false: not now (it is asked for again). As ob_transport_send. */
typedef bool (*ob_transfer_send_fn)(void *context, const struct ob_machine_id *to, const void *data,
                                    size_t bytes);

/* What is served, and over what. Borrowed. */
struct ob_transfer_source {
    struct ob_run_id run;
    const struct ob_share *shares;
    size_t count;
    ob_transfer_send_fn send;
    void *context;
};

struct ob_transfer_server {
    struct {
        struct ob_machine_id machine;
        struct ob_hash name;
        uint32_t block;
        uint8_t level;
    } asks[OB_TRANSFER_ASKS]; /* oldest first */
    size_t count;
    double budget; /* bytes that may be sent now */
    uint64_t last_ns, sent_bytes, dropped;
};

/* A question of an admitted machine. */
void ob_transfer_serve(struct ob_transfer_server *server, const struct ob_machine_id *from,
                       const struct ob_transfer_message *ask);
/* Answers what the rate, in KiB a second, allows. */
void ob_transfer_serve_tend(struct ob_transfer_server *server, const struct ob_transfer_source *source,
                            int64_t kib, uint64_t now_ns);

#endif
