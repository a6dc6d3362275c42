/* snapshot_folder - the snapshots that a peer has: STATE_DIR/snapshots.
 *
 *   SAMPLES-NAME.snapshot   SAMPLES in twenty digits, NAME the first eight bytes of its name; the newest two
 *                           are kept
 *   *.aside                 one that was damaged, or is not of this run or log: never read again, may be
 *                           removed; only the last one is kept
 *   writing, incoming       under way
 *
 * Errors:  OB_ENOMEM, OB_EIO of the folder itself, those of a store or of a replay. What is wrong with a
 *          snapshot is told in the log and is no error: the next older one is tried, then the base.
 * Owns:    its open files.
 * Threads: the network thread; ob_snapshots_start before there are others. */
#ifndef OB_SNAPSHOT_FOLDER_H
#define OB_SNAPSHOT_FOLDER_H

#include "run/logger.h"
#include "snapshot/file.h"

#define OB_SNAPSHOTS_KEPT 2

struct ob_snapshots {
    char folder[OB_PATH_MAX - 64];
    const struct ob_manifest *manifest; /* borrowed, as is the log */
    const struct ob_logger *logger;
    size_t count;
    struct ob_snapshot_file *files[OB_SNAPSHOTS_KEPT]; /* newest first */
    uint64_t set_aside;                                /* since the start */
};

OB_MUST_USE enum ob_err ob_snapshots_open(struct ob_snapshots *snapshots, const char *state_dir,
                                          const struct ob_manifest *manifest, const struct ob_logger *logger,
                                          struct ob_error *error);
void ob_snapshots_close(struct ob_snapshots *snapshots);
void ob_snapshots_path(const struct ob_snapshots *snapshots, const char *name, char ret_path[OB_PATH_MAX]);
void ob_snapshots_path_of(const struct ob_snapshots *snapshots, const struct ob_snapshot *table,
                          char ret_path[OB_PATH_MAX]);

/* The weights of a replica that holds the base become base ⊕ log: by the newest good snapshot whose frontier
 * is of this log and the records above it, or by all records. Without one, when a fetch of another peer's was
 * broken off and `may_wait`: *ret_waits, and the weights stay the base, for the fetch to go on
 * (snapshot/join.h). */
OB_MUST_USE enum ob_err ob_snapshots_start(struct ob_snapshots *snapshots, struct ob_replica *replica,
                                           struct ob_store *store, bool may_wait, bool *ret_waits,
                                           struct ob_error *error);
/* Is each of its chains' ends in the store? OB_EMISMATCH: no. */
OB_MUST_USE enum ob_err ob_snapshot_in_log(const char *path, const struct ob_snapshot *table,
                                           const struct ob_manifest *manifest, struct ob_store *store,
                                           struct ob_error *error);
/* Applies the records of a store that the snapshot (NULL: none) does not hold. */
OB_MUST_USE enum ob_err ob_snapshot_replay_above(const struct ob_snapshot *table, struct ob_replica *replica,
                                                 struct ob_store *store, struct ob_error *error);
/* One that has got its name just now: served from here on; the oldest beyond OB_SNAPSHOTS_KEPT is removed. */
void ob_snapshots_add(struct ob_snapshots *snapshots, const char *path);
/* Renames it to *.aside and says why. */
void ob_snapshots_set_aside(struct ob_snapshots *snapshots, const char *path, const char *why);

#endif
