#include "daemon/open.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/access.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/path.h"
#include "daemon/file_fetch.h"
#include "daemon/manifest_fetch.h"
#include "daemon/model_files.h"
#include "daemon/names.h"
#include "daemon/progress_log.h"
#include "daemon/rows.h"
#include "daemon/sampling.h"
#include "desk/memory.h"
#include "record/sign.h"
#include "record/wire.h"
#include "run/basis_file.h"
#include "run/journal.h"
#include "spsa/memory_check.h"
#include "transport/status_client.h"

static void wake(void *context) {
    struct ob_daemon *daemon = context;
    ob_transport_wake(daemon->session.transport);
}

static enum ob_err open_identity(struct ob_daemon *daemon, struct ob_error *error) {
    enum ob_err failed = ob_file_make_folder(daemon->session.config->state_dir, 0700, error);
    if (!failed)
        failed = ob_access_own_folder(daemon->session.config->state_dir, error);
    return failed ? failed : ob_identity_load(daemon->session.config->identity, &daemon->identity, error);
}

/* Of the file, or, with a certificate and without the file, from a peer. */
static enum ob_err open_manifest(struct ob_daemon *daemon, struct ob_error *error) {
    const char *path = daemon->session.config->manifest;
    struct stat info;
    bool there = stat(path, &info) == 0 || errno != ENOENT;
    enum ob_err failed = there ? ob_manifest_read(path, &daemon->session.manifest, error) : OB_OK;
    if (!failed)
        failed = ob_membership_read_certificate(&daemon->membership, &daemon->session, there, error);
    if (failed || there)
        return failed;
    failed = ob_certificate_file_check(daemon->session.config->certificate, &daemon->membership.certificate,
                                       &daemon->identity.machine, ob_wall_s(), error);
    if (!failed)
        failed = ob_manifest_fetch(&daemon->session, &daemon->membership.certificate, error);
    return failed ? failed : ob_manifest_read(path, &daemon->session.manifest, error);
}

/* From other machines, if it is not beside the manifest and they can be asked. */
static enum ob_err fetch_basis(struct ob_daemon *daemon, struct ob_error *error) {
    const struct ob_session *session = &daemon->session;
    const struct ob_manifest *manifest = session->manifest;
    struct ob_file_wanted wanted = {.what = "the basis of the adapters",
                                    .name = manifest->basis,
                                    .bytes_max = OB_BASIS_BYTES_MAX,
                                    .path = manifest->basis_path};
    struct stat info;
    bool there = stat(manifest->basis_path, &info) == 0 || errno != ENOENT;
    if (there || !daemon->membership.has_certificate || !ob_fetching_has_source(session->config))
        return OB_OK;
    enum ob_err failed =
        ob_certificate_file_check(session->config->certificate, &daemon->membership.certificate,
                                  &daemon->identity.machine, ob_wall_s(), error);
    return failed ? failed : ob_file_fetch(session, &daemon->membership.certificate, &wanted, error);
}

/* The run's files beside the manifest; members may fetch them from us. */
static enum ob_err open_basis(struct ob_daemon *daemon, struct ob_error *error) {
    const struct ob_manifest *manifest = daemon->session.manifest;
    struct ob_basis *basis = NULL;
    if (!manifest->has_basis)
        return OB_OK;
    enum ob_err failed = fetch_basis(daemon, error);
    if (!failed)
        failed = ob_run_basis_open(manifest, &basis, error);
    ob_basis_free(basis);
    if (!failed)
        failed =
            ob_share_open(manifest->basis_path, OB_BASIS_BYTES_MAX, NULL, NULL, &daemon->shares[0], error);
    daemon->share_count = failed ? 0 : 1;
    return failed;
}

/* Another program has the log locked: it is waited for, and said once. A signal ends the program at once here. */
static bool waits_for_lock(const struct ob_daemon *daemon, enum ob_err failed, const struct ob_error *why,
                           bool *told) {
    char text[600];
    if (failed != OB_ELOCKED)
        return false;
    if (!*told)
        ob_log(&daemon->logger, OB_LOG_ERROR, "log-locked", "text=%s",
               ob_logger_quote(why->text, text, sizeof text));
    *told = true;
    sleep(1);
    return true;
}

