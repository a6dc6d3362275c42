/* store - the log of one run and the peer's own state, in SQLite (STATE_DIR/log.sqlite).
 *
 * Tables (docs/files.md): `meta` (key, value), `machine` (number, key), `record` (machine number, first
 * sample, the rest of it as store/row.h says), `control` (kind, signer, subject, entry).
 *
 * Durability: synchronous=FULL with a write-ahead log. ob_store_own, ob_store_control and ob_store_cut are
 *          on the disk when they return (invariant 4); ob_store_other waits for ob_store_flush, which takes
 *          everything in the order in which it was handed in.
 * Damage:  every row has a check and every chain is followed whenever it is read; opening for writing
 *          verifies every signature as well, by all threads. A database that is found damaged then is moved
 *          away to log.sqlite.damaged; what is good of it is kept (each chain up to its first wrong record),
 *          what is not is named, and is for the peer to fetch again.
 * Errors:  OB_EFULL (no room), OB_ELOCKED (another program has a lock on the database), OB_EMOVED (somebody removed
 *          or replaced one of its files): nothing of what was handed in with that call was kept, what was handed in
 *          before still waits: call again when it is mended. OB_EFORMAT (damaged), OB_EMISMATCH (another
 *          run's, another machine's), OB_EUNSUPPORTED (another version's; a file system without
 *          locks or shared mappings), OB_EBUSY (another daemon has it), OB_EREFUSED (permissions,
 *          base/access.h), OB_ENOTFOUND (reading: no log), OB_EIO: the message names the file.
 * Owns:    the database and a lock on STATE_DIR/lock.
 * Threads: one at a time; several stores of one directory that are open for reading may be used beside
 *          the one that writes. */
#ifndef OB_STORE_STORE_H
#define OB_STORE_STORE_H

#include "base/err.h"
#include "base/pool.h"
#include "record/control.h"
#include "record/record.h"

struct ob_store;

struct ob_store_options {
    const char *state_dir;
    struct ob_run_id run;
    struct ob_record_bounds bounds;
    const struct ob_machine_id *machine; /* whose state it is; NULL: open for reading only */
    unsigned threads;                    /* that verify it when it is opened for writing; 0: all processors */
};

OB_MUST_USE enum ob_err ob_store_open(const struct ob_store_options *options, struct ob_store **ret_store,
                                      struct ob_error *error);
void ob_store_close(struct ob_store *store); /* commits what is left */
/* Of one that was opened for reading: from here on it sees the log as it is now, whatever is added or
 * removed. */
OB_MUST_USE enum ob_err ob_store_hold(struct ob_store *store, struct ob_error *error);
/* The state is new, or provably the one that was left here: nobody put back an older copy of it, and nothing
 * of it was lost. Otherwise others must say first what they hold of our chain; the first own record that is
 * stored settles it. */
bool ob_store_may_start_alone(const struct ob_store *store);

/* Our own samples below this may have been signed although the log has them no more, because their records
 * were cut: 0 when none were. */
OB_MUST_USE enum ob_err ob_store_signed(struct ob_store *store, struct ob_sample *ret_next,
                                        struct ob_error *error);
/* A number that is larger than at every earlier call for this state, and at least `at_least` (Unix
 * nanoseconds: then it rises too when the clock was set back). Durable when it returns; on a full disk it is
 * not, and rises with the clock alone. */
OB_MUST_USE enum ob_err ob_store_instance(struct ob_store *store, uint64_t at_least, uint64_t *ret_instance,
                                          struct ob_error *error);

#define OB_STORE_DROPPED_MAX  16
#define OB_STORE_DROPPED_TEXT OB_ERROR_TEXT_MAX

/* What opening found. */
struct ob_store_rescue {
    bool happened;
    uint64_t records; /* that were kept */
    size_t count;     /* of what was dropped: named by `dropped` up to OB_STORE_DROPPED_MAX */
    char dropped[OB_STORE_DROPPED_MAX][OB_STORE_DROPPED_TEXT];
};
const struct ob_store_rescue *ob_store_rescued(const struct ob_store *store);

OB_MUST_USE enum ob_err ob_store_own(struct ob_store *store, const struct ob_record *record,
                                     struct ob_error *error);
OB_MUST_USE enum ob_err ob_store_other(struct ob_store *store, const struct ob_record *record,
                                       struct ob_error *error);
OB_MUST_USE enum ob_err ob_store_control(struct ob_store *store, const struct ob_control *control,
                                         const void *data, size_t bytes, struct ob_error *error);
/* Deletes a machine's records from the one whose first sample is `first` on; of our own, how far they went is
 * remembered. */
OB_MUST_USE enum ob_err ob_store_cut(struct ob_store *store, const struct ob_machine_id *machine,
                                     struct ob_sample first, struct ob_error *error);
