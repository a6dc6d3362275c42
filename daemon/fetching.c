#include "daemon/fetching.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/path.h"
#include "daemon/contacts.h"
#include "daemon/hello.h"
#include "daemon/names.h"
#include "daemon/reach.h"
#include "daemon/request.h"
#include "daemon/service.h"
#include "daemon/status_fields.h"
#include "model/forward/blas.h"
#include "transport/status_client.h"

#define POLL_MS 50

struct fetching {
    const struct ob_session *session;
    const struct ob_config *config;
    const struct ob_logger *logger;
    const struct ob_wanted *wanted;
    struct ob_reach_watch reach;
    struct ob_service service;
    uint64_t started_ns;
    bool leave;
    struct ob_run_id run;
    struct ob_transport *transport;
    struct ob_contacts *contacts;
};

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
                               .work = {.products = "", .loops = ""},
                               .machines = calloc(count + 1, sizeof *status.machines)};
    if (!status.machines)
        return NULL;
    status.fetching.what = f->wanted->what;
    if (f->wanted->count)
        f->wanted->count(f->wanted->context, &status.fetching.bytes, &status.fetching.of);
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
            "the daemon is fetching what it lacks; until it has it, it answers only status and leave");
    const char *reply = text ? text : NO_MEMORY;
    ob_transport_status_reply(f->transport, reply, strlen(reply));
    free(text);
}

static enum ob_err take(struct fetching *f, const struct ob_transport_event *event, struct ob_error *error) {
    switch (event->kind) {
    case OB_TRANSPORT_LINK_UP:
        f->wanted->linked(f->wanted->context, f->transport, &event->machine);
        return OB_OK;
    case OB_TRANSPORT_FRAME:
        return f->wanted->frame(f->wanted->context, f->transport, event, error);
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

static void tell_service(struct fetching *f, uint64_t now_ns) {
    char life[64];
    if (!ob_service_tend(&f->service, now_ns))
        return;
    (void)snprintf(life, sizeof life, "fetching %s", f->wanted->what);
    struct ob_service_news news = {.life = life, .loss = NAN, .left_s = NAN};
    ob_service_tell(&f->service, &news, now_ns);
}

static enum ob_err fetch(struct fetching *f, struct ob_error *error) {
    enum ob_err failed = OB_OK;
    for (bool done = false; !failed && !done;) {
        struct ob_transport_event event;
        if (f->leave)
            return ob_fail(error, OB_ESTATE, "told to leave before %s arrived", f->wanted->what);
        bool alone = ob_transport_counters(f->transport).links == 0;
        ob_reach_tend(&f->reach, f->session, f->contacts, alone, ob_now_s());
        ob_contacts_tend(f->contacts, ob_now_s());
        tell_service(f, ob_now_ns());
        failed = ob_transport_poll(f->transport, POLL_MS, &event, error);
        if (!failed)
            failed = take(f, &event, error);
        if (!failed)
            failed = f->wanted->tend(f->wanted->context, f->transport, &done, error);
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

bool ob_fetching_has_source(const struct ob_config *config) {
    bool any = config->beacon;
    for (size_t i = 0; i < config->peer_count; i++)
        any = any || config->peers[i].endpoint[0];
    return any;
}

enum ob_err ob_fetching_run(const struct ob_session *session, const struct ob_certificate_file *certificate,
                            const struct ob_wanted *wanted, struct ob_error *error) {
    struct fetching f = {.session = session,
                         .config = session->config,
                         .logger = session->logger,
                         .wanted = wanted,
                         .run = certificate->certificate.run,
                         .started_ns = ob_now_ns()};
    if (!ob_fetching_has_source(session->config))
        return ob_fail(error, OB_EUSAGE, "[peers] has no address to fetch %s from; add a peer's address",
                       wanted->what);
    enum ob_err failed = open_contacts(&f, session->identity, certificate, error);
    ob_service_init(&f.service);
    if (!failed)
        failed = fetch(&f, error);
    ob_contacts_free(f.contacts);
    ob_transport_free(f.transport);
    return failed;
}
