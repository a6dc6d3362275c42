/* power_vfs - SQLite on a disk that loses its power: what was written and not synced may be lost, in any
 * part.
 *
 * A VFS over SQLite's own. Files are written through, so that everything reads what it wrote; beside it each
 * file has an image of what is safe: xSync carries the writes since the last one over to it. After `cut_at`
 * writes, truncations, syncs and deletions every further one fails and nothing is safe any more;
 * power_vfs_lose then makes the files what a disk might hold: the safe image and some of the unsynced writes
 * (none, all, or each sector of 512 bytes by a coin), a file that was deleted and whose folder was not synced
 * perhaps as it was before.
 *
 * As SQLite assumes of a disk (SQLITE_IOCAP_POWERSAFE_OVERWRITE): bytes that are not being written stay. */
#ifndef OB_TESTS_DAEMON_POWER_VFS_H
#define OB_TESTS_DAEMON_POWER_VFS_H

#include <stdbool.h>
#include <stdint.h>

enum power_loss { POWER_LOSE_ALL, POWER_LOSE_NOTHING, POWER_LOSE_SOME, POWER_LOSSES };

/* Becomes SQLite's default; every connection checkpoints after `checkpoint_pages`. */
void power_vfs_install(int checkpoint_pages);
/* Starts over with a disk on which nothing has happened. `cut_at`: UINT64_MAX for never. */
void power_vfs_start(uint64_t cut_at);
uint64_t power_vfs_operations(void); /* since power_vfs_start */
bool power_vfs_is_cut(void);
/* All connections are closed. The files of the disk become what is left of them; power is back. */
void power_vfs_lose(enum power_loss loss, uint64_t seed);

#endif
