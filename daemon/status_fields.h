/* status_fields - what a daemon says of itself: a snapshot of its state, and the table of fields that makes JSON of it.
 *
 * To add a field: one row in status_fields.def (and a member of struct ob_status where none of these has the value), then
 * `ninja -C build update-docs`, which writes the table in docs/files.md.
 *
 * Errors:  ob_status_json is NULL only when there is no memory: no value makes it fail.
 * Owns:    strings are borrowed; `machines` is the caller's.
 * Threads: pure. */
#ifndef OB_DAEMON_STATUS_FIELDS_H
#define OB_DAEMON_STATUS_FIELDS_H

#include <jansson.h>

#include "daemon/audit.h"
#include "daemon/compute.h"
#include "daemon/desk_pause.h"
#include "daemon/learning.h"
#include "daemon/pause.h"
#include "daemon/problem_list.h"
#include "history/health.h"
#include "peer/peer.h"
#include "run/movements.h"
#include "store/store.h"
#include "transport/transport.h"

struct ob_status_machine {
    struct ob_peer_machine peer;
    char name[64];
    bool self, trains, linked, reaches_us;
    double movement_share;              /* 0 … 1 */
    const struct ob_movement *movement; /* NULL: no records */
    struct ob_audit_result audit;       /* below 0: none */
    double last_record_s, last_heard_s; /* NaN: never */
    double link_s;                      /* since it was linked, or no longer; NaN: it never was */
    uint32_t behind;                    /* rounds, of the furthest that trains */
    double share;                       /* of all samples in the log */
    double rate, loss, reported_s;      /* what it tells of itself (NaN: nothing), and the age of that */
    const char *version;                /* "": not told */
    const char *state;                  /* daemon/problems.h */
    const char *endpoint, *why;         /* why: it is not linked; NULL: it is */
};

struct ob_status {
    const char *name, *life;
    bool observer;
    const char *waiting_for; /* NULL: nobody */
    const char *log_waits;   /* why the log cannot be written; NULL: it can */
    uint64_t refused_questions;
    struct ob_pause pause;            /* isolation included */
    const struct ob_desk_pause *desk; /* NULL, and the next one too: a daemon that does not train yet */
    const struct ob_config *config;
    struct ob_run_id run;
    struct ob_machine_id machine;
    double uptime_s, loss, catch_up_s, wire_bytes_per_sample;
    uint64_t max_rounds, own_rounds, own_samples, expires_s, peak_memory_bytes;
    struct ob_hash weights_digest; /* zeros: none yet */
    bool weights_digest_current;
    struct ob_peer_view peer;
    struct ob_compute_view work;
    struct ob_learning learning;
    struct ob_transport_counters traffic;
    struct ob_store_counts log;
    const char *log_error; /* NULL: the counts are good */
    struct {
        const char *join;
        bool provisional;
        uint64_t bytes_have, bytes_total, used_samples, refused, kept, newest_samples, written, sent_bytes,
            dropped;
        double write_seconds;
    } snapshot;
    struct {
        const char *what; /* NULL: nothing */
        uint64_t bytes, of;
    } fetching; /* while `life` is that */
    unsigned threads;
    const char *blas_core, *blas_failed_cores, *kernels;
    char kernels_measured[OB_RACE_TEXT_MAX];
    struct ob_status_machine *machines;
    size_t machine_count;

    const struct ob_health
        *health; /* NULL, and the history's and the problems' too: a daemon that does not train yet */
    const struct ob_history *history;
    double since_round_s;                                                             /* NaN: no round yet */
    double mean_loss, start_loss, swarm_loss, swarm_rate, rounds_per_s, seconds_left; /* NaN: not known */
    struct {
        const struct ob_history_frontier *last, *best; /* NULL: none */
        size_t rows;                                   /* own ones; 0: none */
        uint64_t evaluations;
        double seconds, share; /* of the compute thread: for the last one; of all time */
    } held_out;
    const struct ob_problems *problems;
};

json_t *ob_status_json(const struct ob_status *status);

/* A row of the table, for documentation and its test. `path` of a machine's field begins with "machines[].". */
struct ob_status_field {
    const char *path, *type, *unit, *sentence;
};
extern const struct ob_status_field OB_STATUS_FIELDS[];
extern const size_t OB_STATUS_FIELD_COUNT;

#endif
