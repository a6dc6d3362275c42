#include "daemon/manifest_fetch.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "daemon/fetching.h"
#include "daemon/manifest_frames.h"
#include "run/manifest.h"

#define ASK_AGAIN_S 2

/* A manifest on its way. */
struct arriving {
    const struct ob_session *session;
    struct ob_run_id run;
    struct ob_machine_id source; /* who is asked */
    bool has_source, done;
    uint64_t asked_s;
    uint8_t *bytes;
    size_t have, total; /* total 0: not known yet */
};

static void ask(struct arriving *a, struct ob_transport *transport) {
    uint8_t data[OB_MANIFEST_ASK_BYTES];
    size_t bytes = ob_manifest_ask_encode(&a->run, (uint32_t)a->have, data);
    a->asked_s = ob_now_s();
    if (!ob_transport_send(transport, &a->source, data, bytes))
        a->has_source = false;
}

static void start_over(struct arriving *a) {
    free(a->bytes);
    a->bytes = NULL;
    a->have = a->total = 0;
    a->has_source = false;
}

static enum ob_err finish(struct arriving *a, struct ob_error *error) {
    const char *path = a->session->config->manifest;
    struct ob_hash hash;
    struct ob_manifest *manifest = NULL;
    crypto_generichash(hash.bytes, OB_HASH_BYTES, a->bytes, a->total, NULL, 0);
    if (!ob_hash_equal(&hash, &a->run.hash)) {
        ob_log(a->session->logger, OB_LOG_ERROR, "manifest",
               "text=\"a peer sent the manifest of a different run; asking again\"");
        start_over(a);
        return OB_OK;
    }
    enum ob_err failed = ob_manifest_parse((const char *)a->bytes, a->total, path, &manifest, error);
    ob_manifest_free(manifest);
    if (!failed)
        failed = ob_file_write_new(path, a->bytes, a->total, 0644, error);
    a->done = !failed;
    return failed;
}

static enum ob_err take_piece(struct arriving *a, struct ob_transport *transport,
                              const struct ob_transport_event *event, struct ob_error *error) {
    struct ob_manifest_piece piece;
    if (!a->has_source || !ob_machine_equal(&event->machine, &a->source) ||
        !ob_manifest_piece_decode(&a->run, event->data, event->bytes, &piece) ||
        (a->total > 0 && piece.total != a->total) || piece.offset != a->have)
        return OB_OK;
    if (!a->bytes && !(a->bytes = malloc(piece.total)))
        return ob_fail(error, OB_ENOMEM, "not enough memory for the manifest");
    a->total = piece.total;
    memcpy(a->bytes + piece.offset, piece.bytes, piece.count);
    a->have += piece.count;
    if (a->have == a->total)
        return finish(a, error);
    ask(a, transport);
    return OB_OK;
}

static void linked(void *context, struct ob_transport *transport, const struct ob_machine_id *machine) {
    struct arriving *a = context;
    if (a->has_source)
        return;
    a->source = *machine;
    a->has_source = true;
    ask(a, transport);
}

static enum ob_err frame(void *context, struct ob_transport *transport,
                         const struct ob_transport_event *event, struct ob_error *error) {
    struct arriving *a = context;
    if (event->bytes > 0 && event->data[0] == OB_MESSAGE_MANIFEST)
        return take_piece(a, transport, event, error);
    if (!a->has_source) { /* somebody else who is linked */
        a->source = event->machine;
        a->has_source = true;
    }
    return OB_OK;
}

static enum ob_err tend(void *context, struct ob_transport *transport, bool *ret_done,
                        struct ob_error *error) {
    struct arriving *a = context;
    (void)error;
    *ret_done = a->done;
    if (!a->done && a->has_source && ob_now_s() - a->asked_s > ASK_AGAIN_S) {
        a->has_source = false; /* whoever speaks next is asked */
        ask(a, transport);
    }
    return OB_OK;
}

enum ob_err ob_manifest_source_check(const struct ob_config *config, struct ob_error *error) {
    return ob_fetching_has_source(config)
               ? OB_OK
               : ob_fail(error, OB_EUSAGE,
                         "%s: no manifest, and [peers] has no address to fetch it from; copy the manifest "
                         "there or add a "
                         "peer's address",
                         config->manifest);
}

enum ob_err ob_manifest_fetch(const struct ob_session *session, const struct ob_certificate_file *certificate,
                              struct ob_error *error) {
    struct arriving a = {.session = session, .run = certificate->certificate.run};
    struct ob_wanted wanted = {
        .what = "the manifest", .context = &a, .linked = linked, .frame = frame, .tend = tend};
    enum ob_err failed = ob_manifest_source_check(session->config, error);
    if (failed)
        return failed;
    ob_log(session->logger, OB_LOG_INFO, "manifest", "text=\"fetching it from a peer\"");
    failed = ob_fetching_run(session, certificate, &wanted, error);
    free(a.bytes);
    if (!failed)
        ob_log(session->logger, OB_LOG_INFO, "manifest", "file=%s bytes=%zu", session->config->manifest,
               a.total);
    return failed;
}
