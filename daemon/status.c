/* The status socket's requests: {"command": "status" | "leave" | "pause" | "resume"}, and {"command":
 * "control", "entry": hexadecimal digits} with a signed control entry. Every answer is an object with "ok";
 * docs/files.md lists the fields of a status. */
#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "daemon/daemon.h"
#include "model/forward/blas.h"

/* Bytes that CURVE and ZMTP framing add to a message on the wire (measured; DESIGN.md, invariant 7). */
#define FRAMING_BYTES 40

static json_t *hex_json(const uint8_t bytes[32]) {
    char text[65];
    sodium_bin2hex(text, sizeof text, bytes, 32);
    return json_string(text);
}

static json_t *age_json(uint64_t then_ns) {
    return then_ns == 0 ? json_null() : json_real(ob_seconds_since(then_ns));
}

/* Whether its weights are ours; null while its last digest is of other records than our last ones. */
static json_t *agrees_json(const struct ob_peer_machine *m, bool self) {
    if (self)
        return json_true();
    return m->compared ? json_boolean(m->agrees) : json_null();
}

static json_t *machine_json(const struct ob_daemon *daemon, size_t index) {
    char name[64];
    struct ob_peer_machine m = ob_peer_machine(daemon->peer, index);
    bool self = ob_machine_equal(&m.machine, &daemon->identity.machine);
    enum ob_peer_life life = ob_peer_view(daemon->peer).life;
    bool trains = self ? life == OB_PEER_TRAINING || life == OB_PEER_WAITING : m.paced;
    return json_pack("{s:s, s:o, s:b, s:I, s:I, s:b, s:b, s:b, s:o, s:o, s:o, s:b, s:b, s:b, s:I, s:o, s:s}",
                     "name", self ? "(this machine)" : ob_daemon_name_of(daemon, &m.machine, name), "machine",
                     hex_json(m.machine.key), "self", self, "samples", (json_int_t)m.next.index, "round",
                     m.has_records ? (json_int_t)m.head_round.index : (json_int_t)-1, "training", trains,
                     "linked", self || ob_transport_linked(daemon->transport, &m.machine), "left", m.left,
                     "last_record_s", age_json(m.last_record_ns), "last_heard_s", age_json(m.last_heard_ns),
                     "agrees", agrees_json(&m, self), "admitted", m.admitted, "revoked", m.revoked, "forked",
                     m.forked, "expires", (json_int_t)m.expiry_s, "cut",
                     m.cut.index == UINT64_MAX ? json_null() : json_integer((json_int_t)m.cut.index),
                     "endpoint", self ? "" : ob_transport_endpoint(daemon->transport, &m.machine));
}

static json_t *traffic_json(const struct ob_daemon *daemon) {
    struct ob_transport_counters c = ob_transport_counters(daemon->transport);
    double wire = (double)(c.published_bytes + FRAMING_BYTES * c.published_messages);
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:i, s:f}", "published_messages",
                     (json_int_t)c.published_messages, "published_bytes", (json_int_t)c.published_bytes,
                     "sent_messages", (json_int_t)c.sent_messages, "sent_bytes", (json_int_t)c.sent_bytes,
                     "received_bytes", (json_int_t)c.received_bytes, "dropped_messages",
                     (json_int_t)c.dropped_messages, "refused_handshakes", (json_int_t)c.refused_handshakes,
                     "refused_connections", (json_int_t)c.refused_connections, "connections",
                     (int)c.connections, "links", (int)c.links, "wire_bytes_per_sample",
                     daemon->own_samples ? wire / (double)daemon->own_samples : 0.0);
}

static json_t *work_json(struct ob_daemon *daemon) {
    struct ob_compute_view v = ob_compute_view(daemon->compute);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return json_pack(
        "{s:I, s:I, s:I, s:f, s:f, s:f, s:I, s:i, s:s, s:s, s:s, s:s}", "samples_evaluated",
        (json_int_t)v.samples_evaluated, "samples_replayed", (json_int_t)v.samples_replayed,
        "waiting_records", (json_int_t)v.waiting_records, "sample_seconds", v.sample_seconds,
        "replay_seconds", v.replay_seconds, "replay_ratio",
        v.sample_seconds > 0 ? v.replay_seconds / v.sample_seconds : 0.0, "peak_memory_bytes",
        (json_int_t)usage.ru_maxrss * 1024, "threads", (int)ob_pool_threads(daemon->replica->pool),
        "blas_core", ob_blas_core(), "blas_failed_cores", ob_blas_failed_cores(), "kernels",
        ob_spsa_isa_name(ob_spsa_engine_isa(&daemon->replica->engine)), "products", daemon->config->products);
}

