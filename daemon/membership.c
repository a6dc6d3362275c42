#include "daemon/membership.h"

#include <string.h>

#include "base/clock.h"
#include "daemon/daemon.h"
#include "daemon/manifest_transfer.h"

enum ob_err ob_membership_read_certificate(struct ob_daemon *daemon, bool may_lack, struct ob_error *error) {
    const char *path = daemon->config->certificate;
    const struct ob_run_id *run = daemon->manifest ? &daemon->manifest->run : NULL;
    enum ob_err failed = ob_certificate_file_read(path, &daemon->certificate, error);
    if (failed == OB_ENOTFOUND && may_lack)
        return OB_OK;
    if (failed == OB_ENOTFOUND)
        return ob_fail(
            error, OB_ENOTFOUND,
            "%s: there is no certificate; the holder of the run's authority key makes one with `onebyte "
            "invite` and this machine's public key",
            path);
    if (!failed) /* that it has expired is judged later: the control table may hold a renewed one */
        failed =
            ob_certificate_file_check(path, &daemon->certificate, &daemon->identity.machine, run, 0, error);
    daemon->has_certificate = !failed;
    return failed;
}

static enum ob_err open_contacts(struct ob_daemon *daemon, struct ob_error *error) {
    uint8_t hello[OB_HELLO_MAX];
    const struct ob_config *config = daemon->config;
    struct ob_contacts_options options = {
        .transport = daemon->transport,
        .log = &daemon->log,
        .self = daemon->identity.machine,
        .hello = hello,
        .hello_bytes = daemon->has_certificate ? ob_hello_encode(&daemon->certificate, hello) : 0,
    };
    enum ob_err failed = ob_contacts_new(&options, &daemon->contacts, error);
    for (size_t i = 0; i < config->peer_count && !failed; i++)
        ob_contacts_set(daemon->contacts, &config->peers[i].machine, OB_PLACE_CONFIGURED,
                        config->peers[i].endpoint, ob_now_s());
    return failed;
}

enum ob_err ob_membership_start(struct ob_daemon *daemon, struct ob_error *error) {
    uint8_t tag[OB_BEACON_TAG_BYTES];
    enum ob_err failed = open_contacts(daemon, error);
    ob_beacon_tag(&daemon->manifest->run, tag);
    if (!failed && daemon->config->beacon)
        failed = ob_transport_announce(daemon->transport, &daemon->identity.machine, tag,
                                       (uint16_t)daemon->config->beacon_port, error);
    if (failed || !daemon->has_certificate)
        return failed;
    return ob_membership_control(daemon, daemon->certificate.entry, daemon->certificate.entry_bytes, error);
}

/* What the control table says of us, after it was restored and our certificate was handed in. */
static enum ob_err check_self(const struct ob_daemon *daemon, struct ob_error *error) {
    struct ob_peer_machine self;
    if (!ob_daemon_find_machine(daemon, &daemon->identity.machine, &self) || self.admitted || self.revoked ||
        self.forked)
        return OB_OK; /* revoked and forked: the peer halts and says so */
    if (daemon->has_certificate) {
        enum ob_err failed = ob_certificate_file_check(daemon->config->certificate, &daemon->certificate,
                                                       &daemon->identity.machine, NULL, ob_wall_s(), error);
        if (failed)
            return failed;
    }
    if (daemon->has_certificate &&
        ob_machine_equal(&daemon->certificate.control.signer, &daemon->manifest->authority))
        return ob_fail(error, OB_EREFUSED,
                       "%s: the certificate does not count: it was signed after the run's authority "
                       "key was replaced",
                       daemon->config->certificate);
    /* signed by a key that we do not know yet: the rotation may come from the others */
    ob_log(&daemon->log, OB_LOG_WARN, "certificate",
           "text=\"not signed by an authority key that we know of so far\"");
    return OB_OK;
}

enum ob_err ob_membership_started(struct ob_daemon *daemon, struct ob_error *error) {
    const struct ob_config *config = daemon->config;
    enum ob_err failed = check_self(daemon, error);
    if (failed)
        return failed;
    const char *address = config->advertise[0] ? config->advertise : config->listen;
    if (!ob_endpoint_reachable(address)) {
        if (address[0])
            ob_log(&daemon->log, OB_LOG_WARN, "address",
                   "listen=%s text=\"others cannot learn where we are: set [network] advertise\"", address);
        address = "";
    }
    struct ob_event event = {
        .kind = OB_EVENT_ADDRESS, .data = (const uint8_t *)address, .bytes = strlen(address)};
    return ob_daemon_step(daemon, &event, error);
}