static enum ob_err open_files(struct ob_daemon *daemon, struct ob_error *error) {
    const struct ob_membership *membership = &daemon->membership;
    enum ob_err failed = open_basis(daemon, error);
    if (!failed)
        failed = ob_model_files_fetch(&daemon->session,
                                      membership->has_certificate ? &membership->certificate : NULL, error);
    if (!failed)
        failed = ob_model_files_share(&daemon->session, daemon->shares, OB_DAEMON_SHARES,
                                      &daemon->share_count, error);
    return failed;
}

static enum ob_err open_store(struct ob_daemon *daemon, struct ob_error *error) {
    struct ob_store_options options = {.state_dir = daemon->session.config->state_dir,
                                       .run = daemon->session.manifest->run,
                                       .bounds = daemon->session.manifest->bounds,
                                       .machine = &daemon->identity.machine,
                                       .threads = (unsigned)daemon->session.config->threads};
    struct ob_error why = {0};
    bool told = false;
    enum ob_err failed;
    do
        failed = ob_store_open(&options, &daemon->session.store, &why);
    while (waits_for_lock(daemon, failed, &why, &told));
    if (failed)
        *error = why;
    return failed;
}

static enum ob_err open_instance(struct ob_daemon *daemon, uint64_t *ret_instance, struct ob_error *error) {
    struct ob_error why = {0};
    bool told = false;
    enum ob_err failed;
    do
        failed = ob_store_instance(daemon->session.store, ob_wall_ns(), ret_instance, &why);
    while (waits_for_lock(daemon, failed, &why, &told));
    if (failed)
        *error = why;
    return failed;
}

static void tell_store(const struct ob_daemon *daemon) {
    const struct ob_store_rescue *rescue = ob_store_rescued(daemon->session.store);
    char text[600];
    for (size_t i = 0; i < rescue->count && i < OB_STORE_DROPPED_MAX; i++)
        ob_log(&daemon->logger, OB_LOG_ERROR, "log-damaged", "text=%s",
               ob_logger_quote(rescue->dropped[i], text, sizeof text));
    if (rescue->happened)
        ob_log(&daemon->logger, OB_LOG_ERROR, "log-repaired",
               "kept=%llu dropped=%zu text=\"fetching the dropped records from other machines; the damaged "
               "log is kept as log.sqlite.damaged\"",
               (unsigned long long)rescue->records, rescue->count);
    if (!ob_store_may_start_alone(daemon->session.store))
        ob_log(&daemon->logger, OB_LOG_WARN, "log-unsure",
               "text=\"the state directory was copied, restored or damaged since the last stop; signing "
               "nothing until other machines have reported where our chain ends\"");
}

static enum ob_err open_data(struct ob_daemon *daemon, struct ob_error *error) {
    const struct ob_session *session = &daemon->session;
    return session->config->observer
               ? OB_OK
               : ob_rows_open(session->config, &session->replica->model->config, session->replica->pool,
                              session->logger, &daemon->tokenizer, &daemon->corpus, error);
}

/* What is allowed, but hardly meant. */
static void tell_samples(const struct ob_daemon *daemon, const struct ob_sampling *sampling) {
    const struct ob_config *config = daemon->session.config;
    const struct ob_manifest *manifest = daemon->session.manifest;
    if (config->observer)
        return;
    int64_t pass = ob_sampling_pass(sampling), round = ob_sampling_round(config, manifest);
    ob_log(&daemon->logger, OB_LOG_INFO, "samples",
           "rows=%lld rows_per_sample=%lld directions_per_row=%lld sides=%s", (long long)sampling->rows,
           (long long)sampling->rows_per_sample, (long long)sampling->directions,
           sampling->one_sided ? "one" : "two");
    if (pass > round)
        ob_log(&daemon->logger, OB_LOG_WARN, "samples",
               "pass=%lld round=%lld text=\"a pass has more samples than a round may have, and is cut to it; "
               "create the run with more samples a round, or set fewer rows\"",
               (long long)pass, (long long)round);
    if (manifest->lora_rank == 0 && pass > 1)
        ob_log(
            &daemon->logger, OB_LOG_WARN, "samples",
            "text=\"the run has no adapters: each of the %lld samples of a pass perturbs every trained "
            "weight, which "
            "takes as long as a pass of its own; train adapters, or leave rows and directions_per_row at 0\"",
            (long long)pass);
}

