#include "daemon/manifest_transfer.h"

#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "daemon/contacts.h"

#define ASK_AGAIN_S 2
#define POLL_MS     50

size_t ob_hello_encode(const struct ob_certificate_file *certificate, uint8_t ret_hello[OB_HELLO_MAX]) {
    memcpy(ret_hello, certificate->certificate.run.hash.bytes, OB_HASH_BYTES);
    memcpy(ret_hello + OB_HASH_BYTES, certificate->entry, certificate->entry_bytes);
    return OB_HASH_BYTES + certificate->entry_bytes;
}

void ob_beacon_tag(const struct ob_run_id *run, uint8_t ret_tag[OB_BEACON_TAG_BYTES]) {
    crypto_generichash(ret_tag, OB_BEACON_TAG_BYTES, (const unsigned char *)"onebyte/beacon", 14,
                       run->hash.bytes, OB_HASH_BYTES);
}

bool ob_manifest_serve(const struct ob_manifest *manifest, struct ob_transport *transport,
                       const struct ob_machine_id *from, const uint8_t *data, size_t bytes) {
    uint8_t message[OB_MANIFEST_PIECE_MESSAGE];
    uint32_t offset;
    if (bytes < 1 || data[0] != OB_MESSAGE_MANIFEST_ASK)
        return false;
    if (!ob_manifest_ask_decode(&manifest->run, data, bytes, &offset) || offset >= manifest->byte_count)
        return true;
    size_t count = manifest->byte_count - offset;
    struct ob_manifest_piece piece = {.total = (uint32_t)manifest->byte_count,
                                      .offset = offset,
                                      .bytes = (const uint8_t *)manifest->bytes + offset,
                                      .count = count < OB_MANIFEST_PIECE_MAX ? count : OB_MANIFEST_PIECE_MAX};
    (void)ob_transport_send(transport, from, message,
                            ob_manifest_piece_encode(&manifest->run, &piece, message));
    return true;
}

/* A manifest on its way. */
struct fetching {
    const struct ob_config *config;
    const struct ob_logger *logger;
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
               "text=\"a peer sent another run's manifest; asking again\"");
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
        return ob_fail(error, OB_ENOMEM, "no memory for the manifest");
    f->total = piece.total;
    memcpy(f->bytes + piece.offset, piece.bytes, piece.count);
    f->have += piece.count;
    if (f->have == f->total)
        return finish(f, error);
    ask(f);
    return OB_OK;
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
    default:
        return OB_OK;
    }
}

static bool told_to_leave(void) {
    sigset_t pending;
    return sigpending(&pending) == 0 &&
           (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1);
}

static enum ob_err fetch(struct fetching *f, struct ob_error *error) {
    enum ob_err failed = OB_OK;
    while (!failed && !f->done) {
        struct ob_transport_event event;
        if (told_to_leave())
            return ob_fail(error, OB_ESTATE, "told to leave before the manifest was there");
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
    struct ob_transport_options options = {.secret_key = identity->secret_key};
    enum ob_err failed = ob_transport_new(&options, &f->transport, error);
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

enum ob_err ob_manifest_fetch(const struct ob_session *session, const struct ob_certificate_file *certificate,
                              struct ob_error *error) {
    const struct ob_config *config = session->config;
    const struct ob_logger *logger = session->logger;
    struct fetching f = {.config = config, .logger = logger, .run = certificate->certificate.run};
    bool reachable = config->beacon;
    for (size_t i = 0; i < config->peer_count; i++)
        reachable = reachable || config->peers[i].endpoint[0];
    if (!reachable)
        return ob_fail(error, OB_EUSAGE,
                       "%s: there is no manifest, and [peers] has no address to fetch it from",
                       config->manifest);
    ob_log(logger, OB_LOG_INFO, "manifest", "text=\"fetching it from a peer\"");
    enum ob_err failed = open_contacts(&f, session->identity, certificate, error);
    if (!failed)
        failed = fetch(&f, error);
    ob_contacts_free(f.contacts);
    ob_transport_free(f.transport);
    free(f.bytes);
    if (!failed)
        ob_log(logger, OB_LOG_INFO, "manifest", "file=%s bytes=%zu", config->manifest, f.total);
    return failed;
}
