/* config - the configuration of one daemon: an INI file, and settings from the command line over it.
 *
 * Every key, its range and its default stand in one table (config.c); configs/onebyte.conf documents each,
 * and a test keeps the two alike. An unknown section or key is an error, so that a typo is not a silent
 * default.
 *
 * Errors:  OB_EUSAGE, OB_ENOTFOUND, OB_ETOOBIG: name the file, the line and the key.
 * Owns:    its strings, inside the struct. */
#ifndef OB_DAEMON_CONFIG_H
#define OB_DAEMON_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ids.h"
#include "base/path.h"
#include "desk/priority.h"
#include "desk/run_when.h"
#include "run/logger.h"
#include "snapshot/context.h"
#include "transport/address.h"

#define OB_PEERS_MAX 1024

/* A line of [peers]: `name = KEY@tcp://host:port` (a join string), the same with a space instead of the @, or
 * `name = KEY` for one that connects to us: where to look first, and what to call a machine here. Who belongs
 * is not said here but by certificates. */
struct ob_config_peer {
    char name[64];
    struct ob_machine_id machine;
    char endpoint[256]; /* "" when there is none */
};

enum ob_config_sides { OB_SIDES_AUTO, OB_SIDES_TWO, OB_SIDES_ONE };

struct ob_config {
    /* [machine] */
    char state_dir[OB_PATH_MAX];
    char identity[OB_PATH_MAX]; /* default: STATE_DIR/identity */
    /* [run] */
    char manifest[OB_PATH_MAX];
    char model[OB_PATH_MAX];
    char model_parts[2 * OB_HASH_BYTES + 1]; /* name of the list of its files; "" */
    bool share_model;
    char certificate[OB_PATH_MAX]; /* default: STATE_DIR/certificate */
    /* [network] */
    char listen[256];
    char advertise[256]; /* where others reach us when that is not `listen`; "" */
    bool beacon;
    int64_t beacon_port;
    /* [training] */
    char data[OB_PATH_MAX];
    char chat_template[64]; /* "": the model's own */
    int64_t batch, rows, rows_per_sample, directions_per_row, pass_memory_mb, curvature_interval;
    enum ob_config_sides sides;
    int64_t length, shard, shards, samples_per_round, exponent, seed;
    char held_out[OB_PATH_MAX];
    int64_t held_out_interval;
    double held_out_share; /* percent */
    bool pause_when_diverging;
    double epsilon, clip, noise;
    char products[32];               /* auto, bfloat16, or a name of model/forward/products.h */
    char frozen_folder[OB_PATH_MAX]; /* "": packed frozen weights are not shared */
    int64_t prefix_memory_mb, prefix_file_mb;
    bool observer, exit_when_finished;
    /* [swarm] */
    int64_t max_staleness, rejoin_wait_s, isolation_rounds;
    bool solo, relay, share_metrics;
    enum ob_snapshot_mode snapshot;
    int64_t snapshot_upload_kib;
    /* [desk] */
    char run_when[OB_RUN_WHEN_MAX];
    struct ob_run_when when;      /* what run_when says */
    double idle_minutes, max_cpu; /* max_cpu: percent */
    bool pause_on_battery;
    int64_t max_memory_mb, nice; /* MB of 10^6 bytes; 0: no limit */
    enum ob_io_class io_class;
    char power_folder[OB_PATH_MAX], devices_folder[OB_PATH_MAX];
    /* [status] */
    char http[256];                    /* ADDRESS:PORT of the page; "": none */
    char http_token_file[OB_PATH_MAX]; /* "": no token */
    /* [machine] */
    int64_t threads, digest_interval, memory_check_interval;
    double snapshot_replay_s;
    char on_event[OB_PATH_MAX];
    char blas_core[64];
    enum ob_log_level log_level;
    /* [peers] */
    struct ob_config_peer *peers;
    size_t peer_count;
};

/* `overrides`: "section.key=value" each. */
OB_MUST_USE enum ob_err ob_config_read(const char *path, const char *const *overrides, size_t override_count,
                                       struct ob_config **ret_config, struct ob_error *error);
/* KEY@tcp://host:port, the same with blanks instead of the @, or KEY alone (endpoint "").
 * Errors:  OB_EUSAGE.
 */
OB_MUST_USE enum ob_err ob_join_string_parse(const char *text, struct ob_machine_id *ret_machine,
                                             char ret_endpoint[OB_ENDPOINT_MAX], struct ob_error *error);
void ob_config_free(struct ob_config *config);

/* What can change while a daemon runs becomes what `from` says (peers, log_level, snapshot_upload_kib; `from` gets what was
 * there before, to be freed); every other key that differs is shown to `see`, and stays. */
void ob_config_reload(struct ob_config *config, struct ob_config *from,
                      void (*see)(void *context, const char *section, const char *key), void *context);

/* Of [desk]: run_when, idle_minutes, pause_on_battery and max_cpu become what `from` says. */
void ob_config_reload_desk(struct ob_config *config, const struct ob_config *from);

/* For documentation and its test: calls `see` for every key. */
void ob_config_each_key(void (*see)(void *context, const char *section, const char *key,
                                    const char *fallback),
                        void *context);

#endif
