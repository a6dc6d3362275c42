/* A full disk. The peer's state machine has gone ahead, its effects have not: nothing else may happen until
 * they are carried out. So the daemon stands still, answers the status socket, drops frames (they may be lost
 * anyway: what they held is fetched again), and tries again every second. Others see it go quiet and go on.
 */
#include <string.h>

#include "base/clock.h"
#include "daemon/daemon.h"

#define TRY_EVERY_NS OB_SECOND_NS

static enum ob_err answer(struct ob_daemon *daemon, const struct ob_transport_event *seen,
                          struct ob_error *error) {
    return seen->kind == OB_TRANSPORT_STATUS ? ob_daemon_on_status(daemon, seen, error) : OB_OK;
}

enum ob_err ob_daemon_wait_for_room(struct ob_daemon *daemon, struct ob_error *error) {
    uint64_t until = ob_now_ns() + TRY_EVERY_NS;
    if (!daemon->disk_full) {
        char text[600];
        daemon->disk_full = true;
        ob_log(&daemon->log, OB_LOG_ERROR, "disk-full", "text=%s",
               ob_log_quote(error->text, text, sizeof text));
    }
    while (ob_now_ns() < until) {
        struct ob_transport_event seen;
        if (atomic_load(&daemon->leave_wanted))
            return ob_fail(error, OB_EIO,
                           "left without a goodbye: the disk is full; what was not stored was not published");
        enum ob_err failed = ob_transport_poll(daemon->transport, 50, &seen, error);
        if (!failed)
            failed = answer(daemon, &seen, error);
        if (failed)
            return failed;
    }
    return OB_OK;
}

void ob_daemon_has_room(struct ob_daemon *daemon) {
    if (!daemon->disk_full)
        return;
    daemon->disk_full = false;
    daemon->links_stale = true;
    ob_log(&daemon->log, OB_LOG_INFO, "disk-room", "text=\"there is room again: going on\"");
}

enum ob_err ob_daemon_flush(struct ob_daemon *daemon, struct ob_error *error) {
    struct ob_error why = {0};
    enum ob_err failed;
    while ((failed = ob_store_flush(daemon->store, &why)) == OB_EFULL)
        if ((failed = ob_daemon_wait_for_room(daemon, &why)))
            break;
    if (failed && error)
        *error = why;
    if (!failed)
        ob_daemon_has_room(daemon);
    return failed;
}

enum ob_err ob_daemon_settle_links(struct ob_daemon *daemon, struct ob_error *error) {
    enum ob_err failed = OB_OK;
    daemon->links_stale = false;
    for (size_t i = 0; i < ob_peer_view(daemon->peer).machines && !failed; i++) {
        struct ob_peer_machine machine = ob_peer_machine(daemon->peer, i);
        bool linked = ob_transport_linked(daemon->transport, &machine.machine);
        struct ob_event event = {.kind = linked ? OB_EVENT_LINK_UP : OB_EVENT_LINK_DOWN,
                                 .machine = machine.machine};
        if (linked != machine.linked && !ob_machine_equal(&machine.machine, &daemon->identity.machine))
            failed = ob_daemon_step(daemon, &event, error);
    }
    return failed;
}
