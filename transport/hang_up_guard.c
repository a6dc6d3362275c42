#include "transport/hang_up_guard.h"

#include <dlfcn.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define UNHEARD_NS 1000000

int epoll_wait(int epoll, struct epoll_event *events, int events_max, int timeout_ms) {
    int count = (int)syscall(SYS_epoll_pwait, epoll, events, events_max, timeout_ms, NULL, _NSIG / 8),
        kept = 0;
    for (int i = 0; i < count; i++) {
        struct epoll_event event = events[i];
        event.events &= ~(uint32_t)(EPOLLERR | EPOLLHUP);
        if (event.events != 0)
            events[kept++] = event;
    }
    if (count > 0 && kept == 0 && timeout_ms != 0)
        nanosleep(&(struct timespec){.tv_nsec = UNHEARD_NS}, NULL);
    return count < 0 ? count : kept;
}

bool ob_hang_up_guard_works(void) {
    return dlsym(RTLD_DEFAULT, "epoll_wait") == (void *)epoll_wait;
}