static json_t *log_json(struct ob_daemon *daemon) {
    struct ob_store_counts counts = {0};
    struct ob_error error;
    if (ob_store_counts(daemon->store, &counts, &error))
        return json_pack("{s:s}", "error", error.text);
    return json_pack("{s:I, s:I, s:I}", "records", (json_int_t)counts.records, "samples",
                     (json_int_t)counts.samples, "file_bytes", (json_int_t)counts.file_bytes);
}

static json_t *counters_json(const struct ob_peer_counters *c) {
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "records_accepted",
                     (json_int_t)c->records_accepted, "samples_accepted", (json_int_t)c->samples_accepted,
                     "duplicates", (json_int_t)c->duplicates, "refused", (json_int_t)c->refused,
                     "out_of_order", (json_int_t)c->out_of_order, "bad_signatures",
                     (json_int_t)c->bad_signatures, "fetches", (json_int_t)c->fetches, "bad_answers",
                     (json_int_t)c->bad_answers, "postponed", (json_int_t)c->postponed);
}

static json_t *digest_json(const struct ob_hash *digest) {
    static const struct ob_hash NONE;
    return ob_hash_equal(digest, &NONE) ? json_null() : hex_json(digest->bytes);
}

static json_t *integrity_json(struct ob_daemon *daemon, const struct ob_peer_view *view) {
    struct ob_compute_view v = ob_compute_view(daemon->compute);
    const struct ob_peer_counters *c = &view->counters;
    return json_pack("{s:I, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "named_round", (json_int_t)view->named,
                     "named_log", digest_json(&view->named_log), "named_weights",
                     digest_json(&view->named_weights), "agreements", (json_int_t)c->agreements,
                     "disagreements", (json_int_t)c->disagreements, "memory_checks",
                     (json_int_t)v.memory_checks, "memory_faults", (json_int_t)v.memory_faults, "rebuilds",
                     (json_int_t)c->rebuilds, "heals", (json_int_t)c->heals);
}

/* Our snapshots, and whether the weights are to come from one: provisional until it is checked. */
static json_t *snapshot_json(const struct ob_daemon *daemon) {
    const struct ob_snapshot_join *join = &daemon->join;
    const struct ob_snapshots *kept = &daemon->snapshots;
    bool provisional = join->state >= OB_JOIN_FETCHING && join->state <= OB_JOIN_CHECKING;
    uint64_t refused = join->refused + kept->set_aside;
    uint64_t dropped = daemon->server.dropped + daemon->snapshot_malformed;
    return json_pack("{s:s, s:b, s:I, s:I, s:I, s:I, s:i, s:I, s:I, s:f, s:I, s:I}", "join",
                     ob_join_state_name(join->state), "provisional", provisional, "bytes_have",
                     (json_int_t)join->fetch.bytes_have, "bytes_total",
                     (json_int_t)ob_snapshot_fetch_total(&join->fetch), "used_samples",
                     (json_int_t)join->used_samples, "refused", (json_int_t)refused, "kept", (int)kept->count,
                     "newest_samples", kept->count ? (json_int_t)kept->files[0]->table->samples : 0,
                     "written", (json_int_t)daemon->writer.written, "write_seconds", daemon->writer.seconds,
                     "sent_bytes", (json_int_t)daemon->server.sent_bytes, "dropped", (json_int_t)dropped);
}

/* How much of what others have told of is here, and how long the rest takes at the present pace. */
static json_t *catch_up_json(struct ob_daemon *daemon, const struct ob_peer_view *view) {
    struct ob_compute_view work = ob_compute_view(daemon->compute);
    return json_pack("{s:I, s:I, s:f, s:f}", "samples_held", (json_int_t)view->samples_held, "samples_known",
                     (json_int_t)view->samples_known, "samples_per_s", view->samples_per_s, "seconds_left",
                     ob_catch_up_seconds(view, &work, daemon->catch_up.busy));
}

