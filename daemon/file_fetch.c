#include "daemon/file_fetch.h"

#include "base/clock.h"
#include "daemon/names.h"
#include "transfer/fetch.h"

#define TELL_S 10 /* between two words on how far it is */

struct arriving {
    const struct ob_session *session;
    const struct ob_file_wanted *wanted;
    struct ob_run_id run;
    struct ob_transport *transport;
    struct ob_transfer_fetch *fetch;
    uint64_t told_s;
};

static bool send_ask(void *context, const struct ob_machine_id *to, const void *data, size_t bytes) {
    const struct arriving *a = context;
    return ob_transport_send(a->transport, to, data, bytes);
}

static void linked(void *context, struct ob_transport *transport, const struct ob_machine_id *machine) {
    struct arriving *a = context;
    a->transport = transport;
    ob_transfer_fetch_from(a->fetch, machine);
}

static enum ob_err frame(void *context, struct ob_transport *transport,
                         const struct ob_transport_event *event, struct ob_error *error) {
    struct arriving *a = context;
    struct ob_transfer_message block;
    a->transport = transport;
    if (event->published || !ob_transfer_message_decode(event->data, event->bytes, &block) ||
        !ob_hash_equal(&block.run.hash, &a->run.hash))
        return OB_OK;
    return ob_transfer_fetch_take(a->fetch, &event->machine, &block, ob_now_ns(), error);
}

static void tell(struct arriving *a, bool done) {
    const struct ob_logger *logger = a->session->logger;
    struct ob_transfer_progress progress = ob_transfer_fetch_progress(a->fetch);
    struct ob_machine_id liar;
    char name[64];
    while (ob_transfer_fetch_liar(a->fetch, &liar))
        ob_log(logger, OB_LOG_ERROR, "file-lie",
               "machine=%s text=\"it sent a block of %s that does not have its hash; asking it no more\"",
               ob_machine_name(a->session->config, NULL, &liar, name), a->wanted->what);
    if (!done && ob_now_s() - a->told_s < TELL_S)
        return;
    a->told_s = ob_now_s();
    if (progress.bytes_total > 0)
        ob_log(logger, OB_LOG_INFO, "file", "file=%s bytes=%llu of=%llu kept=%llu", a->wanted->path,
               (unsigned long long)progress.bytes_have, (unsigned long long)progress.bytes_total,
               (unsigned long long)progress.bytes_kept);
}

static void count(const void *context, uint64_t *ret_bytes, uint64_t *ret_of) {
    const struct arriving *a = context;
    struct ob_transfer_progress progress = ob_transfer_fetch_progress(a->fetch);
    *ret_bytes = progress.bytes_have;
    *ret_of = progress.bytes_total;
}

static enum ob_err tend(void *context, struct ob_transport *transport, bool *ret_done,
                        struct ob_error *error) {
    struct arriving *a = context;
    a->transport = transport;
    enum ob_err failed = ob_transfer_fetch_tend(a->fetch, ob_now_ns(), ret_done, error);
    tell(a, !failed && *ret_done);
    return failed;
}

enum ob_err ob_file_fetch(const struct ob_session *session, const struct ob_certificate_file *certificate,
                          const struct ob_file_wanted *wanted, struct ob_error *error) {
    struct arriving a = {
        .session = session, .wanted = wanted, .run = certificate->certificate.run, .told_s = ob_now_s()};
    struct ob_wanted loop = {
        .what = wanted->what, .context = &a, .linked = linked, .frame = frame, .count = count, .tend = tend};
    struct ob_transfer_fetch_options options = {.run = a.run,
                                                .name = wanted->name,
                                                .bytes_max = wanted->bytes_max,
                                                .path = wanted->path,
                                                .send = send_ask,
                                                .context = &a};
    enum ob_err failed = ob_transfer_fetch_new(&options, &a.fetch, error);
    if (failed)
        return failed;
    ob_log(session->logger, OB_LOG_INFO, "file", "file=%s text=\"fetching %s from other machines\"",
           wanted->path, wanted->what);
    failed = ob_fetching_run(session, certificate, &loop, error);
    ob_transfer_fetch_free(a.fetch);
    return failed;
}
