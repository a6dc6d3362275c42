#include "daemon/disk_full.h"

#include <assert.h>

static void tell(struct ob_disk_full *disk, const struct ob_error *why) {
    char text[600];
    if (disk->full)
        return;
    disk->full = true;
    ob_log(disk->logger, OB_LOG_ERROR, "disk-full", "text=%s", ob_logger_quote(why->text, text, sizeof text));
}

enum ob_err ob_disk_full_retry(struct ob_disk_full *disk, ob_disk_work_fn run, void *work,
                               struct ob_error *error) {
    struct ob_error why = {0};
    enum ob_err failed;
    while ((failed = run(work, &why)) == OB_EFULL) {
        tell(disk, &why);
        if ((failed = disk->wait(disk->context, &why)))
            break;
    }
    assert(failed != OB_EFULL);
    if (failed && error)
        *error = why;
    if (failed || !disk->full)
        return failed;
    disk->full = false;
    disk->was = true;
    ob_log(disk->logger, OB_LOG_INFO, "disk-room", "text=\"disk space is available again; continuing\"");
    return OB_OK;
}
