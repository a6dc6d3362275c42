#include "cli/replay.h"

enum ob_err ob_cli_replica_new(const struct ob_manifest *manifest, const char *model,
                               struct ob_replica **ret_replica, struct ob_error *error) {
    struct ob_progress progress = {0};
    struct ob_progress_callback shown = ob_progress_of_bytes(&progress);
    enum ob_err failed = ob_replica_new(manifest, model, 0, &shown, ret_replica, error);
    ob_progress_end(&progress);
    return failed;
}

struct counting {
    struct ob_progress *progress;
    uint64_t done;
    bool (*counts)(void *context, const struct ob_record *record); /* NULL: every one does */
    void *context;
};

static bool count_record(void *context, const struct ob_record *record) {
    struct counting *counting = context;
    ob_progress_at(counting->progress, ++counting->done);
    return !counting->counts || counting->counts(counting->context, record);
}

enum ob_err ob_cli_replay(struct ob_replica *replica, struct ob_store *store,
                          bool (*counts)(void *, const struct ob_record *), void *context,
                          struct ob_progress *progress, struct ob_error *error) {
    struct counting counting = {.progress = progress, .counts = counts, .context = context};
    struct ob_store_counts held = {0};
    enum ob_err failed = ob_store_counts(store, &held, error);
    if (failed)
        return failed;
    ob_progress_start(progress, "replaying", "records", held.records);
    return ob_replica_replay(replica, store, count_record, &counting, error);
}

static enum ob_err each_of_delta(void *source, ob_store_record_fn see, void *context,
                                 struct ob_error *error) {
    return ob_delta_each(source, see, context, error);
}

enum ob_err ob_cli_replay_delta(struct ob_replica *replica, struct ob_delta *delta,
                                struct ob_progress *progress, struct ob_error *error) {
    struct counting counting = {.progress = progress};
    ob_progress_start(progress, "replaying", "records", delta->records);
    return ob_replica_replay_from(replica, each_of_delta, delta, count_record, &counting, error);
}
