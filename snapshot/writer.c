#include "snapshot/writer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "snapshot/file.h"

#define LOOK_EVERY_NS OB_SECOND_NS
#define COST_PART     100 /* of the time at most, one part in so many */

struct ob_snapshot_job {
    const struct ob_replica *replica;
    uint32_t round; /* records of this round and later ones are left out */
    struct ob_snapshot *table;
    struct ob_updates extras;
    char writing[OB_PATH_MAX], path[OB_PATH_MAX];
    const char *folder; /* borrowed */
    double seconds;
    pthread_t thread;
    bool syncing;
    atomic_bool synced;
    enum ob_err failed; /* of the sync */
    struct ob_error error;
};

static void free_job(struct ob_snapshot_job *job) {
    if (!job)
        return;
    ob_updates_done(&job->extras);
    ob_snapshot_free(job->table);
    free(job);
}

/* ---- which frontier ---- */

/* The round that every machine which trains has passed; without one, the highest there is. */
static uint32_t passed_round(const struct ob_snapshot_writer *writer, size_t machines) {
    uint64_t lowest = UINT64_MAX, highest = 0;
    for (size_t i = 0; i < machines; i++) {
        struct ob_peer_machine m = ob_peer_machine(writer->context->peer, i);
        if (!m.has_records)
            continue;
        uint64_t after = (uint64_t)m.head_round.index + 1;
        if (m.paced && after < lowest)
            lowest = after;
        if (after > highest)
            highest = after;
    }
    uint64_t round = lowest == UINT64_MAX ? highest : lowest;
    return (uint32_t)(round / OB_SNAPSHOT_ROUNDS * OB_SNAPSHOT_ROUNDS);
}

struct frontier {
    struct ob_snapshot_machine *machines;
    size_t count;
    struct ob_updates *extras;
};