enum ob_err ob_membership_tend(struct ob_daemon *daemon, struct ob_error *error) {
    (void)error;
    if (ob_now_s() == daemon->tended_s)
        return OB_OK;
    daemon->tended_s = ob_now_s();
    ob_contacts_tend(daemon->contacts, daemon->tended_s);
    return OB_OK;
}

enum ob_err ob_membership_control(struct ob_daemon *daemon, const void *entry, size_t bytes,
                                  struct ob_error *error) {
    struct ob_control control;
    enum ob_err failed = ob_control_decode(entry, bytes, &control, error);
    if (!failed && !ob_control_verify(&daemon->manifest->run, &control))
        failed = ob_fail(error, OB_EREFUSED, "the entry is not for this run, or its signature is bad");
    if (failed)
        return failed;
    struct ob_event event = {.kind = OB_EVENT_CONTROL, .data = entry, .bytes = bytes};
    return ob_daemon_step(daemon, &event, error);
}

/* The cheap tests first; the signature is looked at last. */
static enum ob_verdict judge(const struct ob_daemon *daemon, const uint8_t *hello, size_t bytes) {
    struct ob_control control;
    struct ob_peer_machine machine;
    const uint8_t *entry = hello + OB_HASH_BYTES;
    if (bytes <= OB_HASH_BYTES)
        return OB_VERDICT_MALFORMED;
    if (memcmp(hello, daemon->manifest->run.hash.bytes, OB_HASH_BYTES) != 0)
        return OB_VERDICT_RUN;
    if (ob_control_decode(entry, bytes - OB_HASH_BYTES, &control, NULL) ||
        control.kind != OB_CONTROL_CERTIFICATE)
        return OB_VERDICT_MALFORMED;
    if (!ob_transport_knocker_is(daemon->transport, &control.subject))
        return OB_VERDICT_KEY;
    if (ob_daemon_find_machine(daemon, &control.subject, &machine) && (machine.revoked || machine.forked))
        return OB_VERDICT_REVOKED;
    switch (ob_peer_check_certificate(daemon->peer, entry, bytes - OB_HASH_BYTES, ob_wall_s(), NULL)) {
    case OB_OK:
        return OB_VERDICT_WELCOME;
    case OB_EMISMATCH:
        return OB_VERDICT_RUN;
    case OB_ETIMEOUT: /* its old certificate has expired, and we hold a renewed one */
        return ob_transport_allowed(daemon->transport, &control.subject) ? OB_VERDICT_WELCOME
                                                                         : OB_VERDICT_EXPIRED;
    case OB_EREFUSED:
        return OB_VERDICT_SIGNATURE;
    default:
        return OB_VERDICT_MALFORMED;
    }
}

enum ob_err ob_membership_knock(struct ob_daemon *daemon, const struct ob_transport_event *seen,
                                struct ob_error *error) {
    enum ob_verdict verdict = judge(daemon, seen->data, seen->bytes);
    if (verdict != OB_VERDICT_WELCOME) {
        ob_log(&daemon->log, OB_LOG_WARN, "refused", "text=\"%s: at the door: %s\"", seen->text,
               ob_verdict_text(verdict));
        ob_transport_answer(daemon->transport, verdict);
        return OB_OK;
    }
    struct ob_event event = {
        .kind = OB_EVENT_CONTROL, .data = seen->data + OB_HASH_BYTES, .bytes = seen->bytes - OB_HASH_BYTES};
    enum ob_err failed = ob_daemon_step(daemon, &event, error); /* admits it before it is told */
    ob_transport_answer(daemon->transport, OB_VERDICT_WELCOME);
    return failed;
}

enum ob_err ob_membership_admit(struct ob_daemon *daemon, const struct ob_effect *effect,
                                struct ob_error *error) {
    ob_contacts_expel(daemon->contacts, &effect->machine, false);
    return ob_transport_allow(daemon->transport, &effect->machine, error);
}

void ob_membership_expel(struct ob_daemon *daemon, const struct ob_effect *effect) {
    ob_contacts_expel(daemon->contacts, &effect->machine, true);
    ob_transport_forbid(daemon->transport, &effect->machine);
}

void ob_membership_reach(struct ob_daemon *daemon, const struct ob_effect *effect) {
    char endpoint[OB_ENDPOINT_MAX] = "";
    if (effect->bytes >= sizeof endpoint)
        return;
    memcpy(endpoint, effect->data, effect->bytes);
    ob_contacts_set(daemon->contacts, &effect->machine, OB_PLACE_SIGNED, endpoint, ob_now_s());
}
