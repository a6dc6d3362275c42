#include "daemon/daemon.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/path.h"
#include "daemon/manifest_transfer.h"
#include "model/convert/open_tokenizer.h"
#include "model/forward/blas.h"
#include "spsa/memory_check.h"
#include "transport/status_client.h"

#define TICK_NS  (OB_SECOND_NS / 20)
#define FLUSH_NS (OB_SECOND_NS / 2)

static void wake(void *context) {
    struct ob_daemon *daemon = context;
    ob_transport_wake(daemon->transport);
}

static enum ob_err open_identity(struct ob_daemon *daemon, struct ob_error *error) {
    enum ob_err failed = ob_file_make_folder(daemon->config->state_dir, 0700, error);
    return failed ? failed : ob_identity_load(daemon->config->identity, &daemon->identity, error);
}

/* Of the file, or, with a certificate and without the file, from a peer. */
static enum ob_err open_manifest(struct ob_daemon *daemon, struct ob_error *error) {
    const char *path = daemon->config->manifest;
    struct stat info;
    bool there = stat(path, &info) == 0 || errno != ENOENT;
    enum ob_err failed = there ? ob_manifest_read(path, &daemon->manifest, error) : OB_OK;
    if (!failed)
        failed = ob_membership_read_certificate(daemon, there, error);
    if (failed || there)
        return failed;
    failed = ob_certificate_file_check(daemon->config->certificate, &daemon->certificate,
                                       &daemon->identity.machine, NULL, ob_wall_s(), error);
    if (!failed)
        failed =
            ob_manifest_fetch(daemon->config, &daemon->identity, &daemon->certificate, &daemon->log, error);
    return failed ? failed : ob_manifest_read(path, &daemon->manifest, error);
}

static enum ob_err open_store(struct ob_daemon *daemon, struct ob_error *error) {
    struct ob_store_options options = {.state_dir = daemon->config->state_dir,
                                       .run = daemon->manifest->run,
                                       .bounds = daemon->manifest->bounds,
                                       .machine = &daemon->identity.machine};
    return ob_store_open(&options, &daemon->store, error);
}

static void tell_store(const struct ob_daemon *daemon) {
    const struct ob_store_rescue *rescue = ob_store_rescued(daemon->store);
    char text[600];
    if (rescue->happened)
        ob_log(&daemon->log, OB_LOG_ERROR, "log-damaged", "kept=%llu text=%s",
               (unsigned long long)rescue->records, ob_log_quote(rescue->why, text, sizeof text));
    if (!ob_store_may_start_alone(daemon->store))
        ob_log(&daemon->log, OB_LOG_WARN, "log-unsure",
               "text=\"the state directory is not as it was left (copied, restored or damaged): nothing is "
               "signed before others have told where our chain ends\"");
}

static enum ob_err open_data(struct ob_daemon *daemon, struct ob_error *error) {
    struct ob_config *config = daemon->config;
    if (config->observer)
        return OB_OK;
    if ((uint64_t)config->length > daemon->replica->model->config.context)
        return ob_fail(error, OB_EUSAGE, "[training] length is %lld, the model's context is %u",
                       (long long)config->length, daemon->replica->model->config.context);
    enum ob_err failed = ob_tokenizer_open(config->model, &daemon->tokenizer, error);
    if (failed)
        return failed;
    struct ob_corpus_options options = {.length_max = (size_t)config->length,
                                        .shard = (uint32_t)config->shard,
                                        .shards = (uint32_t)config->shards,
                                        .model = config->model,
                                        .chat_template = config->chat_template};
    return ob_corpus_open(config->data, daemon->tokenizer, &options, &daemon->corpus, error);
}

