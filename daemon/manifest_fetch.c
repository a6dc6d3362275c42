#include "daemon/manifest_fetch.h"

#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/path.h"
#include "daemon/contacts.h"
#include "daemon/hello.h"
#include "daemon/manifest_frames.h"
#include "daemon/names.h"
#include "daemon/reach.h"
#include "daemon/request.h"
#include "daemon/status_fields.h"
#include "model/forward/blas.h"
#include "run/manifest.h"
#include "transport/status_client.h"

#define ASK_AGAIN_S 2
#define POLL_MS     50

/* A manifest on its way. */
struct fetching {
    const struct ob_session *session;
    const struct ob_config *config;
    const struct ob_logger *logger;
    struct ob_reach_watch reach;
    uint64_t started_ns;
    bool leave;
    struct ob_run_id run;
    struct ob_transport *transport;
    struct ob_contacts *contacts;
    struct ob_machine_id source; /* who is asked */
    bool has_source, done;
    uint64_t asked_s;
    uint8_t *bytes;
    size_t have, total; /* total 0: not known yet */
};

static void ask(struct fetching *f) {
    uint8_t data[OB_MANIFEST_ASK_BYTES];
    size_t bytes = ob_manifest_ask_encode(&f->run, (uint32_t)f->have, data);
    f->asked_s = ob_now_s();
    if (!ob_transport_send(f->transport, &f->source, data, bytes))
        f->has_source = false;
}

static void start_over(struct fetching *f) {
    free(f->bytes);
    f->bytes = NULL;
    f->have = f->total = 0;
    f->has_source = false;
}

static enum ob_err finish(struct fetching *f, struct ob_error *error) {
    struct ob_hash hash;
    struct ob_manifest *manifest = NULL;
    crypto_generichash(hash.bytes, OB_HASH_BYTES, f->bytes, f->total, NULL, 0);
    if (!ob_hash_equal(&hash, &f->run.hash)) {
        ob_log(f->logger, OB_LOG_ERROR, "manifest",
               "text=\"a peer sent the manifest of a different run; asking again\"");
        start_over(f);
        return OB_OK;
    }
    enum ob_err failed =
        ob_manifest_parse((const char *)f->bytes, f->total, f->config->manifest, &manifest, error);
    ob_manifest_free(manifest);
    if (!failed)
        failed = ob_file_write_new(f->config->manifest, f->bytes, f->total, 0644, error);
    f->done = !failed;
    return failed;
}

static enum ob_err take_piece(struct fetching *f, const struct ob_transport_event *event,
                              struct ob_error *error) {
    struct ob_manifest_piece piece;
    if (!f->has_source || !ob_machine_equal(&event->machine, &f->source) ||
        !ob_manifest_piece_decode(&f->run, event->data, event->bytes, &piece) ||
        (f->total > 0 && piece.total != f->total) || piece.offset != f->have)
        return OB_OK;
    if (!f->bytes && !(f->bytes = malloc(piece.total)))
        return ob_fail(error, OB_ENOMEM, "not enough memory for the manifest");
    f->total = piece.total;
    memcpy(f->bytes + piece.offset, piece.bytes, piece.count);
    f->have += piece.count;
    if (f->have == f->total)
        return finish(f, error);
    ask(f);
    return OB_OK;
}

/* ---- what is asked meanwhile ---- */

static void gather_machine(const struct fetching *f, size_t i, struct ob_status_machine *ret_machine) {
    struct ob_reach reach = ob_contacts_reach(f->contacts, i);
    *ret_machine = (struct ob_status_machine){.peer = {.machine = reach.machine, .cut = {UINT64_MAX}},
                                              .linked = !reach.why,
                                              .last_record_s = NAN,
                                              .last_heard_s = NAN,
                                              .endpoint = reach.endpoint,
                                              .why = reach.why};
    (void)ob_machine_name(f->config, NULL, &reach.machine, ret_machine->name);
}

static char *status_text(const struct fetching *f) {
    size_t count = ob_contacts_count(f->contacts);
    struct ob_status status = {.life = "fetching",
                               .run = f->run,
                               .machine = f->session->identity->machine,
                               .uptime_s = ob_seconds_since(f->started_ns),
                               .loss = NAN,
                               .traffic = ob_transport_counters(f->transport),
                               .snapshot = {.join = "off"},
                               .blas_core = ob_blas_core(),
                               .blas_failed_cores = ob_blas_failed_cores(),
                               .work = {.products = ""},
                               .machines = calloc(count + 1, sizeof *status.machines)};
    if (!status.machines)
        return NULL;
    for (; status.machine_count < count; status.machine_count++)
        gather_machine(f, status.machine_count, &status.machines[status.machine_count]);
    json_t *json = ob_status_json(&status);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    free(status.machines);
    return text;
}

static void on_request(struct fetching *f, const struct ob_transport_event *event) {
    static const char NO_MEMORY[] = "{\"ok\":false,\"error\":\"out of memory\"}";
    struct ob_request request;
    struct ob_error why = {0};
    char *text;
    if (ob_request_parse(event->data, event->bytes, &request, &why))
        text = ob_request_failed(why.text);
    else if (request.kind == OB_REQUEST_STATUS)
        text = status_text(f);
    else if ((f->leave = request.kind == OB_REQUEST_LEAVE))
        text = ob_request_done(NULL);
    else
        text = ob_request_failed(
            "the daemon is fetching the manifest; until it has it, it answers only status and leave");
    const char *reply = text ? text : NO_MEMORY;
    ob_transport_status_reply(f->transport, reply, strlen(reply));
    free(text);
}

