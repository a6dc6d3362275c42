/* store_internal - what an open store remembers, and what the files of store/ are to one another.
 *
 * Design notes. What is handed in waits in memory, in order, until it is committed in one transaction: a
 * commit that fails (a full disk) loses nothing and leaves no gap in a chain, it is simply made again. The
 * table of machines is in memory, so that a record costs one insert. */
#ifndef OB_STORE_STORE_INTERNAL_H
#define OB_STORE_STORE_INTERNAL_H

#include <sqlite3.h>
#include <sys/types.h>

#include "base/path.h"
#include "base/pool.h"
#include "store/row.h"
#include "store/store.h"

#define OB_STORE_QUEUE_MAX 256 /* changes that wait for a commit */

struct ob_store_machine {
    struct ob_machine_id id;
    int64_t number;
    bool stored;      /* its row is in the table `machine`, or waits in the queue */
    unsigned without; /* rows without prev since the last one that has it */
};

enum ob_store_change_kind { OB_CHANGE_MACHINE, OB_CHANGE_RECORD, OB_CHANGE_CONTROL, OB_CHANGE_REMOVE };

struct ob_store_change {
    enum ob_store_change_kind kind;
    int64_t number, first;                /* RECORD, REMOVE, MACHINE */
    int control;                          /* CONTROL: its kind */
    struct ob_machine_id signer, subject; /* CONTROL; MACHINE: subject */
    size_t bytes;
    uint8_t *data; /* owned */
};

/* Which file a name stands for. */
struct ob_store_file {
    dev_t device;
    ino_t inode;
};
#define OB_STORE_FILES 3 /* the log, its write-ahead log, the lock */

struct ob_store {
    sqlite3 *db;
    int lock;
    struct ob_store_file files[OB_STORE_FILES]; /* as they were when they were opened for writing */
    char folder[OB_PATH_MAX], path[OB_PATH_MAX];
    struct ob_run_id run;
    struct ob_record_bounds bounds;
    struct ob_machine_id machine; /* whose state it is, unless read_only */
    bool read_only, may_start_alone;
    bool lenient; /* a damaged database: rows of machines that are wrong are left out */
    sqlite3_stmt *put_machine, *put_record, *put_control, *remove_records, *forward, *backward;

    struct ob_store_machine *machines; /* sorted by id */
    size_t machine_count, machine_capacity;
    int64_t last_number;

    struct ob_store_change queue[OB_STORE_QUEUE_MAX];
    size_t queue_count;

    struct ob_store_counts counts;
    struct ob_store_rescue rescue;
};

/* db.c */
enum ob_err ob_store_sql_error(const struct ob_store *store, struct ob_error *error);
enum ob_err ob_store_execute(struct ob_store *store, const char *sql, struct ob_error *error);
/* The value of a key of `meta`, cut off at `capacity`; *ret_bytes 0: there is none. */
enum ob_err ob_store_meta_get(struct ob_store *store, const char *key, void *ret_value, size_t capacity,
                              size_t *ret_bytes, struct ob_error *error);
/* The same as a text; "" when there is none. */
enum ob_err ob_store_meta_text(struct ob_store *store, const char *key, char *ret_text, size_t capacity,
                               struct ob_error *error);
enum ob_err ob_store_meta_put(struct ob_store *store, const char *key, const void *value, size_t bytes,
                              struct ob_error *error);

/* machines.c, on db.c */
struct ob_store_machine *ob_store_machine_of(const struct ob_store *store, const struct ob_machine_id *id);
/* The first one behind `id` (NULL: of all); NULL: none. */
const struct ob_store_machine *ob_store_machine_after(const struct ob_store *store,
                                                      const struct ob_machine_id *id);
/* Finds or adds (in memory only). NULL: out of memory. */
struct ob_store_machine *ob_store_take(struct ob_store *store, const struct ob_machine_id *id,
                                       int64_t number);
enum ob_err ob_store_load_machines(struct ob_store *store, struct ob_error *error); /* those that are new */

/* files.c: the files of a store that is written are ours alone, and stay what they are */
enum ob_err ob_store_files_check(const struct ob_store *store,
                                 struct ob_error *error); /* before they are opened */
void ob_store_files_note(struct ob_store *store);
/* OB_EMOVED names the one that is gone or another one now. */
enum ob_err ob_store_files_same(const struct ob_store *store, struct ob_error *error);

/* queue.c, on db.c (ob_store_flush is its third) */
/* Makes room for `count` further changes. */
enum ob_err ob_store_make_room(struct ob_store *store, size_t count, struct ob_error *error);
/* Takes a copy of `data`. There is room. */
enum ob_err ob_store_push(struct ob_store *store, struct ob_store_change change, const void *data,
                          struct ob_error *error);
void ob_store_drop_after(struct ob_store *store, size_t count);

/* read.c, on queue.c and machines.c */
enum ob_err ob_store_count_one(void *counts, const struct ob_record *record, struct ob_error *error);
/* The records of one machine, chained and checked; what waits in the queue is not seen. */
enum ob_err ob_store_machine_records(struct ob_store *store, const struct ob_store_machine *machine,
                                     struct ob_sample first, ob_store_record_fn see, void *context,
                                     struct ob_error *error);

/* place.c, on db.c: is this the directory that the daemon left? */
enum ob_err ob_store_place_check(struct ob_store *store, bool fresh, bool *ret_same, struct ob_error *error);
enum ob_err ob_store_place_renew(struct ob_store *store, struct ob_error *error);

/* database.c, on db.c, machines.c and place.c: it is this run's and this machine's. */
enum ob_err ob_store_open_database(struct ob_store *store, struct ob_error *error);
void ob_store_close_database(struct ob_store *store);

/* check.c, on read.c */
/* OB_EFORMAT when something is damaged; names it. Counts records and samples. */
enum ob_err ob_store_check(struct ob_store *store, struct ob_pool *pool, struct ob_error *error);
/* The records of one machine, chained, checked and their signatures verified by all threads of the pool, up
 * to the first that is not good: OB_EFORMAT, named. */
enum ob_err ob_store_verified(struct ob_store *store, const struct ob_store_machine *machine,
                              struct ob_pool *pool, ob_store_record_fn see, void *context,
                              struct ob_error *error);
/* An entry is worth what its signature is worth, in its own row. */
enum ob_err ob_store_check_entry(const struct ob_store *store, const struct ob_store_entry *entry,
                                 struct ob_control *ret_control, struct ob_error *error);

/* rescue.c, on all of the above and write.c */
/* Moves the damaged database away and takes over what is good of it. `why` is told. */
enum ob_err ob_store_rescue_from(struct ob_store *store, struct ob_pool *pool, const char *why,
                                 struct ob_error *error);

#endif