/* Of the activations: a pass that needs more is split. */
static size_t pass_memory(const struct ob_config *config) {
    size_t wanted = (size_t)config->pass_memory_mb << 20, limit = (size_t)config->max_memory_mb * 1000000;
    return limit > 0 && limit / 4 < wanted ? limit / 4 : wanted;
}

/* Everything that is needed to train has been taken by now. */
static enum ob_err check_memory(const struct ob_config *config, struct ob_error *error) {
    double own_mb = (double)ob_memory_own_bytes(OB_MEMORY_FILE) * 1e-6;
    if (config->max_memory_mb == 0 || own_mb <= (double)config->max_memory_mb)
        return OB_OK;
    return ob_fail(
        error, OB_ETOOBIG,
        "[desk] max_memory_mb = %lld: this run takes %.0f MB here. Allow more, or make passes smaller "
        "([training] rows, batch, length)",
        (long long)config->max_memory_mb, own_mb);
}

static enum ob_err open_compute(struct ob_daemon *daemon, struct ob_error *error) {
    const struct ob_config *config = daemon->session.config;
    struct ob_sampling sampling = ob_sampling_of(config, daemon->session.manifest);
    tell_samples(daemon, &sampling);
    struct ob_compute_options options = {
        .replica = daemon->session.replica,
        .corpus = daemon->corpus,
        .machine = daemon->identity.machine,
        .rows = (size_t)sampling.rows,
        .rows_per_sample = (size_t)sampling.rows_per_sample,
        .directions = (size_t)sampling.directions,
        .one_sided = sampling.one_sided,
        .pass_memory_bytes = pass_memory(config),
        .memory_limit_bytes = (uint64_t)config->max_memory_mb * 1000000,
        .cpu_share = config->max_cpu / 100,
        .processors = ob_processors(),
        .seed = (uint64_t)config->seed,
        .products = config->products,
        .frozen_folder = config->frozen_folder,
        .prefix_memory_bytes = (size_t)config->prefix_memory_mb << 20,
        .prefix_file_bytes = (size_t)config->prefix_file_mb << 20,
        .folder = config->state_dir,
        .epsilon = config->epsilon > 0 ? (float)config->epsilon : daemon->session.manifest->epsilon,
        .exponent = (int8_t)config->exponent,
        .privacy = {.clip = config->clip, .noise = config->noise},
        .curvature_interval = (uint32_t)config->curvature_interval,
        .memory_check_interval = (uint32_t)config->memory_check_interval,
        .logger = &daemon->logger,
        .wake = wake,
        .context = daemon,
    };
    enum ob_err failed = ob_compute_new(&options, &daemon->session.compute, error);
    return failed ? failed : check_memory(config, error);
}

static enum ob_err open_transport(struct ob_daemon *daemon, struct ob_error *error) {
    char status[OB_PATH_MAX];
    enum ob_err failed = ob_path_join(status, daemon->session.config->state_dir, OB_STATUS_SOCKET, error);
    if (failed)
        return failed;
    struct ob_transport_options options = {
        .secret_key = daemon->identity.secret_key,
        .listen = daemon->session.config->listen[0] ? daemon->session.config->listen : NULL,
        .status_path = status,
        .linger_ms = 300, /* a goodbye gets out, and a stop still takes less than a second */
    };
    return ob_transport_new(&options, &daemon->session.transport, error);
}