static enum ob_err open_compute(struct ob_daemon *daemon, struct ob_error *error) {
    const struct ob_config *config = daemon->config;
    struct ob_compute_options options = {
        .replica = daemon->replica,
        .corpus = daemon->corpus,
        .machine = daemon->identity.machine,
        .batch = (size_t)config->batch,
        .seed = (uint64_t)config->seed,
        .bf16 = strcmp(config->products, "bfloat16") == 0,
        .epsilon = config->epsilon > 0 ? (float)config->epsilon : daemon->manifest->epsilon,
        .exponent = (int8_t)config->exponent,
        .privacy = {.clip = config->clip, .noise = config->noise},
        .memory_check_interval = (uint32_t)config->memory_check_interval,
        .log = &daemon->log,
        .wake = wake,
        .context = daemon,
    };
    if (config->exponent < daemon->manifest->bounds.exponent_min ||
        config->exponent > daemon->manifest->bounds.exponent_max)
        return ob_fail(error, OB_EUSAGE, "[training] exponent is outside what the run allows");
    return ob_compute_new(&options, &daemon->compute, error);
}

static enum ob_err open_transport(struct ob_daemon *daemon, struct ob_error *error) {
    char status[OB_PATH_MAX];
    enum ob_err failed = ob_path_join(status, daemon->config->state_dir, OB_STATUS_SOCKET, error);
    if (failed)
        return failed;
    struct ob_transport_options options = {
        .secret_key = daemon->identity.secret_key,
        .listen = daemon->config->listen[0] ? daemon->config->listen : NULL,
        .status_path = status,
        .linger_ms = 1000, /* a goodbye gets out */
    };
    return ob_transport_new(&options, &daemon->transport, error);
}

static enum ob_err restore_record(void *context, const struct ob_record *record, struct ob_error *error) {
    return ob_peer_restore_record(context, record, error);
}

static enum ob_err restore_control(void *context, const void *data, size_t bytes, struct ob_error *error) {
    return ob_peer_restore_control(context, data, bytes, error);
}

static size_t find_record(void *context, const struct ob_machine_id *machine, struct ob_sample sample,
                          uint8_t *ret_data) {
    size_t bytes = 0;
    return ob_store_find(context, machine, sample, ret_data, &bytes, NULL) == OB_OK ? bytes : 0;
}

static enum ob_err open_peer(struct ob_daemon *daemon, struct ob_error *error) {
    const struct ob_config *config = daemon->config;
    struct ob_peer_options options = {
        .run = daemon->manifest->run,
        .machine = daemon->identity.machine,
        .bounds = daemon->manifest->bounds,
        .max_staleness = (uint32_t)config->max_staleness,
        .rejoin_wait_ns = (uint64_t)config->rejoin_wait_s * OB_SECOND_NS,
        .may_start_alone = config->solo || ob_store_may_start_alone(daemon->store),
        .observer = config->observer,
        .relay = config->relay,
        .machines_max = daemon->manifest->bounds.max_machines,
        .crypto = {.context = daemon->identity.secret_key,
                   .sign = ob_record_ed25519_sign,
                   .verify = ob_record_ed25519_verify},
        .store = {.context = daemon->store, .find = find_record},
        .authority = daemon->manifest->authority,
        .isolation_rounds = config->solo ? 0 : (uint32_t)config->isolation_rounds,
        .digest_interval = (uint32_t)config->digest_interval,
    };
    enum ob_err failed = ob_store_signed(daemon->store, &options.signed_below, error);
    if (!failed)
        failed = ob_store_instance(daemon->store, ob_wall_ns(), &options.instance, error);
    if (!failed)
        failed = ob_peer_new(&options, &daemon->peer, error);
    if (!failed)
        failed = ob_store_each(daemon->store, restore_record, daemon->peer, error);
    if (!failed)
        failed = ob_store_each_control(daemon->store, restore_control, daemon->peer, error);
    if (failed)
        (void)ob_fail_within(error, failed, "%s/log.sqlite", config->state_dir);
    return failed;
}

