#include "snapshot/folder.h"

#include <assert.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/access.h"
#include "base/file.h"
#include "base/hex.h"
#include "record/hash.h"

#define ENDING ".snapshot"

void ob_snapshots_path(const struct ob_snapshots *snapshots, const char *name, char ret_path[OB_PATH_MAX]) {
    (void)snprintf(ret_path, OB_PATH_MAX, "%s/%.60s", snapshots->folder, name);
}

void ob_snapshots_path_of(const struct ob_snapshots *snapshots, const struct ob_snapshot *table,
                          char ret_path[OB_PATH_MAX]) {
    char name[64], digits[17];
    ob_hex_encode(table->name.bytes, 8, digits);
    (void)snprintf(name, sizeof name, "%020" PRIu64 "-%s" ENDING, table->samples, digits);
    ob_snapshots_path(snapshots, name, ret_path);
}

enum ob_err ob_snapshots_open(struct ob_snapshots *snapshots, const char *state_dir,
                              const struct ob_manifest *manifest, const struct ob_logger *logger,
                              struct ob_error *error) {
    *snapshots = (struct ob_snapshots){.manifest = manifest, .logger = logger};
    int length = snprintf(snapshots->folder, sizeof snapshots->folder, "%s/snapshots", state_dir);
    if (length < 0 || (size_t)length >= sizeof snapshots->folder)
        return ob_fail(error, OB_EUSAGE, "%.60s...: the path of state_dir is too long", state_dir);
    enum ob_err failed = ob_access_no_link(snapshots->folder, error);
    if (!failed)
        failed = ob_file_make_folder(snapshots->folder, 0700, error);
    return failed ? failed : ob_access_own_folder(snapshots->folder, error);
}

void ob_snapshots_close(struct ob_snapshots *snapshots) {
    while (snapshots->count > 0)
        ob_snapshot_close(snapshots->files[--snapshots->count]);
}

void ob_snapshots_set_aside(struct ob_snapshots *snapshots, const char *path, const char *why) {
    char to[OB_PATH_MAX], text[600];
    ob_snapshots_path(snapshots, "last.aside", to);
    snapshots->set_aside++;
    bool moved = rename(path, to) == 0;
    ob_log(snapshots->logger, OB_LOG_ERROR, "snapshot-refused", "moved_to=%s text=%s", moved ? to : "nowhere",
           ob_logger_quote(why, text, sizeof text));
}

/* ---- the log beside a snapshot ---- */

static enum ob_err end_in_log(const char *path, const struct ob_snapshot_machine *end,
                              const struct ob_manifest *manifest, struct ob_store *store,
                              struct ob_error *error) {
    uint8_t data[OB_RECORD_BYTES_MAX];
    size_t bytes = 0;
    struct ob_record record;
    const uint8_t *key = end->machine.key;
    enum ob_err failed =
        ob_store_find(store, &end->machine, (struct ob_sample){end->next.index - 1}, data, &bytes, error);
    if (failed && failed != OB_ENOTFOUND)
        return failed;
    if (!failed)
        failed = ob_record_decode(data, bytes, &manifest->bounds, &record, error);
    if (!failed && record.first.index + record.n == end->next.index) {
        struct ob_hash head = ob_record_hash(&manifest->run, &record);
        if (ob_hash_equal(&head, &end->head))
            return OB_OK;
    }
    return ob_fail(error, OB_EMISMATCH,
                   "%s: contains samples of machine %02x%02x%02x%02x... below %llu that our log lacks", path,
                   key[0], key[1], key[2], key[3], (unsigned long long)end->next.index);
}

enum ob_err ob_snapshot_in_log(const char *path, const struct ob_snapshot *table,
                               const struct ob_manifest *manifest, struct ob_store *store,
                               struct ob_error *error) {
    enum ob_err failed = OB_OK;
    for (size_t i = 0; i < table->machine_count && !failed; i++)
        failed = end_in_log(path, &table->machines[i], manifest, store, error);
    return failed;
}

static bool is_above(void *context, const struct ob_record *record) {
    const struct ob_snapshot *table = context;
    return !table || !ob_snapshot_holds(table, &record->machine, record->first);
}

enum ob_err ob_snapshot_replay_above(const struct ob_snapshot *table, struct ob_replica *replica,
                                     struct ob_store *store, struct ob_error *error) {
    return ob_replica_replay(replica, store, is_above, (void *)(uintptr_t)table, error);
}