static struct ob_snapshot_machine *find(const struct frontier *f, const struct ob_machine_id *id) {
    for (size_t low = 0, high = f->count; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = ob_machine_compare(&f->machines[middle].machine, id);
        if (order == 0)
            return &f->machines[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* A record above the frontier: its chain ends before it. Chains come in order, each from its first such. */
static enum ob_err leave_out(void *context, const struct ob_record *record, struct ob_error *error) {
    struct frontier *f = context;
    struct ob_snapshot_machine *machine = find(f, &record->machine);
    if (machine && record->first.index < machine->next.index) {
        machine->next = record->first;
        machine->head = record->prev;
    }
    return ob_updates_add(f->extras, record, error);
}

static size_t list_machines(const struct ob_snapshot_writer *writer, size_t machines,
                            struct ob_snapshot_machine *ret_machines) {
    size_t count = 0;
    for (size_t i = 0; i < machines; i++) {
        struct ob_peer_machine m = ob_peer_machine(writer->context->peer, i);
        if (m.has_records)
            ret_machines[count++] =
                (struct ob_snapshot_machine){.machine = m.machine, .next = m.next, .head = m.head};
    }
    return count;
}

static size_t drop_empty(struct ob_snapshot_machine *machines, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (machines[i].next.index > 0)
            machines[kept++] = machines[i];
    return kept;
}

static enum ob_err make_table(struct ob_snapshot_writer *writer, size_t machines, struct ob_snapshot_job *job,
                              struct ob_error *error) {
    struct frontier f = {.machines = calloc(machines + 1, sizeof *f.machines), .extras = &job->extras};
    if (!f.machines)
        return ob_fail(error, OB_ENOMEM, "not enough memory for a frontier");
    f.count = list_machines(writer, machines, f.machines);
    enum ob_err failed =
        ob_store_since(writer->context->store, (struct ob_round){job->round}, leave_out, &f, error);
    if (!failed)
        failed = ob_snapshot_new(writer->context->manifest, f.machines, drop_empty(f.machines, f.count),
                                 &job->table, error);
    free(f.machines);
    return failed;
}

/* ---- the work ---- */

/* In the compute thread. */
static enum ob_err write_job(void *context, struct ob_error *error) {
    struct ob_snapshot_job *job = context;
    uint64_t start = ob_now_ns();
    enum ob_err failed = ob_snapshot_write(job->writing, job->replica, job->extras.items, job->extras.count,
                                           job->table, error);
    job->seconds = ob_seconds_since(start);
    return failed;
}

/* In a thread of its own. */
static void *sync_job(void *context) {
    struct ob_snapshot_job *job = context;
    job->failed = ob_snapshot_commit(job->writing, job->path, job->folder, &job->error);
    atomic_store(&job->synced, true);
    return NULL;
}

static void tell_failure(struct ob_snapshot_writer *writer, const char *why) {
    char text[600];
    ob_log(writer->context->logger, OB_LOG_ERROR, "snapshot", "text=%s",
           ob_logger_quote(why, text, sizeof text));
}

static void drop_job(struct ob_snapshot_writer *writer) {
    (void)unlink(writer->job->writing);
    free_job(writer->job);
    writer->job = NULL;
}

bool ob_snapshot_writer_done(struct ob_snapshot_writer *writer, const void *task,
                             const struct ob_error *how) {
    struct ob_snapshot_job *job = writer->job;
    if (!job || task != job)
        return false;
    writer->seconds = job->seconds;
    if (how->code) {
        tell_failure(writer, how->text);
        drop_job(writer);
        return true;
    }
    ob_snapshots_path_of(writer->context->snapshots, job->table, job->path);
    job->syncing = pthread_create(&job->thread, NULL, sync_job, job) == 0;
    if (!job->syncing) {
        tell_failure(writer, "cannot start the thread that writes to the disk");
        drop_job(writer);
    }
    return true;
}

static void finish(struct ob_snapshot_writer *writer) {
    struct ob_snapshot_job *job = writer->job;
    pthread_join(job->thread, NULL);
    if (job->failed) {
        tell_failure(writer, job->error.text);
        drop_job(writer);
        return;
    }
    writer->written++;
    writer->samples = job->table->samples;
    writer->round = job->round;
    ob_log(writer->context->logger, OB_LOG_INFO, "snapshot",
           "written=%s round=%u samples=%llu bytes=%llu left_out=%zu seconds=%.3f", job->path, job->round,
           (unsigned long long)job->table->samples, (unsigned long long)job->table->file_bytes,
           job->extras.count, job->seconds);
    ob_snapshots_add(writer->context->snapshots, job->path);
    free_job(job);
    writer->job = NULL;
}

static uint64_t last_samples(const struct ob_snapshot_writer *writer) {
    return writer->context->snapshots->count > 0 ? writer->context->snapshots->files[0]->table->samples : 0;
}

static bool is_due(struct ob_snapshot_writer *writer, const struct ob_peer_view *view) {
    const struct ob_snapshot_context *context = writer->context;
    double now = (double)ob_now_ns(), each = context->replay_seconds(context->owner);
    uint64_t last = last_samples(writer);
    if (view->samples_held <= last)
        return false;
    if (writer->last_ns && now - (double)writer->last_ns < COST_PART * 1e9 * writer->seconds)
        return false;
    return (double)(view->samples_held - last) * each >= context->replay_s;
}

static enum ob_err begin(struct ob_snapshot_writer *writer, const struct ob_peer_view *view,
                         struct ob_error *error) {
    uint32_t round = passed_round(writer, view->machines);
    if (round == 0 || round == writer->round)
        return OB_OK;
    struct ob_snapshot_job *job = calloc(1, sizeof *job);
    if (!job)
        return ob_fail(error, OB_ENOMEM, "not enough memory for a snapshot");
    atomic_init(&job->synced, false);
    job->replica = writer->context->replica;
    job->round = round;
    job->folder = writer->context->snapshots->folder;
    ob_snapshots_path(writer->context->snapshots, "writing", job->writing);
    enum ob_err failed = make_table(writer, view->machines, job, error);
    bool news = !failed && job->table->samples > last_samples(writer);
    if (news)
        failed = writer->context->submit(writer->context->owner, write_job, job, error);
    writer->last_ns = ob_now_ns();
    if (failed || !news) {
        free_job(job);
        return failed;
    }
    writer->job = job;
    return OB_OK;
}

/* A snapshot that cannot be made is no reason to stop. */
static void begin_or_tell(struct ob_snapshot_writer *writer, const struct ob_peer_view *view) {
    struct ob_error error = {0};
    if (begin(writer, view, &error) == OB_OK)
        return;
    writer->seconds = 1; /* not again at once */
    tell_failure(writer, error.text);
}

void ob_snapshot_writer_start(struct ob_snapshot_writer *writer, const struct ob_snapshot_context *context) {
    *writer = (struct ob_snapshot_writer){.context = context};
}

void ob_snapshot_writer_tend(struct ob_snapshot_writer *writer, bool may_begin) {
    if (writer->job) {
        if (writer->job->syncing && atomic_load(&writer->job->synced))
            finish(writer);
        return;
    }
    if (!may_begin || writer->context->replay_s <= 0 || ob_now_ns() - writer->looked_ns < LOOK_EVERY_NS)
        return;
    writer->looked_ns = ob_now_ns();
    struct ob_peer_view view = ob_peer_view(writer->context->peer);
    if (is_due(writer, &view))
        begin_or_tell(writer, &view);
}

void ob_snapshot_writer_stop(struct ob_snapshot_writer *writer) {
    struct ob_snapshot_job *job = writer->job;
    if (job && job->syncing)
        finish(writer);
    else if (job)
        drop_job(writer);
}
