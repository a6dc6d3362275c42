/* fail_thread - for LD_PRELOAD: the FAIL_THREAD-th pthread_create of the process fails, as it does when there are no more
 * threads or no memory. */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *argument) {
    static atomic_int count;
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    const char *which = getenv("FAIL_THREAD");
    return which && atomic_fetch_add(&count, 1) + 1 == atoi(which) ? EAGAIN
                                                                   : real(thread, attributes, run, argument);
}