static enum ob_err open_web(struct ob_daemon *daemon, struct ob_error *error) {
    const struct ob_config *config = daemon->session.config;
    struct ob_web_access access;
    enum ob_err failed = ob_web_access_read(config->http, config->http_token_file, &access, error);
    if (!failed)
        failed = ob_web_open(&access, config->state_dir, &daemon->web, error);
    if (failed)
        return failed;
    ob_log(&daemon->logger, OB_LOG_INFO, "page", "url=http://%s/ token=%s", config->http,
           access.has_token ? "yes" : "no");
    return OB_OK;
}

static enum ob_err restore_record(void *context, const struct ob_record *record, struct ob_error *error) {
    struct ob_daemon *daemon = context;
    enum ob_err failed = ob_peer_restore_record(daemon->session.peer, record, error);
    return failed ? failed : ob_movements_add(&daemon->movements, record, error);
}

static enum ob_err restore_control(void *context, const void *data, size_t bytes, struct ob_error *error) {
    return ob_peer_restore_control(context, data, bytes, error);
}

/* A row that was changed under us is not held: it must not be taken for a fork (ob_store_find verifies it). */
static size_t find_record(void *context, const struct ob_machine_id *machine, struct ob_sample sample,
                          uint8_t *ret_data) {
    struct ob_daemon *daemon = context;
    struct ob_error error = {0};
    char text[600];
    size_t bytes = 0;
    enum ob_err failed = ob_store_find(daemon->session.store, machine, sample, ret_data, &bytes, &error);
    if (failed && failed != OB_ENOTFOUND && failed != OB_ELOCKED)
        ob_log(&daemon->logger, OB_LOG_ERROR, "log-damaged", "text=%s",
               ob_logger_quote(error.text, text, sizeof text));
    if (failed == OB_EFORMAT)
        ob_mend_look(&daemon->mend, machine, sample);
    return failed ? 0 : bytes;
}

static enum ob_err open_peer(struct ob_daemon *daemon, struct ob_error *error) {
    const struct ob_config *config = daemon->session.config;
    struct ob_peer_options options = {
        .run = daemon->session.manifest->run,
        .machine = daemon->identity.machine,
        .bounds = daemon->session.manifest->bounds,
        .max_staleness = (uint32_t)config->max_staleness,
        .rejoin_wait_ns = (uint64_t)config->rejoin_wait_s * OB_SECOND_NS,
        .may_start_alone = config->solo || ob_store_may_start_alone(daemon->session.store),
        .observer = config->observer,
        .relay = config->relay,
        .machines_max = daemon->session.manifest->bounds.max_machines,
        .crypto = {.context = daemon->identity.secret_key,
                   .sign = ob_record_ed25519_sign,
                   .verify = ob_record_ed25519_verify},
        .store = {.context = daemon, .find = find_record},
        .authority = daemon->session.manifest->authority,
        .isolation_rounds = config->solo ? 0 : (uint32_t)config->isolation_rounds,
        .digest_interval = (uint32_t)config->digest_interval,
        .protocol_lowest = OB_PROTOCOL_LOWEST,
        .protocol_highest = OB_PROTOCOL_VERSION,
        .share_metrics = config->share_metrics,
        .version = OB_VERSION,
    };
    daemon->movements.rule = &daemon->session.manifest->rule;
    daemon->movements.window =
        daemon->session.manifest->has_basis ? OB_MOVEMENTS_WINDOW_BASIS : OB_MOVEMENTS_WINDOW;
    daemon->session.movements = &daemon->movements;
    enum ob_err failed = ob_store_signed(daemon->session.store, &options.signed_below, error);
    if (!failed)
        failed = open_instance(daemon, &options.instance, error);
    if (!failed)
        failed = ob_peer_new(&options, &daemon->session.peer, error);
    if (!failed)
        failed = ob_store_each(daemon->session.store, restore_record, daemon, error);
    if (!failed)
        failed = ob_store_each_control(daemon->session.store, restore_control, daemon->session.peer, error);
    if (failed)
        (void)ob_fail_within(error, failed, "%s/log.sqlite", config->state_dir);
    return failed;
}