static enum ob_err take(struct fetching *f, const struct ob_transport_event *event, struct ob_error *error) {
    switch (event->kind) {
    case OB_TRANSPORT_LINK_UP:
        if (!f->has_source) {
            f->source = event->machine;
            f->has_source = true;
            ask(f);
        }
        return OB_OK;
    case OB_TRANSPORT_FRAME:
        if (event->bytes > 0 && event->data[0] == OB_MESSAGE_MANIFEST)
            return take_piece(f, event, error);
        if (!f->has_source) { /* somebody else who is linked */
            f->source = event->machine;
            f->has_source = true;
        }
        return OB_OK;
    case OB_TRANSPORT_ANSWER:
        ob_contacts_answer(f->contacts, &event->machine, event->verdict, ob_now_s());
        return OB_OK;
    case OB_TRANSPORT_BEACON:
        ob_contacts_set(f->contacts, &event->machine, OB_PLACE_HINT, event->text, ob_now_s());
        return OB_OK;
    case OB_TRANSPORT_STATUS:
        on_request(f, event);
        return OB_OK;
    default:
        return OB_OK;
    }
}

static enum ob_err fetch(struct fetching *f, struct ob_error *error) {
    enum ob_err failed = OB_OK;
    while (!failed && !f->done) {
        struct ob_transport_event event;
        if (f->leave)
            return ob_fail(error, OB_ESTATE, "told to leave before the manifest arrived");
        bool alone = ob_transport_counters(f->transport).links == 0;
        ob_reach_tend(&f->reach, f->session, f->contacts, alone, ob_now_s());
        ob_contacts_tend(f->contacts, ob_now_s());
        failed = ob_transport_poll(f->transport, POLL_MS, &event, error);
        if (!failed)
            failed = take(f, &event, error);
        if (!failed && f->has_source && ob_now_s() - f->asked_s > ASK_AGAIN_S) {
            f->has_source = false; /* whoever speaks next is asked */
            ask(f);
        }
    }
    return failed;
}

static enum ob_err open_contacts(struct fetching *f, const struct ob_identity *identity,
                                 const struct ob_certificate_file *certificate, struct ob_error *error) {
    uint8_t hello[OB_HELLO_MAX], tag[OB_BEACON_TAG_BYTES];
    char status[OB_PATH_MAX];
    enum ob_err failed = ob_path_join(status, f->config->state_dir, OB_STATUS_SOCKET, error);
    struct ob_transport_options options = {.secret_key = identity->secret_key, .status_path = status};
    if (!failed)
        failed = ob_transport_new(&options, &f->transport, error);
    if (failed)
        return failed;
    struct ob_contacts_options contacts = {.transport = f->transport,
                                           .logger = f->logger,
                                           .self = identity->machine,
                                           .hello = hello,
                                           .hello_bytes = ob_hello_encode(certificate, hello)};
    failed = ob_contacts_new(&contacts, &f->contacts, error);
    for (size_t i = 0; i < f->config->peer_count && !failed; i++)
        ob_contacts_set(f->contacts, &f->config->peers[i].machine, OB_PLACE_CONFIGURED,
                        f->config->peers[i].endpoint, ob_now_s());
    ob_beacon_tag(&f->run, tag);
    if (!failed && f->config->beacon)
        failed = ob_transport_announce(f->transport, &identity->machine, tag,
                                       (uint16_t)f->config->beacon_port, error);
    return failed;
}

enum ob_err ob_manifest_source_check(const struct ob_config *config, struct ob_error *error) {
    bool any = config->beacon;
    for (size_t i = 0; i < config->peer_count; i++)
        any = any || config->peers[i].endpoint[0];
    return any ? OB_OK
               : ob_fail(error, OB_EUSAGE,
                         "%s: no manifest, and [peers] has no address to fetch it from; copy the manifest "
                         "there or add a "
                         "peer's address",
                         config->manifest);
}

enum ob_err ob_manifest_fetch(const struct ob_session *session, const struct ob_certificate_file *certificate,
                              struct ob_error *error) {
    struct fetching f = {.session = session,
                         .config = session->config,
                         .logger = session->logger,
                         .run = certificate->certificate.run,
                         .started_ns = ob_now_ns()};
    enum ob_err failed = ob_manifest_source_check(session->config, error);
    if (failed)
        return failed;
    ob_log(f.logger, OB_LOG_INFO, "manifest", "text=\"fetching it from a peer\"");
    failed = open_contacts(&f, session->identity, certificate, error);
    if (!failed)
        failed = fetch(&f, error);
    ob_contacts_free(f.contacts);
    ob_transport_free(f.transport);
    free(f.bytes);
    if (!failed)
        ob_log(f.logger, OB_LOG_INFO, "manifest", "file=%s bytes=%zu", f.config->manifest, f.total);
    return failed;
}
