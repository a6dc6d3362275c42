#include "desk/watch.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/path.h"
#include "desk/logind.h"
#include "desk/memory.h"
#include "desk/terminals.h"

#define EVERY_S 2

struct ob_desk_watch {
    char power[OB_PATH_MAX], devices[OB_PATH_MAX];
    struct ob_desk_sources sources; /* point at these */
    struct ob_logind logind;        /* the thread's */
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct ob_desk_facts facts;
    bool stop;
};

/* Input that only one of them saw is input. */
static void look_for_use(const char *devices, struct ob_logind *logind, struct ob_desk_facts *facts) {
    int64_t now_s = (int64_t)ob_wall_s();
    double told = ob_logind_idle_s(logind, now_s), seen = ob_terminals_idle_s(devices, now_s);
    facts->idle_s = fmin(told, seen); /* of a number and NAN: the number */
    facts->idle_by = !isnan(told) && !isnan(seen) ? OB_DESK_BOTH
                     : !isnan(told)               ? OB_DESK_LOGIND
                     : !isnan(seen)               ? OB_DESK_TERMINALS
                                                  : OB_DESK_NOBODY;
}

static struct ob_desk_facts look(const struct ob_desk_sources *sources, struct ob_logind *logind) {
    struct ob_desk_facts facts = {.idle_s = NAN};
    if (sources->devices)
        look_for_use(sources->devices, logind, &facts);
    if (sources->power)
        facts.power = ob_power_read(sources->power);
    if (sources->memory)
        facts.memory_bytes = ob_memory_own_bytes(OB_MEMORY_FILE);
    return facts;
}

struct ob_desk_facts ob_desk_look(const struct ob_desk_sources *sources) {
    struct ob_logind logind = {0};
    struct ob_desk_facts facts = look(sources, &logind);
    ob_logind_close(&logind);
    return facts;
}

static void *serve(void *argument) {
    struct ob_desk_watch *w = argument;
    pthread_mutex_lock(&w->lock);
    while (!w->stop) {
        struct timespec until;
        pthread_mutex_unlock(&w->lock);
        struct ob_desk_facts facts = look(&w->sources, &w->logind);
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += EVERY_S;
        pthread_mutex_lock(&w->lock);
        w->facts = facts;
        while (!w->stop && pthread_cond_timedwait(&w->changed, &w->lock, &until) == 0)
            ;
    }
    pthread_mutex_unlock(&w->lock);
    ob_logind_close(&w->logind);
    return NULL;
}

static enum ob_err take_path(const char *path, char place[OB_PATH_MAX], const char **ret_path,
                             struct ob_error *error) {
    *ret_path = path ? place : NULL;
    return path ? ob_path_append(place, path, "", error) : OB_OK;
}

static void init_lock(struct ob_desk_watch *w) {
    pthread_condattr_t monotonic;
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&w->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static void free_watch(struct ob_desk_watch *w) {
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

enum ob_err ob_desk_watch_open(const struct ob_desk_sources *sources, struct ob_desk_watch **ret_watch,
                               struct ob_error *error) {
    struct ob_desk_watch *w = calloc(1, sizeof *w);
    if (!w)
        return ob_fail(error, OB_ENOMEM, "out of memory");
    init_lock(w);
    w->sources.memory = sources->memory;
    enum ob_err failed = take_path(sources->power, w->power, &w->sources.power, error);
    if (!failed)
        failed = take_path(sources->devices, w->devices, &w->sources.devices, error);
    if (!failed) {
        w->facts = look(&w->sources, &w->logind);
        int code = pthread_create(&w->thread, NULL, serve, w);
        if (code)
            failed = ob_fail(error, OB_EIO, "cannot start the thread that looks at the machine: %s",
                             strerror(code));
    }
    if (failed) {
        ob_logind_close(&w->logind);
        free_watch(w);
        return failed;
    }
    *ret_watch = w;
    return OB_OK;
}

struct ob_desk_facts ob_desk_watch_facts(struct ob_desk_watch *w) {
    pthread_mutex_lock(&w->lock);
    struct ob_desk_facts facts = w->facts;
    pthread_mutex_unlock(&w->lock);
    return facts;
}

void ob_desk_watch_close(struct ob_desk_watch *w) {
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    free_watch(w);
}