static enum ob_err submit_task(void *owner, ob_task_fn run, void *task, struct ob_error *error) {
    const struct ob_daemon *daemon = owner;
    return ob_compute_task(daemon->session.compute, run, task, error);
}

static double replay_seconds(void *owner) {
    const struct ob_daemon *daemon = owner;
    return ob_compute_view(daemon->session.compute).replay_seconds;
}

static const char *name_of(void *owner, const struct ob_machine_id *machine, char buffer[64]) {
    const struct ob_daemon *daemon = owner;
    return ob_machine_name(daemon->session.config, daemon->session.peer, machine, buffer);
}

/* The weights: of a snapshot and the records above it, or of the base and all. */
static enum ob_err open_snapshots(struct ob_daemon *daemon, struct ob_error *error) {
    const struct ob_session *session = &daemon->session;
    enum ob_err failed = ob_snapshots_open(&daemon->snapshots, session->config->state_dir, session->manifest,
                                           &daemon->logger, error);
    return failed ? failed
                  : ob_snapshots_start(&daemon->snapshots, session->replica, session->store,
                                       session->config->snapshot != OB_SNAPSHOT_NEVER,
                                       &daemon->join_from_base, error);
}

/* What the parts borrow from one another, now that all are open. */
static void connect_parts(struct ob_daemon *daemon) {
    const struct ob_session *session = &daemon->session;
    daemon->snapshot_context = (struct ob_snapshot_context){
        .logger = &daemon->logger,
        .manifest = session->manifest,
        .state_dir = session->config->state_dir,
        .machine = daemon->identity.machine,
        .mode = session->config->snapshot,
        .replay_s = session->config->snapshot_replay_s,
        .snapshots = &daemon->snapshots,
        .replica = session->replica,
        .store = session->store,
        .transport = session->transport,
        .peer = session->peer,
        .owner = daemon,
        .submit = submit_task,
        .replay_seconds = replay_seconds,
        .name_of = name_of,
    };
    ob_snapshot_writer_start(&daemon->writer, &daemon->snapshot_context);
    daemon->audit =
        (struct ob_audit){.session = session, .held_out = &daemon->held_out, .diary = &daemon->diary};
    daemon->performer = (struct ob_performer){.session = session,
                                              .membership = &daemon->membership,
                                              .join = &daemon->join,
                                              .disk = &daemon->disk,
                                              .answers = &daemon->answers,
                                              .diary = &daemon->diary,
                                              .held_out = &daemon->held_out,
                                              .audit = &daemon->audit,
                                              .mend = &daemon->mend};
}

static enum ob_err open_replica(struct ob_daemon *daemon, struct ob_error *error) {
    const struct ob_config *config = daemon->session.config;
    struct ob_progress_log lines = {.logger = &daemon->logger, .kind = "base"};
    struct ob_progress_callback progress = ob_progress_log_callback(&lines);
    return ob_replica_new(daemon->session.manifest, config->model, (unsigned)config->threads, &progress,
                          &daemon->session.replica, error);
}

