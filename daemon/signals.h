/* signals - what an operator says by signals, heard by a thread of its own from before anything else starts, so that nothing
 * runs inside a handler and none is missed.
 *
 *   SIGTERM, SIGINT   while the daemon is being opened or closed: the process ends at once. Nothing was signed or published
 *                     that is not durable, and every file is whole at any moment.
 *                     while it runs: it is asked to leave; a second one ends the process at once.
 *   SIGHUP            while it runs, or as soon as it does: it is asked to reload.
 *
 * Errors:  OB_EIO, the thread cannot be started.
 * Owns:    its thread.
 * Threads: start, ask and stop from the main thread; `leave` and `reload` are called from the thread of signals. */
#ifndef OB_DAEMON_SIGNALS_H
#define OB_DAEMON_SIGNALS_H

#include <pthread.h>
#include <stdbool.h>

#include "base/err.h"
#include "run/logger.h"

struct ob_signals_asked {
    void (*leave)(void *context);
    void (*reload)(void *context);
    void *context;
    const struct ob_logger *logger;
};

struct ob_signals {
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    bool running;         /* there is somebody to ask: */
    struct ob_signals_asked asked;
    bool leaving, reload_waits;
};

/* Before any other thread, so that all inherit that these signals are blocked. */
OB_MUST_USE enum ob_err ob_signals_start(struct ob_signals *signals, struct ob_error *error);
/* From here on they are asked … */
void ob_signals_ask(struct ob_signals *signals, const struct ob_signals_asked *asked);
/* … and from here on nobody is. */
void ob_signals_ask_nobody(struct ob_signals *signals);
void ob_signals_stop(struct ob_signals *signals);

#endif
