#include "cli/check_log.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/progress.h"

#define FINDINGS_SHOWN 20

struct showing {
    const char *state_dir;
    uint64_t count;
};

static void show(void *context, const char *text) {
    struct showing *showing = context;
    if (showing->count++ < FINDINGS_SHOWN)
        fprintf(stderr, "onebyte: %s: %s\n", showing->state_dir, text);
}

static bool advance(void *line, const char *what, uint64_t done, uint64_t size) {
    (void)what;
    (void)size;
    ob_progress_at(line, done);
    return true;
}

enum ob_err ob_cli_check_log(const char *state_dir, const struct ob_manifest *manifest,
                             struct ob_store *store, struct ob_log_check *ret_check, struct ob_error *error) {
    struct showing showing = {.state_dir = state_dir};
    struct ob_progress line = {0};
    struct ob_store_counts counts = {0};
    struct ob_progress_callback progress = {advance, &line};
    if (ob_store_counts(store, &counts, NULL))
        counts.records = 0; /* what is wrong with it is found below */
    ob_progress_start(&line, "verifying", "records", counts.records);
    enum ob_err failed = ob_log_check(manifest, store, 0, show, &showing, &progress, ret_check, error);
    ob_progress_end(&line);
    if (!failed && ret_check->findings > FINDINGS_SHOWN)
        fprintf(stderr, "onebyte: %s: and %" PRIu64 " more\n", state_dir,
                ret_check->findings - FINDINGS_SHOWN);
    if (!failed && ret_check->findings > 0)
        fprintf(stderr,
                "onebyte: %s: the log failed verification; start onebyted there to drop the bad records and "
                "fetch them again\n",
                state_dir);
    return failed;
}