static enum ob_err open_all(struct ob_daemon *daemon, struct ob_error *error) {
    struct ob_config *config = daemon->config;
    int level = ob_log_level_from_name(config->log_level);
    if (level < 0)
        return ob_fail(error, OB_EUSAGE, "[machine] log_level is %s, expected debug, info, warn or error",
                       config->log_level);
    daemon->log.least = (enum ob_log_level)level;
    enum ob_err failed = open_identity(daemon, error);
    if (!failed)
        failed = open_manifest(daemon, error);
    if (!failed)
        failed = open_store(daemon, error); /* the log first: it must find descriptors and room */
    if (!failed)
        tell_store(daemon);
    if (!failed)
        failed = ob_replica_new(daemon->manifest, config->model, (unsigned)config->threads, &daemon->replica,
                                error);
    if (!failed)
        failed = open_data(daemon, error);
    if (!failed && config->memory_check_interval > 0)
        failed = ob_spsa_memory_check_start(&daemon->replica->engine, daemon->replica->weights, error);
    if (!failed)
        failed =
            ob_snapshots_open(&daemon->snapshots, config->state_dir, daemon->manifest, &daemon->log, error);
    if (!failed)
        failed = ob_snapshots_start(&daemon->snapshots, daemon->replica, daemon->store,
                                    config->snapshot != OB_SNAPSHOT_NEVER, &daemon->join_waits, error);
    if (!failed)
        failed = open_peer(daemon, error);
    if (!failed)
        failed = open_transport(daemon, error);
    return failed ? failed : open_compute(daemon, error);
}

enum ob_err ob_daemon_open(struct ob_config *config, struct ob_daemon **ret_daemon, struct ob_error *error) {
    struct ob_daemon *daemon = calloc(1, sizeof *daemon);
    if (!daemon)
        return ob_fail(error, OB_ENOMEM, "out of memory");
    daemon->config = config;
    daemon->overrange = -1;
    atomic_init(&daemon->leave_wanted, false);
    enum ob_err failed = open_all(daemon, error);
    if (failed) {
        ob_daemon_close(daemon);
        return failed;
    }
    *ret_daemon = daemon;
    return OB_OK;
}

void ob_daemon_close(struct ob_daemon *daemon) {
    if (!daemon)
        return;
    ob_snapshot_join_hurry(daemon);
    ob_compute_free(daemon->compute); /* first: it wakes the transport and reads replica and corpus */
    ob_snapshot_writer_stop(daemon);
    ob_snapshot_join_free(daemon);
    ob_contacts_free(daemon->contacts);
    ob_transport_free(daemon->transport);
    ob_peer_free(daemon->peer);
    ob_corpus_free(daemon->corpus);
    ob_tokenizer_free(daemon->tokenizer);
    ob_snapshots_close(&daemon->snapshots);
    ob_replica_free(daemon->replica);
    ob_store_close(daemon->store);
    ob_manifest_free(daemon->manifest);
    ob_identity_wipe(&daemon->identity);
    free(daemon);
}

enum ob_err ob_daemon_on_status(struct ob_daemon *daemon, const struct ob_transport_event *event,
                                struct ob_error *error) {
    char *answer = NULL;
    enum ob_err failed = ob_daemon_answer(daemon, event->data, event->bytes, &answer, error);
    if (failed)
        return failed;
    ob_transport_status_reply(daemon->transport, answer, strlen(answer));
    free(answer);
    return OB_OK;
}

static enum ob_err on_snapshot(struct ob_daemon *daemon, const struct ob_transport_event *seen) {
    struct ob_snapshot_message message;
    if (seen->published || !ob_snapshot_message_decode(seen->data, seen->bytes, &message) ||
        !ob_hash_equal(&message.run.hash, &daemon->manifest->run.hash)) {
        daemon->snapshot_malformed++;
        return OB_OK;
    }
    ob_snapshot_serve(&daemon->server, &daemon->snapshots, daemon->transport, &seen->machine, &message,
                      daemon->config->snapshot_upload_kib);
    ob_snapshot_join_take(daemon, &seen->machine, &message);
    return OB_OK;
}

