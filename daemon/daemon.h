/* daemon - one peer at work: the place where the layers meet.
 *
 * The network thread (the caller of ob_daemon_run) turns what the transport, the compute thread and the clock
 * say into events of the peer's state machine, and carries out its effects in order. Nothing acts inside a
 * callback. */
#ifndef OB_DAEMON_DAEMON_H
#define OB_DAEMON_DAEMON_H

#include <stdatomic.h>

#include "daemon/catch_up.h"
#include "daemon/compute.h"
#include "daemon/config.h"
#include "daemon/logger.h"
#include "daemon/membership.h"
#include "peer/peer.h"
#include "record/record_sign.h"
#include "run/replica.h"
#include "snapshot/folder.h"
#include "snapshot/join.h"
#include "snapshot/serve.h"
#include "snapshot/writer.h"
#include "store/store.h"
#include "transport/identity.h"
#include "transport/transport.h"

struct ob_daemon {
    struct ob_config *config;
    struct ob_log log;
    struct ob_manifest *manifest;
    struct ob_identity identity;
    struct ob_store *store;
    struct ob_replica *replica;
    struct ob_snapshots snapshots;
    struct ob_snapshot_writer writer;
    struct ob_snapshot_server server;
    struct ob_snapshot_join join;
    bool digest_waits; /* an OB_EFFECT_DIGEST of the peer, until the weights have what was put off */
    struct ob_hash digest_wait_log;
    struct ob_round digest_wait_round;
    bool join_waits; /* the weights are the base: the log is replayed when the join is over */
    uint64_t snapshot_malformed;
    struct ob_tokenizer *tokenizer;
    struct ob_corpus *corpus;
    struct ob_compute *compute;
    struct ob_peer *peer;
    struct ob_transport *transport;
    struct ob_contacts *contacts;
    struct ob_certificate_file certificate; /* ours, when has_certificate */
    bool has_certificate;
    uint64_t tended_s;

    struct ob_catch_up catch_up;
    atomic_bool leave_wanted; /* set by the signal thread */
    bool leaving, left, halted, failed, disk_full, links_stale;
    bool paused; /* by the operator */
    uint64_t started_ns, last_tick_ns, last_flush_ns;
    uint64_t own_rounds, own_samples;
    double loss;     /* of the last own round */
    bool has_digest; /* of a whole log: */
    struct ob_hash digest_log, weights_digest;
    int64_t overrange;
    uint8_t event_data[OB_MESSAGE_MAX]; /* of the event that is being carried out */
};

/* Everything up to the first event; what is wrong with a file or an address is found here. */
OB_MUST_USE enum ob_err ob_daemon_open(struct ob_config *config, struct ob_daemon **ret_daemon,
                                       struct ob_error *error);
void ob_daemon_close(struct ob_daemon *daemon);
/* Until it has left or cannot go on. */
OB_MUST_USE enum ob_err ob_daemon_run(struct ob_daemon *daemon, struct ob_error *error);

/* daemon/perform.c: one event through the peer, and its effects. */
OB_MUST_USE enum ob_err ob_daemon_step(struct ob_daemon *daemon, struct ob_event *event,
                                       struct ob_error *error);
/* Carries out a digest that waited, when it can be had now; between two steps. */
OB_MUST_USE enum ob_err ob_daemon_digest_waiting(struct ob_daemon *daemon, struct ob_error *error);
/* daemon/disk_full.c: after OB_EFULL, a second in which only the status socket is answered; then try again. */
OB_MUST_USE enum ob_err ob_daemon_wait_for_room(struct ob_daemon *daemon, struct ob_error *error);
void ob_daemon_has_room(struct ob_daemon *daemon); /* it worked: says so when it had not before */
/* Links that came and went while the daemon stood still become events. */
OB_MUST_USE enum ob_err ob_daemon_settle_links(struct ob_daemon *daemon, struct ob_error *error);
OB_MUST_USE enum ob_err ob_daemon_flush(struct ob_daemon *daemon, struct ob_error *error);
OB_MUST_USE enum ob_err ob_daemon_on_status(struct ob_daemon *daemon, const struct ob_transport_event *event,
                                            struct ob_error *error);
/* daemon/status.c: answers one request of the status socket. ret_answer is malloc'ed JSON. */
enum ob_err ob_daemon_answer(struct ob_daemon *daemon, const uint8_t *request, size_t bytes,
                             char **ret_answer, struct ob_error *error);
/* What the peer knows of a machine; false: nothing. */
bool ob_daemon_find_machine(const struct ob_daemon *daemon, const struct ob_machine_id *machine,
                            struct ob_peer_machine *ret_machine);
/* The configured name of a machine, its certificate's, or the first digits of its key. Returns `buffer`. */
const char *ob_daemon_name_of(const struct ob_daemon *daemon, const struct ob_machine_id *machine,
                              char buffer[64]);

#endif