static enum ob_err open_all(struct ob_daemon *daemon, struct ob_error *error) {
    struct ob_config *config = daemon->session.config;
    atomic_store(&daemon->logger.least, (int)config->log_level);
    enum ob_err failed = ob_priority_set((int)config->nice, config->io_class, error);
    if (!failed)
        failed = ob_desk_pause_open(&daemon->desk, config, error);
    if (!failed)
        failed = open_identity(daemon, error);
    if (!failed)
        failed = open_manifest(daemon, error);
    if (!failed)
        failed = open_files(daemon, error);
    if (!failed)
        failed = ob_rows_exponent_check(config, daemon->session.manifest, error);
    if (!failed)
        failed = open_store(daemon, error); /* the log first: it must find descriptors and room */
    if (!failed)
        tell_store(daemon);
    if (!failed)
        failed = open_replica(daemon, error);
    if (!failed)
        failed = open_data(daemon, error);
    if (!failed)
        failed = ob_diary_open(&daemon->diary, &daemon->session, error);
    if (!failed)
        failed = ob_held_out_open(&daemon->held_out, &daemon->session, &daemon->tokenizer, error);
    if (!failed && config->memory_check_interval > 0)
        failed = ob_spsa_memory_check_start(&daemon->session.replica->engine,
                                            daemon->session.replica->weights, error);
    if (!failed)
        failed = open_snapshots(daemon, error);
    if (!failed)
        failed = open_peer(daemon, error);
    if (!failed)
        failed = open_transport(daemon, error);
    if (!failed && config->http[0])
        failed = open_web(daemon, error);
    if (!failed)
        failed = open_compute(daemon, error);
    if (!failed)
        connect_parts(daemon);
    return failed;
}

enum ob_err ob_daemon_open(const struct ob_daemon_source *source, struct ob_config *config,
                           struct ob_daemon **ret_daemon, struct ob_error *error) {
    struct ob_daemon *daemon = calloc(1, sizeof *daemon);
    if (!daemon)
        return ob_fail(error, OB_ENOMEM, "out of memory");
    daemon->session = (struct ob_session){
        .config = config, .logger = &daemon->logger, .lines = &daemon->lines, .identity = &daemon->identity};
    daemon->source = source;
    daemon->logger.journal = ob_journal_open(OB_JOURNAL_SOCKET);
    atomic_init(&daemon->leave_wanted, false);
    atomic_init(&daemon->reload_wanted, false);
    enum ob_err failed = open_all(daemon, error);
    if (failed) {
        ob_daemon_close(daemon);
        return failed;
    }
    *ret_daemon = daemon;
    return OB_OK;
}

/* What has to be done whatever else: the log is closed, what was sent gets out. */
static void close_outside(struct ob_daemon *daemon) {
    ob_membership_stop(&daemon->membership);
    ob_transport_free(daemon->session.transport);
    daemon->session.transport = NULL;
    ob_web_close(daemon->web); /* after the status socket, whose answers it may be waiting for */
    daemon->web = NULL;
    ob_store_close(daemon->session.store);
    daemon->session.store = NULL;
    ob_diary_close(&daemon->diary);
    ob_desk_pause_close(&daemon->desk);
    ob_identity_wipe(&daemon->identity);
}

bool ob_daemon_close_within(struct ob_daemon *daemon, unsigned timeout_ms) {
    ob_snapshot_join_hurry(&daemon->join);
    ob_held_out_hurry(&daemon->held_out);
    bool ended = ob_compute_stop(daemon->session.compute, timeout_ms);
    if (ended)
        ob_daemon_close(daemon);
    else
        close_outside(daemon);
    return ended;
}

void ob_daemon_close(struct ob_daemon *daemon) {
    if (!daemon)
        return;
    ob_snapshot_join_hurry(&daemon->join);
    ob_held_out_hurry(&daemon->held_out);
    ob_compute_free(daemon->session.compute); /* first: it wakes the transport and reads replica and corpus */
    ob_snapshot_writer_stop(&daemon->writer);
    ob_snapshot_join_free(&daemon->join);
    ob_audit_close(&daemon->audit);
    ob_held_out_close(&daemon->held_out);
    close_outside(daemon);
    ob_peer_free(daemon->session.peer);
    ob_corpus_free(daemon->corpus);
    ob_tokenizer_free(daemon->tokenizer);
    ob_snapshots_close(&daemon->snapshots);
    while (daemon->share_count > 0)
        ob_share_close(&daemon->shares[--daemon->share_count]);
    ob_movements_done(&daemon->movements);
    ob_replica_free(daemon->session.replica);
    ob_manifest_free(daemon->session.manifest);
    if (daemon->logger.journal >= 0)
        close(daemon->logger.journal);
    free(daemon);
}
