/* file - history.sqlite, schema 2; private to history/. docs/files.md explains it.
 *
 *   meta(key TEXT PRIMARY KEY, value BLOB)                  schema, run
 *   round(id INTEGER PRIMARY KEY, the members of struct ob_history_row)     by id, oldest first
 *     schema 1 ends before `replay`: it is read as it is, and opening it for writing adds the columns
 *   frontier(round INTEGER PRIMARY KEY, the members of struct ob_history_frontier, ends BLOB)
 *     ends: for each machine key 32 ‖ next u64, little-endian
 *   event(id INTEGER PRIMARY KEY, time_ms, kind, machine, text)
 *
 * What is read is as hostile as what comes from a socket: its size, its integrity, every type and every range are checked. */
#ifndef OB_HISTORY_FILE_H
#define OB_HISTORY_FILE_H

#include "base/err.h"
#include "history/tables.h"

struct history_file;

/* create: for writing, made when it is not there. OB_EFORMAT, OB_EUNSUPPORTED, OB_EMISMATCH: begin anew; else it cannot be used now. */
OB_MUST_USE enum ob_err history_file_open(const char *path, const struct ob_run_id *run, bool create,
                                          struct history_file **ret_file, struct ob_error *error);
void history_file_close(struct history_file *file); /* commits; accepts NULL */

/* Reading, by id or round; `see` returns false when a row cannot be so (OB_EFORMAT). `newest`: so many rows at most; 0: all. */
OB_MUST_USE enum ob_err history_file_each_row(struct history_file *file, size_t newest,
                                              bool (*see)(void *context, int64_t id,
                                                          const struct ob_history_row *row),
                                              void *context, struct ob_error *error);
OB_MUST_USE enum ob_err
history_file_each_frontier(struct history_file *file,
                           bool (*see)(void *context, const struct ob_history_frontier *frontier,
                                       const struct ob_history_end *ends, size_t count),
                           void *context, struct ob_error *error);
OB_MUST_USE enum ob_err history_file_each_event(struct history_file *file,
                                                bool (*see)(void *context, int64_t id,
                                                            const struct ob_history_event *event),
                                                void *context, struct ob_error *error);

/* Writing, in a transaction that lasts until the commit. After a failure the rest does nothing, and the commit says why. */
void history_file_put_row(struct history_file *file, int64_t id, const struct ob_history_row *row);
void history_file_put_frontier(struct history_file *file, const struct ob_history_frontier *frontier,
                               const struct ob_history_end *ends, size_t count);
void history_file_put_event(struct history_file *file, int64_t id, const struct ob_history_event *event);
enum history_table { HISTORY_ROUND, HISTORY_FRONTIER, HISTORY_EVENT };
void history_file_remove(struct history_file *file, enum history_table table, int64_t id);
void history_file_clear(struct history_file *file);
OB_MUST_USE enum ob_err history_file_commit(struct history_file *file, struct ob_error *error);

#endif