static enum ob_err on_transport(struct ob_daemon *daemon, const struct ob_transport_event *seen,
                                struct ob_error *error) {
    struct ob_event event = {.machine = seen->machine, .data = seen->data, .bytes = seen->bytes};
    char text[600], name[64];
    switch (seen->kind) {
    case OB_TRANSPORT_FRAME:
        if (seen->admitted &&
            ob_manifest_serve(daemon->manifest, daemon->transport, &seen->machine, seen->data, seen->bytes))
            return OB_OK;
        if (seen->admitted && ob_snapshot_message_is(seen->data, seen->bytes))
            return on_snapshot(daemon, seen);
        event.kind = OB_EVENT_MESSAGE;
        return ob_daemon_step(daemon, &event, error);
    case OB_TRANSPORT_LINK_UP:
    case OB_TRANSPORT_LINK_DOWN:
        event.kind = seen->kind == OB_TRANSPORT_LINK_UP ? OB_EVENT_LINK_UP : OB_EVENT_LINK_DOWN;
        ob_log(&daemon->log, OB_LOG_INFO, event.kind == OB_EVENT_LINK_UP ? "link-up" : "link-down",
               "machine=%s", ob_daemon_name_of(daemon, &seen->machine, name));
        if (event.kind == OB_EVENT_LINK_UP)
            ob_snapshot_join_linked(daemon, &seen->machine);
        return ob_daemon_step(daemon, &event, error);
    case OB_TRANSPORT_REFUSED:
        ob_log(&daemon->log, OB_LOG_WARN, "refused", "text=%s", ob_log_quote(seen->text, text, sizeof text));
        return OB_OK;
    case OB_TRANSPORT_STATUS:
        return ob_daemon_on_status(daemon, seen, error);
    case OB_TRANSPORT_KNOCK:
        return ob_membership_knock(daemon, seen, error);
    case OB_TRANSPORT_ANSWER:
        ob_contacts_answer(daemon->contacts, &seen->machine, seen->verdict, ob_now_s());
        return OB_OK;
    case OB_TRANSPORT_BEACON:
        ob_contacts_set(daemon->contacts, &seen->machine, OB_PLACE_HINT, seen->text, ob_now_s());
        return OB_OK;
    case OB_TRANSPORT_NOTHING:
    case OB_TRANSPORT_WAKE:
        break;
    }
    return OB_OK;
}

static enum ob_err on_round(struct ob_daemon *daemon, const struct ob_result *result,
                            struct ob_error *error) {
    struct ob_event event = {.kind = OB_EVENT_ROUND_DONE,
                             .data = result->bytes,
                             .bytes = result->n,
                             .exponent = (int8_t)daemon->config->exponent};
    struct ob_peer_view view = ob_peer_view(daemon->peer);
    daemon->own_rounds++;
    daemon->own_samples += result->n;
    daemon->loss = result->loss;
    ob_log(&daemon->log, OB_LOG_INFO, "round", "round=%u samples=%u loss=%.4f live=%u", view.round.index,
           result->n, result->loss, view.live);
    return ob_daemon_step(daemon, &event, error);
}

/* A weight beyond half its range: no further round until records are cut and it is back. */
static enum ob_err on_overrange(struct ob_daemon *daemon, int64_t tensor, struct ob_error *error) {
    bool was = daemon->overrange >= 0, is = tensor >= 0;
    daemon->overrange = tensor;
    if (was == is)
        return OB_OK;
    struct ob_event event = {.kind = is ? OB_EVENT_PAUSE : OB_EVENT_RESUME};
    if (is)
        ob_log(&daemon->log, OB_LOG_ERROR, "overrange",
               "tensor=%s text=\"a weight is beyond half its range; paused\"",
               daemon->manifest->tensors[tensor].name);
    else
        ob_log(&daemon->log, OB_LOG_INFO, "in-range", "text=\"every weight is in its range again\"");
    if (!is && daemon->paused)
        return OB_OK; /* what the operator paused, the operator resumes */
    return ob_daemon_step(daemon, &event, error);
}

