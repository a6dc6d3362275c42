/* pool - a fixed set of threads that share one loop at a time.
 *
 * Errors:  OB_ENOMEM, OB_EIO (threads cannot be started).
 * Owns:    its threads; `new` and `free` pair up, free accepts NULL.
 * Threads: one caller at a time. Workers sleep between loops: nothing spins, so that a pool and the
 *          threads of a BLAS never fight for a core. */
#ifndef OB_BASE_POOL_H
#define OB_BASE_POOL_H

#include "base/err.h"

#define OB_POOL_THREADS_MAX 256

struct ob_pool;

/* threads: 1 … OB_POOL_THREADS_MAX, the calling thread included (1 starts none). */
OB_MUST_USE enum ob_err ob_pool_new(unsigned threads, struct ob_pool **ret_pool, struct ob_error *error);
void ob_pool_free(struct ob_pool *pool);
unsigned ob_pool_threads(const struct ob_pool *pool); /* NULL counts as 1 */
/* Processors that this process may use, by its affinity and its control groups (base/quota.h), at most OB_POOL_THREADS_MAX. */
unsigned ob_processors(void);

/* Calls `body(context, index, thread)` once for each index in [0, count), thread in [0, threads).
 * Returns when all are done. A NULL pool runs everything in the caller. */
void ob_pool_run(struct ob_pool *pool, size_t count,
                 void (*body)(void *context, size_t index, unsigned thread), void *context);

#endif
