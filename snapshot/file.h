/* snapshot_file - snapshots (snapshot/snapshot.h) on a disk: made from a replica, read back leaf by leaf.
 *
 * A file is written to under another name and gets its own when it is whole and synced (ob_snapshot_commit),
 * so that one that has its name was complete once; what has happened to it since, its hashes tell.
 *
 * Errors:  those of snapshot/snapshot.h. ob_snapshot_load: after any error the weights hold nothing useful
 *          (ob_replica_to_base).
 * Owns:    a file owns its descriptor and its table; close accepts NULL.
 * Threads: a file may be read by several at a time; the replica's weights by the one that owns it. */
#ifndef OB_SNAPSHOT_FILE_H
#define OB_SNAPSHOT_FILE_H

#include "base/path.h"
#include "snapshot/snapshot.h"

struct ob_snapshot_file {
    int descriptor;
    char path[OB_PATH_MAX];
    const struct ob_manifest *manifest; /* borrowed */
    struct ob_snapshot *table;
};

/* The table is read and checked, and the length of the file; the leaves are not. */
OB_MUST_USE enum ob_err ob_snapshot_open(const char *path, const struct ob_manifest *manifest,
                                         struct ob_snapshot_file **ret_file, struct ob_error *error);
void ob_snapshot_close(struct ob_snapshot_file *file);

/* ret_values: room for OB_SPSA_LEAF_ELEMENTS. OB_EFORMAT: the leaf does not have its hash. */
OB_MUST_USE enum ob_err ob_snapshot_read_leaf(const struct ob_snapshot_file *file, size_t index,
                                              int32_t *ret_values, struct ob_error *error);
/* The weights become the snapshot's, each leaf checked; replica->samples too. */
OB_MUST_USE enum ob_err ob_snapshot_load(const struct ob_snapshot_file *file, struct ob_replica *replica,
                                         struct ob_error *error);
/* A new file at `path` with the weights as they are at the frontier of `table`: `extras` are the records that
 * they hold above it. Fills in `table`'s leaves, digest and name. Not synced. An old file there is replaced.
 */
OB_MUST_USE enum ob_err ob_snapshot_write(const char *path, const struct ob_replica *replica,
                                          const struct ob_spsa_update *extras, size_t extra_count,
                                          struct ob_snapshot *table, struct ob_error *error);
/* Syncs the file at `from` and gives it the name `to`, in the same folder. */
OB_MUST_USE enum ob_err ob_snapshot_commit(const char *from, const char *to, const char *folder,
                                           struct ob_error *error);

/* All or nothing at an offset; 0, or -1 with errno (0: the file ends there). */
int ob_snapshot_pread(int descriptor, void *ret_data, size_t bytes, uint64_t offset);
int ob_snapshot_pwrite(int descriptor, const void *data, size_t bytes, uint64_t offset);
enum ob_err ob_snapshot_io_error(const char *path, const char *what, struct ob_error *error); /* of errno */

#endif
