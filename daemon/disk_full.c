#include "daemon/disk_full.h"

#include <assert.h>
#include <string.h>

static void tell(struct ob_disk_full *disk, const struct ob_error *why) {
    char text[600];
    if (disk->full && disk->cause == why->code)
        return;
    disk->full = true;
    disk->cause = why->code;
    memcpy(disk->why, why->text, sizeof disk->why);
    ob_log(disk->logger, OB_LOG_ERROR, ob_disk_full_life(disk), "text=%s",
           ob_logger_quote(why->text, text, sizeof text));
}

static bool is_passing(enum ob_err failed) {
    return failed == OB_EFULL || failed == OB_ELOCKED || failed == OB_EMOVED;
}

const char *ob_disk_full_life(const struct ob_disk_full *disk) {
    return disk->cause == OB_ELOCKED ? "log-locked" : disk->cause == OB_EMOVED ? "log-gone" : "disk-full";
}

enum ob_err ob_disk_full_retry(struct ob_disk_full *disk, ob_disk_work_fn run, void *work,
                               struct ob_error *error) {
    struct ob_error why = {0};
    enum ob_err failed;
    while (is_passing(failed = run(work, &why))) {
        tell(disk, &why);
        if ((failed = disk->wait(disk->context, &why)))
            break;
    }
    assert(!is_passing(failed));
    if (failed && error)
        *error = why;
    if (failed || !disk->full)
        return failed;
    disk->full = false;
    disk->was = true;
    ob_log(disk->logger, OB_LOG_INFO, "disk-room", "text=\"%s; continuing\"",
           disk->cause == OB_EFULL     ? "disk space is available again"
           : disk->cause == OB_ELOCKED ? "the log is no longer locked"
                                       : "the log is back");
    return OB_OK;
}