static json_t *status_json(struct ob_daemon *daemon) {
    struct ob_peer_view view = ob_peer_view(daemon->peer);
    json_t *machines = json_array();
    for (size_t i = 0; i < view.machines; i++)
        json_array_append_new(machines, machine_json(daemon, i));
    bool current = daemon->has_digest && ob_hash_equal(&daemon->digest_log, &view.log_digest);
    const char *life = daemon->halted      ? "halted"
                       : daemon->disk_full ? "disk-full"
                       : view.disputed     ? "rebuilding"
                                           : ob_peer_life_name(view.life);
    return json_pack(
        "{s:b, s:s, s:s, s:o, s:o, s:s, s:f, s:I, s:I, s:I, s:i, s:I, s:I, s:f, s:o, s:o, s:b, s:o, s:o, "
        "s:o, s:o, s:o, s:o, s:o, s:o}",
        "ok", true, "version", OB_VERSION, "name", daemon->manifest->name, "run",
        hex_json(daemon->manifest->run.hash.bytes), "machine", hex_json(daemon->identity.machine.key), "life",
        life, "uptime_s", ob_seconds_since(daemon->started_ns), "round", (json_int_t)view.round.index,
        "max_rounds", (json_int_t)daemon->manifest->bounds.max_rounds, "next_sample",
        (json_int_t)view.next.index, "live", (int)view.live, "own_rounds", (json_int_t)daemon->own_rounds,
        "own_samples", (json_int_t)daemon->own_samples, "loss", daemon->loss, "log_digest",
        hex_json(view.log_digest.bytes), "weights_digest",
        daemon->has_digest ? hex_json(daemon->weights_digest.bytes) : json_null(), "weights_digest_current",
        current, "integrity", integrity_json(daemon, &view), "log", log_json(daemon), "snapshot",
        snapshot_json(daemon), "catch_up", catch_up_json(daemon, &view), "traffic", traffic_json(daemon),
        "work", work_json(daemon), "peer", counters_json(&view.counters), "machines", machines);
}

static json_t *simple_event(struct ob_daemon *daemon, enum ob_event_kind kind) {
    struct ob_event event = {.kind = kind};
    struct ob_error error;
    if (ob_daemon_step(daemon, &event, &error))
        return json_pack("{s:b, s:s}", "ok", false, "error", error.text);
    return json_pack("{s:b}", "ok", true);
}

static json_t *take_control(struct ob_daemon *daemon, const json_t *root) {
    uint8_t entry[OB_CONTROL_BYTES_MAX];
    const char *text = json_string_value(json_object_get(root, "entry"));
    struct ob_error error = {0};
    size_t bytes = 0;
    if (!text || sodium_hex2bin(entry, sizeof entry, text, strlen(text), NULL, &bytes, NULL) != 0 ||
        2 * bytes != strlen(text))
        return json_pack("{s:b, s:s}", "ok", false, "error", "\"entry\" is not hexadecimal digits");
    if (ob_membership_control(daemon, entry, bytes, &error))
        return json_pack("{s:b, s:s}", "ok", false, "error", error.text);
    return json_pack("{s:b}", "ok", true);
}

static json_t *answer(struct ob_daemon *daemon, const char *command, const json_t *root) {
    if (strcmp(command, "status") == 0)
        return status_json(daemon);
    if (strcmp(command, "leave") == 0) {
        atomic_store(&daemon->leave_wanted, true);
        return json_pack("{s:b}", "ok", true);
    }
    if (daemon->disk_full)
        return json_pack("{s:b, s:s}", "ok", false, "error",
                         "the disk is full: until there is room the daemon only answers status and leave");
    if (strcmp(command, "pause") == 0 || strcmp(command, "resume") == 0) {
        daemon->paused = command[0] == 'p';
        return simple_event(daemon, daemon->paused ? OB_EVENT_PAUSE : OB_EVENT_RESUME);
    }
    if (strcmp(command, "control") == 0)
        return take_control(daemon, root);
    return json_pack("{s:b, s:s}", "ok", false, "error",
                     "unknown command (status, leave, pause, resume, control)");
}

enum ob_err ob_daemon_answer(struct ob_daemon *daemon, const uint8_t *request, size_t bytes,
                             char **ret_answer, struct ob_error *error) {
    json_t *root = json_loadb((const char *)request, bytes, JSON_REJECT_DUPLICATES, NULL);
    const char *command = json_string_value(json_object_get(root, "command"));
    json_t *reply = command ? answer(daemon, command, root)
                            : json_pack("{s:b, s:s}", "ok", false, "error", "expected {\"command\": \"…\"}");
    json_decref(root);
    char *text = reply ? json_dumps(reply, JSON_COMPACT) : NULL;
    json_decref(reply);
    if (!text)
        return ob_fail(error, OB_ENOMEM, "status: out of memory");
    *ret_answer = text;
    return OB_OK;
}
