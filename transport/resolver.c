#include "transport/resolver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

enum state { FREE, WAITING, RUNNING, DONE };

struct name {
    enum state state;
    char host[OB_ENDPOINT_MAX];
    bool found;
    struct ob_resolved answer;
    uint64_t answered_s;
};

/* Lives until its owner and all threads have let go of it. */
struct ob_resolver {
    pthread_mutex_t mutex;
    unsigned users; /* the owner and the threads */
    unsigned threads;
    bool closed;
    int event;
    struct name names[OB_RESOLVER_NAMES];
};

enum ob_err ob_resolver_new(struct ob_resolver **ret_resolver, struct ob_error *error) {
    struct ob_resolver *resolver = calloc(1, sizeof *resolver);
    if (!resolver)
        return ob_fail(error, OB_ENOMEM, "not enough memory to look up names");
    resolver->users = 1;
    resolver->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (resolver->event < 0 || pthread_mutex_init(&resolver->mutex, NULL) != 0) {
        enum ob_err failed = ob_fail(error, OB_EIO, "cannot look up names: %s", strerror(errno));
        free(resolver);
        return failed;
    }
    *ret_resolver = resolver;
    return OB_OK;
}

/* The mutex is held, and given back. */
static void let_go(struct ob_resolver *resolver) {
    bool last = --resolver->users == 0;
    pthread_mutex_unlock(&resolver->mutex);
    if (!last)
        return;
    close(resolver->event);
    pthread_mutex_destroy(&resolver->mutex);
    free(resolver);
}

void ob_resolver_free(struct ob_resolver *resolver) {
    if (!resolver)
        return;
    pthread_mutex_lock(&resolver->mutex);
    resolver->closed = true;
    let_go(resolver);
}

int ob_resolver_fd(const struct ob_resolver *resolver) {
    return resolver->event;
}

void ob_resolver_heard(struct ob_resolver *resolver) {
    uint64_t count;
    if (read(resolver->event, &count, sizeof count) < 0)
        return; /* nothing is new */
}

/* ---- in a thread of its own ---- */

static void take_addresses(const struct addrinfo *found, struct ob_resolved *ret_answer) {
    for (; found && ret_answer->count < OB_RESOLVER_ADDRESSES; found = found->ai_next)
        if (getnameinfo(found->ai_addr, found->ai_addrlen, ret_answer->numbers[ret_answer->count],
                        OB_NUMBER_MAX, NULL, 0, NI_NUMERICHOST) == 0)
            ret_answer->count++;
}

static bool look_up(const char *host, struct ob_resolved *ret_answer) {
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    *ret_answer = (struct ob_resolved){0};
    int why = getaddrinfo(host, NULL, &hints, &found);
    int system = errno;
    if (why == 0) {
        take_addresses(found, ret_answer);
        freeaddrinfo(found);
    }
    if (ret_answer->count > 0)
        return true;
    const char *text = why == EAI_SYSTEM ? strerror(system)
                       : why == 0        ? "no usable address"
                                         : gai_strerror(why);
    (void)snprintf(ret_answer->why, sizeof ret_answer->why, "%s", text);
    return false;
}

static struct name *next_waiting(struct ob_resolver *resolver) {
    for (size_t i = 0; i < OB_RESOLVER_NAMES && !resolver->closed; i++)
        if (resolver->names[i].state == WAITING)
            return &resolver->names[i];
    return NULL;
}

static void *run(void *context) {
    struct ob_resolver *resolver = context;
    struct name *name;
    pthread_mutex_lock(&resolver->mutex);
    while ((name = next_waiting(resolver)) != NULL) {
        struct ob_resolved answer;
        char host[OB_ENDPOINT_MAX];
        name->state = RUNNING;
        memcpy(host, name->host, sizeof host);
        pthread_mutex_unlock(&resolver->mutex);
        bool found = look_up(host, &answer);
        pthread_mutex_lock(&resolver->mutex);
        name->state = DONE;
        name->found = found;
        name->answer = answer;
        name->answered_s = ob_now_s();
        uint64_t one = 1;
        if (!resolver->closed && write(resolver->event, &one, sizeof one) < 0)
            continue; /* it is readable already */
    }
    resolver->threads--;
    let_go(resolver);
    return NULL;
}

/* ---- asking ---- */

/* The mutex is held. */
static void start_thread(struct ob_resolver *resolver) {
    pthread_t thread;
    pthread_attr_t attributes;
    if (resolver->threads >= OB_RESOLVER_THREADS || pthread_attr_init(&attributes) != 0)
        return; /* one that runs takes it when it is done, or the next question starts one */
    resolver->users++;
    resolver->threads++;
    if (pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) != 0 ||
        pthread_create(&thread, &attributes, run, resolver) != 0) {
        resolver->users--;
        resolver->threads--;
    }
    pthread_attr_destroy(&attributes);
}

/* The place of a name; else a free one, or that of the oldest answer. NULL: all are being looked up. */
static struct name *place_of(struct ob_resolver *resolver, const char *host) {
    struct name *best = NULL;
    for (size_t i = 0; i < OB_RESOLVER_NAMES; i++) {
        struct name *name = &resolver->names[i];
        if (name->state != FREE && strcmp(name->host, host) == 0)
            return name;
        if (name->state == FREE ||
            (name->state == DONE && (!best || (best->state == DONE && name->answered_s < best->answered_s))))
            best = best && best->state == FREE ? best : name;
    }
    if (best)
        *best = (struct name){.state = FREE};
    return best;
}

static enum ob_lookup look(struct ob_resolver *resolver, const char *host, uint64_t max_age_s,
                           struct ob_resolved *ret_resolved) {
    struct name *name = place_of(resolver, host);
    if (!name)
        return OB_LOOKUP_WAIT; /* asked again by the next turn */
    if (name->state == DONE && ob_now_s() - name->answered_s <= max_age_s) {
        *ret_resolved = name->answer;
        return name->found ? OB_LOOKUP_FOUND : OB_LOOKUP_FAILED;
    }
    if (name->state == FREE)
        (void)snprintf(name->host, sizeof name->host, "%s", host);
    if (name->state != RUNNING)
        name->state = WAITING;
    start_thread(resolver);
    return OB_LOOKUP_WAIT;
}

static bool is_number(const char *host) {
    unsigned char address[sizeof(struct in6_addr)];
    char plain[OB_ENDPOINT_MAX];
    (void)snprintf(plain, sizeof plain, "%.*s", (int)strcspn(host, "%"), host);
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, plain, address) == 1;
}

enum ob_lookup ob_resolver_look(struct ob_resolver *resolver, const char *host, uint64_t max_age_s,
                                struct ob_resolved *ret_resolved) {
    if (is_number(host)) {
        *ret_resolved = (struct ob_resolved){.count = 1};
        (void)snprintf(ret_resolved->numbers[0], OB_NUMBER_MAX, "%s", host);
        return OB_LOOKUP_FOUND;
    }
    pthread_mutex_lock(&resolver->mutex);
    enum ob_lookup result = look(resolver, host, max_age_s, ret_resolved);
    pthread_mutex_unlock(&resolver->mutex);
    return result;
}
