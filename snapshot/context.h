/* snapshot_context - what the parts that write, serve and fetch snapshots work with. It is filled in once, when
 * everything is open, and stays as it is: nobody here can step the peer (it is looked at) or reach the daemon's loop.
 *
 * Owns:    nothing.
 * Threads: the network thread, but for the replica, which is the compute thread's. */
#ifndef OB_SNAPSHOT_CONTEXT_H
#define OB_SNAPSHOT_CONTEXT_H

#include "peer/peer.h"
#include "run/logger.h"
#include "run/replica.h"
#include "snapshot/folder.h"
#include "transport/transport.h"

/* [swarm] snapshot: when a newcomer takes the weights of others in place of a replay. */
enum ob_snapshot_mode { OB_SNAPSHOT_AUTO, OB_SNAPSHOT_ALWAYS, OB_SNAPSHOT_NEVER };

/* Work for the thread that owns the weights; what it returns is handed back with `task`. */
typedef enum ob_err (*ob_task_fn)(void *task, struct ob_error *error);

struct ob_snapshot_context {
    const struct ob_logger *logger;
    const struct ob_manifest *manifest;
    const char *state_dir;
    struct ob_machine_id machine; /* ourselves */
    enum ob_snapshot_mode mode;
    double replay_s; /* write one when so much replay has come together; 0: never */
    struct ob_snapshots *snapshots;
    struct ob_replica *replica;
    struct ob_store *store;
    struct ob_transport *transport;
    const struct ob_peer *peer;

    /* Of whoever runs the threads: */
    void *owner;
    enum ob_err (*submit)(void *owner, ob_task_fn run, void *task, struct ob_error *error);
    double (*replay_seconds)(void *owner); /* a recent mean for one sample; 0: not known yet */
    /* What to call a machine in the log; returns `buffer`. */
    const char *(*name_of)(void *owner, const struct ob_machine_id *machine, char buffer[64]);
};

#endif
