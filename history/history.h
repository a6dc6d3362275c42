/* history - what a peer remembers of its run for people: rounds, frontiers and events, in STATE_DIR/history.sqlite.
 *
 * Nothing that counts depends on it: it may be removed, lost or damaged at any time, and the run goes on. A file that is
 * damaged, or of another schema or run, is renamed to history.sqlite.old and begun anew; the caller is told.
 *
 * Rows (history/row.h) are thinned with age: when a level has more than OB_HISTORY_ROWS of them, its two oldest become one
 * row of the next. So the newest rounds stand alone, those before by two, by four …, and no run of any length has more than
 * OB_HISTORY_LEVELS x (OB_HISTORY_ROWS + 1) rows.
 *
 * Frontiers: the named frontiers with their digests and, where held-out rows were evaluated, the swarm's score. At most
 * OB_HISTORY_FRONTIERS; beyond that every other one of the older half goes, never the best or the first with a score.
 * Events: the newest OB_HISTORY_EVENTS.
 *
 * Durability: WAL, synchronous=NORMAL: a kill loses what was added since the last ob_history_flush, a power cut perhaps a
 *          little more. When the file cannot be written (a full disk), everything is kept in memory and written again later.
 * Errors:  opening for reading: OB_ENOTFOUND (no history), OB_EFORMAT (damaged), OB_EUNSUPPORTED (another schema),
 *          OB_EMISMATCH (another run's), OB_EREFUSED, OB_EIO: name the file.
 * Owns:    its database and its tables in memory.
 * Threads: one at a time; several programs may read while one writes. */
#ifndef OB_HISTORY_HISTORY_H
#define OB_HISTORY_HISTORY_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/ids.h"
#include "history/tables.h"

struct ob_history;
struct history_file;

/* For writing. Never fails because of what is in the file, or of the disk: *ret_warning says what was wrong with it and
 * what was done ("": nothing). Errors: OB_ENOMEM. */
OB_MUST_USE enum ob_err ob_history_open(const char *state_dir, const struct ob_run_id *run,
                                        struct ob_history **ret_history, struct ob_error *ret_warning,
                                        struct ob_error *error);
/* For reading: a copy of what is there now. run NULL: of any run. */
OB_MUST_USE enum ob_err ob_history_read(const char *state_dir, const struct ob_run_id *run,
                                        struct ob_history **ret_history, struct ob_error *error);
void ob_history_close(struct ob_history *history); /* flushes; accepts NULL */

/* For who looks every second: the file is opened and checked once, and again when another one took its place; then a look costs
 * what its rows cost, however long the history is. Zeros: nothing was read yet. After an error, the next look tries again. */
struct ob_history_tail {
    struct history_file *file; /* owned; NULL: not open */
    dev_t device;              /* which file it is */
    ino_t inode;
};
/* As ob_history_read, but with the newest `rows` rows alone, without frontiers and events. */
OB_MUST_USE enum ob_err ob_history_tail_read(struct ob_history_tail *tail, const char *state_dir, size_t rows,
                                             struct ob_history **ret_history, struct ob_error *error);
void ob_history_tail_close(struct ob_history_tail *tail);

void ob_history_add_row(struct ob_history *history, const struct ob_history_row *row);
/* Adds or replaces the frontier of that round. `ends`: of its chains, kept for the best and the newest; count 0: as before. */
void ob_history_put_frontier(struct ob_history *history, const struct ob_history_frontier *frontier,
                             const struct ob_history_end *ends, size_t count);
/* Records of this round and later ones were taken out: frontiers above it are not what they were, and go. */
void ob_history_forget_above(struct ob_history *history, uint32_t round);
void ob_history_add_event(struct ob_history *history, const struct ob_history_event *event);
/* What was added is in the file now. False: it cannot be written just now; it is tried again at a later call. `ret_error` then
 * says why, once for each time that it begins to fail. */
bool ob_history_flush(struct ob_history *history, struct ob_error *ret_error);

/* Oldest first. What they return is valid until the next change. */
size_t ob_history_row_count(const struct ob_history *history);
const struct ob_history_row *ob_history_row_at(const struct ob_history *history, size_t i);
size_t ob_history_frontier_count(const struct ob_history *history);
const struct ob_history_frontier *ob_history_frontier_at(const struct ob_history *history, size_t i);
size_t ob_history_event_count(const struct ob_history *history);
const struct ob_history_event *ob_history_event_at(const struct ob_history *history, size_t i);

/* NULL: none. The best has the lowest held-out loss of those that the most machines evaluated (at least half as many as
 * the most). */
const struct ob_history_frontier *ob_history_best(const struct ob_history *history);
const struct ob_history_frontier *ob_history_frontier_of(const struct ob_history *history, uint32_t round);
/* The ends of a frontier's chains, by machine; NULL and 0: not kept. */
const struct ob_history_end *ob_history_ends(const struct ob_history *history, uint32_t round,
                                             size_t *ret_count);

#endif