/* ---- the folder ---- */

static int is_snapshot(const struct dirent *entry) {
    size_t length = strlen(entry->d_name);
    return length > strlen(ENDING) && length < 60 &&
           strcmp(entry->d_name + length - strlen(ENDING), ENDING) == 0;
}

static int newest_first(const struct dirent **a, const struct dirent **b) {
    return strcmp((*b)->d_name, (*a)->d_name);
}

void ob_snapshots_add(struct ob_snapshots *snapshots, const char *path) {
    struct ob_snapshot_file *file = NULL;
    struct ob_error error = {0};
    if (ob_snapshot_open(path, snapshots->manifest, &file, &error)) {
        ob_snapshots_set_aside(snapshots, path, error.text);
        return;
    }
    if (snapshots->count == OB_SNAPSHOTS_KEPT) {
        struct ob_snapshot_file *oldest = snapshots->files[--snapshots->count];
        (void)unlink(oldest->path);
        ob_snapshot_close(oldest);
    }
    memmove(&snapshots->files[1], &snapshots->files[0], snapshots->count * sizeof *snapshots->files);
    snapshots->files[0] = file;
    snapshots->count++;
}

/* Loads one and replays what is above it. *ret_loaded: the weights are right. */
static enum ob_err try_one(struct ob_snapshots *snapshots, const char *path, struct ob_replica *replica,
                           struct ob_store *store, bool *ret_loaded, struct ob_error *error) {
    struct ob_snapshot_file *file = NULL;
    struct ob_error why = {0};
    enum ob_err failed = ob_snapshot_open(path, snapshots->manifest, &file, &why);
    bool touched = false;
    if (!failed)
        failed = ob_snapshot_in_log(path, file->table, snapshots->manifest, store, &why);
    if (!failed) {
        touched = true;
        failed = ob_snapshot_load(file, replica, &why);
    }
    if (!failed) {
        ob_log(snapshots->logger, OB_LOG_INFO, "snapshot", "loaded=%s samples=%llu", path,
               (unsigned long long)file->table->samples);
        *ret_loaded = true;
        failed = ob_snapshot_replay_above(file->table, replica, store, error);
        ob_snapshot_close(file);
        return failed;
    }
    ob_snapshot_close(file);
    ob_snapshots_set_aside(snapshots, path, why.text);
    return touched ? ob_replica_to_base(replica, error) : OB_OK;
}

static bool was_broken_off(const struct ob_snapshots *snapshots) {
    struct ob_snapshot_file *file = NULL;
    char path[OB_PATH_MAX];
    ob_snapshots_path(snapshots, "incoming", path);
    bool good = ob_snapshot_open(path, snapshots->manifest, &file, NULL) == OB_OK;
    ob_snapshot_close(file);
    return good;
}

enum ob_err ob_snapshots_start(struct ob_snapshots *snapshots, struct ob_replica *replica,
                               struct ob_store *store, bool may_wait, bool *ret_waits,
                               struct ob_error *error) {
    struct dirent **names = NULL;
    int count = scandir(snapshots->folder, &names, is_snapshot, newest_first);
    if (count < 0)
        return ob_fail(error, OB_EIO, "%s: cannot read the folder", snapshots->folder);
    enum ob_err failed = OB_OK;
    bool loaded = false;
    char path[OB_PATH_MAX];
    for (int i = 0; i < count && !failed && !loaded; i++) {
        ob_snapshots_path(snapshots, names[i]->d_name, path);
        failed = try_one(snapshots, path, replica, store, &loaded, error);
        if (loaded) { /* and the next older one, when there is one: oldest first */
            for (int k = i + 1 < count ? i + 1 : i; k >= i && !failed; k--) {
                ob_snapshots_path(snapshots, names[k]->d_name, path);
                ob_snapshots_add(snapshots, path);
            }
            for (int k = i + OB_SNAPSHOTS_KEPT; k < count; k++) {
                ob_snapshots_path(snapshots, names[k]->d_name, path);
                (void)unlink(path);
            }
        }
    }
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
    *ret_waits = !failed && !loaded && may_wait && was_broken_off(snapshots);
    return failed || loaded || *ret_waits ? failed : ob_snapshot_replay_above(NULL, replica, store, error);
}
