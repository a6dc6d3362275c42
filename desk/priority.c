#include "desk/priority.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* <linux/ioprio.h>, which has no wrapper in the C library */
#define WHO_PROCESS       1 /* with 0: the calling thread */
#define CLASS_SHIFT       13
#define CLASS_BEST_EFFORT 2
#define CLASS_IDLE        3
#define LEAST_URGENT      7 /* of best effort */

static void set_group(int nice) {
    FILE *file = getsid(0) == getpid() ? fopen("/proc/self/autogroup", "we") : NULL;
    if (!file) /* not our session, or a kernel without autogroups */
        return;
    fprintf(file, "%d\n", nice);
    (void)fclose(file);
}

enum ob_err ob_priority_set(int nice, enum ob_io_class class, struct ob_error *error) {
    int priority =
        class == OB_IO_IDLE ? CLASS_IDLE << CLASS_SHIFT : CLASS_BEST_EFFORT << CLASS_SHIFT | LEAST_URGENT;
    if (nice != 0 && getpriority(PRIO_PROCESS, 0) < nice && setpriority(PRIO_PROCESS, 0, nice) != 0)
        return ob_fail(error, OB_EREFUSED, "nice = %d: %s", nice, strerror(errno));
    if (nice != 0)
        set_group(nice);
    if (class != OB_IO_NONE && syscall(SYS_ioprio_set, WHO_PROCESS, 0, priority) != 0)
        return ob_fail(error, OB_EREFUSED, "io_class: %s", strerror(errno));
    return OB_OK;
}