static enum ob_err on_digest(struct ob_daemon *daemon, const struct ob_result *result,
                             struct ob_error *error) {
    static const struct ob_hash NONE;
    struct ob_event event = {.kind = OB_EVENT_DIGEST, .log = result->log, .weights = result->weights};
    struct ob_hash whole = ob_peer_view(daemon->peer).log_digest;
    bool of_whole = result->below == OB_ROUNDS_ALL || ob_hash_equal(&result->log, &whole);
    if (of_whole && !ob_hash_equal(&result->weights, &NONE)) {
        daemon->has_digest = true;
        daemon->digest_log = result->log;
        daemon->weights_digest = result->weights;
    }
    enum ob_err failed = ob_daemon_step(daemon, &event, error);
    return failed ? failed : on_overrange(daemon, result->overrange, error);
}

static enum ob_err on_memory(struct ob_daemon *daemon, const struct ob_result *result,
                             struct ob_error *error) {
    struct ob_event event = {.kind = OB_EVENT_DISPUTE};
    ob_log(
        &daemon->log, OB_LOG_ERROR, "memory",
        "leaves=%zu text=\"weights in memory are not what the log makes them: they are made again from base "
        "and log before we go on; when this comes often, test this machine's memory\"",
        result->wrong);
    return ob_daemon_step(daemon, &event, error);
}

static enum ob_err on_rebuilt(struct ob_daemon *daemon, const struct ob_result *result,
                              struct ob_error *error) {
    const struct ob_heal *heal = &result->heal;
    struct ob_event event = {.kind = OB_EVENT_REBUILT, .healed = heal->weights > 0};
    ob_log(&daemon->log, OB_LOG_INFO, "rebuilt",
           "records=%llu wrong_weights=%llu wrong_leaves=%llu tensor=%s", (unsigned long long)heal->records,
           (unsigned long long)heal->weights, (unsigned long long)heal->leaves,
           heal->weights > 0 ? daemon->manifest->tensors[heal->tensor].name : "-");
    if (event.healed)
        daemon->has_digest = false;
    return ob_daemon_step(daemon, &event, error);
}

static enum ob_err on_task(struct ob_daemon *daemon, const struct ob_result *result, struct ob_error *error) {
    bool ours = ob_snapshot_writer_done(daemon, result->task, &result->error);
    enum ob_err failed =
        ours ? OB_OK : ob_snapshot_join_done(daemon, result->task, &result->error, &ours, error);
    assert(ours);
    return failed;
}

static enum ob_err on_results(struct ob_daemon *daemon, struct ob_error *error) {
    struct ob_result result;
    enum ob_err failed = OB_OK;
    while (!failed && ob_compute_take(daemon->compute, &result)) {
        if (result.kind == OB_RESULT_ROUND)
            failed = on_round(daemon, &result, error);
        else if (result.kind == OB_RESULT_DIGEST)
            failed = on_digest(daemon, &result, error);
        else if (result.kind == OB_RESULT_MEMORY)
            failed = on_memory(daemon, &result, error);
        else if (result.kind == OB_RESULT_REBUILT)
            failed = on_rebuilt(daemon, &result, error);
        else if (result.kind == OB_RESULT_TASK)
            failed = on_task(daemon, &result, error);
        else
            failed = ob_fail(error, OB_EIO, "computing: %s", result.text);
    }
    return failed;
}

