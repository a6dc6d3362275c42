#include "base/pool.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/quota.h"

struct worker {
    struct ob_pool *pool;
    unsigned number;
    pthread_t thread;
};

struct ob_pool {
    unsigned threads;
    unsigned started; /* worker threads, without the caller */
    struct worker *workers;
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    unsigned long generation; /* raised once for each loop */
    unsigned running;         /* workers inside the present loop */
    bool stop;
    void (*body)(void *, size_t, unsigned);
    void *context;
    size_t count;
    atomic_size_t next;
};

static void drain(struct ob_pool *pool, unsigned thread) {
    for (;;) {
        size_t index = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
        if (index >= pool->count)
            return;
        pool->body(pool->context, index, thread);
    }
}

static void *serve(void *argument) {
    struct worker *worker = argument;
    struct ob_pool *pool = worker->pool;
    unsigned long seen = 0;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (!pool->stop && pool->generation == seen)
            pthread_cond_wait(&pool->work, &pool->lock);
        if (pool->stop)
            break;
        seen = pool->generation;
        pthread_mutex_unlock(&pool->lock);
        drain(pool, worker->number);
        pthread_mutex_lock(&pool->lock);
        if (--pool->running == 0)
            pthread_cond_signal(&pool->done);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

enum ob_err ob_pool_new(unsigned threads, struct ob_pool **ret_pool, struct ob_error *error) {
    assert(threads >= 1 && threads <= OB_POOL_THREADS_MAX);
    struct ob_pool *pool = calloc(1, sizeof *pool);
    struct worker *workers = calloc(threads, sizeof *workers);
    if (!pool || !workers) {
        free(pool);
        free(workers);
        return ob_fail(error, OB_ENOMEM, "thread pool: out of memory");
    }
    pool->threads = threads;
    pool->workers = workers;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->done, NULL);
    for (unsigned i = 0; i + 1 < threads; i++) {
        pool->workers[i] = (struct worker){.pool = pool, .number = i + 1};
        int failed = pthread_create(&pool->workers[i].thread, NULL, serve, &pool->workers[i]);
        if (failed) {
            ob_pool_free(pool);
            return ob_fail(error, OB_EIO, "thread pool: cannot start thread %u of %u: %s", i + 2, threads,
                           strerror(failed));
        }
        pool->started++;
    }
    *ret_pool = pool;
    return OB_OK;
}

void ob_pool_free(struct ob_pool *pool) {
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->started; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->done);
    pthread_mutex_destroy(&pool->lock);
    free(pool->workers);
    free(pool);
}

unsigned ob_pool_threads(const struct ob_pool *pool) {
    return pool ? pool->threads : 1;
}

void ob_pool_run(struct ob_pool *pool, size_t count, void (*body)(void *, size_t, unsigned), void *context) {
    if (!pool || pool->started == 0 || count <= 1) {
        for (size_t i = 0; i < count; i++)
            body(context, i, 0);
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->body = body;
    pool->context = context;
    pool->count = count;
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    pool->running = pool->started;
    pool->generation++;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    drain(pool, 0);
    pthread_mutex_lock(&pool->lock);
    while (pool->running > 0)
        pthread_cond_wait(&pool->done, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

unsigned ob_processors(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    unsigned quota = ob_quota_processors("/proc/self/cgroup", "/sys/fs/cgroup");
    int count = CPU_COUNT(&set);
    if (quota > 0 &&
        (int)quota <
            count) /* more threads would be stopped for part of each period, and others wait for them */
        count = (int)quota;
    return count < 1 ? 1 : count > OB_POOL_THREADS_MAX ? OB_POOL_THREADS_MAX : (unsigned)count;
}