OB_MUST_USE enum ob_err ob_store_flush(struct ob_store *store, struct ob_error *error);

/* `see` returns an error to stop. Records of each machine in chain order, machine after machine; the record
 * is valid during the call. `see` must not call the store. */
typedef enum ob_err (*ob_store_record_fn)(void *context, const struct ob_record *record,
                                          struct ob_error *error);
OB_MUST_USE enum ob_err ob_store_each(struct ob_store *store, ob_store_record_fn see, void *context,
                                      struct ob_error *error);
/* Every machine that has a row, by key; `see` may read its records (ob_store_from). */
typedef enum ob_err (*ob_store_machine_fn)(void *context, const struct ob_machine_id *machine,
                                           struct ob_error *error);
OB_MUST_USE enum ob_err ob_store_each_machine(struct ob_store *store, ob_store_machine_fn see, void *context,
                                              struct ob_error *error);
/* The records of one machine, each signature verified too, by all threads of the pool (NULL: by this one), up
 * to the first that is not good: OB_EFORMAT names it. What was handed in and is not committed is not seen. */
OB_MUST_USE enum ob_err ob_store_each_verified(struct ob_store *store, const struct ob_machine_id *machine,
                                               struct ob_pool *pool, ob_store_record_fn see, void *context,
                                               struct ob_error *error);
/* Are there rows of records that nothing leads to (of a machine that has no row, below sample 0)? OB_EFORMAT:
 * yes; reading leaves them out. */
OB_MUST_USE enum ob_err ob_store_check_rows(struct ob_store *store, struct ob_error *error);
/* The record of a machine that holds `sample`, to ret_data (OB_RECORD_BYTES_MAX), its signature verified:
 * what is concluded from it must not rest on a row that somebody changed. OB_ENOTFOUND: there is none. */
OB_MUST_USE enum ob_err ob_store_find(struct ob_store *store, const struct ob_machine_id *machine,
                                      struct ob_sample sample, uint8_t *ret_data, size_t *ret_bytes,
                                      struct ob_error *error);
/* Is a record of this chain missing on the disk, damaged, or not signed by its machine: of those from the one that holds
 * `from` on (and up to 32 before it), at most records_max, below `end`, where the chain ends? True: the first such
 * begins at *ret_first. Verifies signatures, by this thread. */
bool ob_store_find_bad(struct ob_store *store, const struct ob_machine_id *machine, struct ob_sample from,
                       struct ob_sample end, size_t records_max, struct ob_sample *ret_first);
/* Puts records of one machine, in chain order, in the places of what ob_store_find_bad found: as many as are wrong. Only
 * when they are of the chain that was stored: signed, going on from a record before that is good, and leading to a
 * record that is stored, or to `head`, the chain's end.
 * Errors:  OB_EMISMATCH, they do not; nothing was changed. */
OB_MUST_USE enum ob_err ob_store_mend(struct ob_store *store, const struct ob_record *records, size_t count,
                                      const struct ob_hash *head, size_t *ret_mended, struct ob_error *error);
/* Records of one machine from the one that holds sample `first` on. OB_ENOTFOUND from `see` ends it quietly.
 */
OB_MUST_USE enum ob_err ob_store_from(struct ob_store *store, const struct ob_machine_id *machine,
                                      struct ob_sample first, ob_store_record_fn see, void *context,
                                      struct ob_error *error);
/* Every machine's records of this round and later ones. Costs what they are, not what the log is. */
OB_MUST_USE enum ob_err ob_store_since(struct ob_store *store, struct ob_round round, ob_store_record_fn see,
                                       void *context, struct ob_error *error);
/* What an entry's row says of it, beside the entry. */
struct ob_store_entry {
    int kind;
    bool keys_fit; /* signer and subject are keys */
    struct ob_machine_id signer, subject;
    const void *data; /* not checked: ob_control_decode, ob_control_verify */
    size_t bytes;
};
typedef enum ob_err (*ob_store_entry_fn)(void *context, const struct ob_store_entry *entry,
                                         struct ob_error *error);
OB_MUST_USE enum ob_err ob_store_each_entry(struct ob_store *store, ob_store_entry_fn see, void *context,
                                            struct ob_error *error);
typedef enum ob_err (*ob_store_control_fn)(void *context, const void *data, size_t bytes,
                                           struct ob_error *error);
OB_MUST_USE enum ob_err ob_store_each_control(struct ob_store *store, ob_store_control_fn see, void *context,
                                              struct ob_error *error);

struct ob_store_counts {
    uint64_t records, samples, file_bytes;
};
OB_MUST_USE enum ob_err ob_store_counts(struct ob_store *store, struct ob_store_counts *ret_counts,
                                        struct ob_error *error);

#endif