static enum ob_err tend_snapshots(struct ob_daemon *daemon, struct ob_error *error) {
    ob_snapshot_writer_tend(daemon);
    ob_snapshot_serve_tend(&daemon->server, &daemon->snapshots, daemon->transport,
                           daemon->config->snapshot_upload_kib, ob_now_ns());
    enum ob_err failed = ob_snapshot_join_tend(daemon, error);
    return failed ? failed : ob_daemon_digest_waiting(daemon, error);
}

static enum ob_err on_clock(struct ob_daemon *daemon, struct ob_error *error) {
    uint64_t now = ob_now_ns();
    enum ob_err failed = OB_OK;
    if (now - daemon->last_tick_ns >= TICK_NS) {
        struct ob_event tick = {.kind = OB_EVENT_TICK};
        daemon->last_tick_ns = now;
        failed = ob_daemon_step(daemon, &tick, error);
    }
    if (!failed && daemon->links_stale)
        failed = ob_daemon_settle_links(daemon, error);
    if (!failed)
        failed = ob_catch_up_tend(daemon, error);
    if (!failed)
        failed = tend_snapshots(daemon, error);
    if (!failed && now - daemon->last_flush_ns >= FLUSH_NS) {
        daemon->last_flush_ns = now;
        failed = ob_daemon_flush(daemon, error);
    }
    if (!failed && atomic_load(&daemon->leave_wanted) && !daemon->leaving) {
        struct ob_event leave = {.kind = OB_EVENT_LEAVE};
        daemon->leaving = true;
        ob_compute_hurry(daemon->compute);
        failed = ob_daemon_step(daemon, &leave, error);
    }
    return failed;
}

static enum ob_err start(struct ob_daemon *daemon, struct ob_error *error) {
    char key[OB_HEX_KEY_MAX];
    daemon->started_ns = ob_now_ns();
    ob_machine_to_text(&daemon->identity.machine, key);
    ob_log(&daemon->log, OB_LOG_INFO, "start", "run=%s machine=%s pid=%d blas=%s kernels=%s samples=%llu",
           daemon->manifest->name, key, (int)getpid(), ob_blas_core(),
           ob_spsa_engine_name(&daemon->replica->engine), (unsigned long long)daemon->replica->samples);
    if (*ob_blas_failed_cores())
        ob_log(&daemon->log, OB_LOG_WARN, "blas",
               "failed=%s: these OpenBLAS cores compute wrong products here, %s is used",
               ob_blas_failed_cores(), ob_blas_core());
    enum ob_err failed = ob_membership_start(daemon, error);
    for (size_t i = 0; i < daemon->config->peer_count && !failed; i++) {
        struct ob_event expect = {.kind = OB_EVENT_EXPECT, .machine = daemon->config->peers[i].machine};
        if (daemon->config->peers[i].endpoint[0] &&
            !ob_machine_equal(&expect.machine, &daemon->identity.machine))
            failed = ob_daemon_step(daemon, &expect, error);
    }
    struct ob_event event = {.kind = OB_EVENT_START};
    if (!failed)
        failed = ob_snapshot_join_start(daemon, error);
    if (!failed)
        failed = ob_daemon_step(daemon, &event, error);
    return failed ? failed : ob_membership_started(daemon, error);
}

enum ob_err ob_daemon_run(struct ob_daemon *daemon, struct ob_error *error) {
    enum ob_err failed = start(daemon, error);
    while (!failed && !daemon->left) {
        struct ob_transport_event seen;
        failed = ob_transport_poll(daemon->transport, (int)(TICK_NS / 1000000), &seen, error);
        if (!failed)
            failed = on_transport(daemon, &seen, error);
        if (!failed)
            failed = on_results(daemon, error);
        if (!failed)
            failed = on_clock(daemon, error);
        if (!failed)
            failed = ob_membership_tend(daemon, error);
    }
    ob_log(&daemon->log, failed ? OB_LOG_ERROR : OB_LOG_INFO, "stop", "rounds=%llu samples=%llu",
           (unsigned long long)daemon->own_rounds, (unsigned long long)daemon->own_samples);
    return failed;
}
