#include "daemon/membership.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/hello.h"
#include "record/invited.h"

#define DAY_S        86400u
#define LOOK_EVERY_S 10
#define CLOCK_JUMP_S 600

static_assert(OB_CONTROL_BYTES_MAX <= OB_WHY_MAX, "a door can say why");

enum ob_err ob_membership_no_certificate(const char *path, struct ob_error *error) {
    return ob_fail(
        error, OB_EUSAGE,
        "%s: no certificate; ask the holder of the run's authority key to run `onebyte invite` with this "
        "machine's public key, and copy the result to this path",
        path);
}

enum ob_err ob_membership_read_certificate(struct ob_membership *m, const struct ob_session *session,
                                           bool may_lack, struct ob_error *error) {
    const char *path = session->config->certificate;
    m->session = session;
    enum ob_err failed = ob_certificate_file_read(path, &m->certificate, error);
    if (failed == OB_ENOTFOUND && may_lack)
        return OB_OK;
    if (failed == OB_ENOTFOUND)
        return ob_membership_no_certificate(path, error);
    if (!failed && session->manifest)
        failed = ob_certificate_file_check_run(path, &m->certificate, session->config->manifest,
                                               session->manifest, error);
    if (!failed) /* that it has expired is judged later: the control table may hold a renewed one */
        failed = ob_certificate_file_check(path, &m->certificate, &session->identity->machine, 0, error);
    m->has_certificate = !failed;
    return failed;
}

static enum ob_err open_contacts(struct ob_membership *m, struct ob_error *error) {
    uint8_t hello[OB_HELLO_MAX];
    const struct ob_session *session = m->session;
    const struct ob_config *config = session->config;
    struct ob_contacts_options options = {
        .transport = m->session->transport,
        .logger = session->logger,
        .self = session->identity->machine,
        .hello = hello,
        .hello_bytes = m->has_certificate ? ob_hello_encode(&m->certificate, hello) : 0,
    };
    enum ob_err failed = ob_contacts_new(&options, &m->contacts, error);
    for (size_t i = 0; i < config->peer_count && !failed; i++)
        ob_contacts_set(m->contacts, &config->peers[i].machine, OB_PLACE_CONFIGURED,
                        config->peers[i].endpoint, ob_now_s());
    return failed;
}

enum ob_err ob_membership_start(struct ob_membership *m, struct ob_error *error) {
    const struct ob_session *session = m->session;
    uint8_t tag[OB_BEACON_TAG_BYTES];
    enum ob_err failed = open_contacts(m, error);
    ob_beacon_tag(&session->manifest->run, tag);
    if (!failed && session->config->beacon)
        failed = ob_transport_announce(session->transport, &session->identity->machine, tag,
                                       (uint16_t)session->config->beacon_port, error);
    return failed;
}

void ob_membership_take_certificate(struct ob_membership *m, const struct ob_certificate_file *file) {
    uint8_t hello[OB_HELLO_MAX];
    ob_certificate_file_copy(file, &m->certificate);
    m->has_certificate = true;
    ob_contacts_show(m->contacts, hello, ob_hello_encode(&m->certificate, hello));
}

void ob_membership_stop(struct ob_membership *m) {
    ob_contacts_free(m->contacts);
    m->contacts = NULL;
}

/* What the control table says of us, after it was restored and our certificate was handed in. */
static enum ob_err check_self(const struct ob_membership *m, struct ob_error *error) {
    const struct ob_session *session = m->session;
    struct ob_peer_machine self;
    if (!ob_peer_find(session->peer, &session->identity->machine, &self) || self.admitted || self.revoked ||
        self.forked)
        return OB_OK; /* revoked and forked: the peer halts and says so */
    if (!m->has_certificate && self.expiry_s == 0 && !self.name[0])
        return ob_membership_no_certificate(session->config->certificate, error);
    if (m->has_certificate) {
        enum ob_err failed = ob_certificate_file_check(session->config->certificate, &m->certificate,
                                                       &session->identity->machine, ob_wall_s(), error);
        if (failed)
            return failed;
    }
    if (m->has_certificate && ob_machine_equal(&m->certificate.authority, &session->manifest->authority))
        return ob_fail(error, OB_EREFUSED,
                       "%s: the certificate is invalid: it was signed with the run's first authority key "
                       "after that key was replaced; ask for one signed with the new key",
                       session->config->certificate);
    /* signed by a key that we do not know yet: the rotation may come from the others */
    ob_log(session->logger, OB_LOG_INFO, "certificate",
           "text=\"signed with an authority key that this machine does not know yet; asking the others\"");
    return OB_OK;
}

enum ob_err ob_membership_address(const struct ob_membership *m, struct ob_event *ret_event,
                                  struct ob_error *error) {
    const struct ob_config *config = m->session->config;
    enum ob_err failed = check_self(m, error);
    if (failed)
        return failed;
    const char *address = config->advertise[0] ? config->advertise : config->listen;
    if (!ob_endpoint_reachable(address)) {
        if (address[0])
            ob_log(m->session->logger, OB_LOG_INFO, "address",
                   "listen=%s text=\"advertising the address from which we reach other machines; if this one "
                   "is behind a router, set [network] advertise\"",
                   address);
        address = "";
    }
    *ret_event = (struct ob_event){
        .kind = OB_EVENT_ADDRESS, .data = (const uint8_t *)address, .bytes = strlen(address)};
    return OB_OK;
}

/* A week and a day before. */
static void watch_expiry(struct ob_membership *m, uint64_t wall_s) {
    struct ob_peer_machine self;
    char text[OB_TIME_TEXT_MAX];
    if (!ob_peer_find(m->session->peer, &m->session->identity->machine, &self) || self.expiry_s == 0)
        return;
    uint64_t left_s = self.expiry_s > wall_s ? self.expiry_s - wall_s : 0;
    unsigned near = left_s == 0 ? 3 : left_s <= DAY_S ? 2 : left_s <= 7 * DAY_S ? 1 : 0;
    if (self.expiry_s != m->expiry_s)
        m->expiry_told = 0; /* it was renewed */
    m->expiry_s = self.expiry_s;
    if (near <= m->expiry_told)
        return;
    m->expiry_told = near;
    ob_time_to_text(self.expiry_s, text);
    ob_log(m->session->logger, OB_LOG_WARN, "expiry",
           "expires=%s text=\"%s; ask the run's authority to renew it\"", text,
           near == 3 ? "this machine's certificate has expired"
                     : "this machine's certificate expires soon; after that, no machine will connect to it");
}

static void watch_clock(struct ob_membership *m, uint64_t wall_s, uint64_t now_s) {
    int64_t offset = (int64_t)wall_s - (int64_t)now_s, jump = offset - m->clock_s;
    if (m->clock_s != 0 && (jump > CLOCK_JUMP_S || jump < -CLOCK_JUMP_S))
        ob_log(m->session->logger, OB_LOG_WARN, "clock",
               "jump_s=%lld text=\"the wall clock jumped, or this machine slept; check the clock, because "
               "certificates expire by it\"",
               (long long)jump);
    m->clock_s = offset;
}

bool ob_membership_found_address(struct ob_membership *m, struct ob_event *ret_event) {
    char address[OB_ENDPOINT_MAX];
    if (m->session->config->advertise[0] || !ob_transport_own_address(m->session->transport, address) ||
        strcmp(address, m->found) == 0)
        return false;
    memcpy(m->found, address, sizeof address);
    ob_log(m->session->logger, OB_LOG_INFO, "address", "advertise=%s", address);
    *ret_event = (struct ob_event){
        .kind = OB_EVENT_ADDRESS, .data = (const uint8_t *)m->found, .bytes = strlen(m->found)};
    return true;
}

void ob_membership_tend(struct ob_membership *m) {
    uint64_t now_s = ob_now_s();
    if (now_s == m->tended_s)
        return;
    m->tended_s = now_s;
    ob_contacts_tend(m->contacts, now_s);
    if (m->looked_s && now_s - m->looked_s < LOOK_EVERY_S)
        return;
    m->looked_s = now_s ? now_s : 1;
    watch_expiry(m, ob_wall_s());
    watch_clock(m, ob_wall_s(), now_s);
}

enum ob_err ob_membership_control(const struct ob_membership *m, const void *entry, size_t bytes,
                                  struct ob_event *ret_event, struct ob_error *error) {
    enum ob_err failed = OB_OK;
    size_t at = 0;
    do {
        struct ob_control control;
        const uint8_t *data = (const uint8_t *)entry + at;
        size_t first = ob_control_first_bytes(data, bytes - at);
        first = first ? first : bytes - at;
        failed = ob_control_decode(data, first, &control, error);
        if (!failed && !ob_control_verify(&m->session->manifest->run, &control))
            failed = ob_fail(error, OB_EREFUSED, "the entry is for another run, or its signature is invalid");
        at += first;
    } while (!failed && at < bytes);
    if (!failed)
        *ret_event = (struct ob_event){.kind = OB_EVENT_CONTROL, .data = entry, .bytes = bytes};
    return failed;
}

enum ob_err ob_membership_verdict(const struct ob_membership *m, const void *entry, size_t bytes,
                                  struct ob_error *error) {
    static const char *const KINDS[] = {[OB_CONTROL_CERTIFICATE] = "certificate",
                                        [OB_CONTROL_REVOCATION] = "revocation",
                                        [OB_CONTROL_ROTATION] = "rotation",
                                        [OB_CONTROL_INVITATION] = "invitation",
                                        [OB_CONTROL_WITHDRAWAL] = "withdrawal"};
    struct ob_machine_id authority = ob_peer_authority(m->session->peer);
    struct ob_control control;
    char signer[OB_HEX_KEY_MAX], expected[OB_HEX_KEY_MAX];
    if (ob_peer_holds_control(m->session->peer, entry, bytes))
        return OB_OK;
    enum ob_err failed = ob_control_decode(entry, bytes, &control, error);
    if (failed)
        return failed;
    size_t kind = (size_t)control.kind;
    const char *what = kind < sizeof KINDS / sizeof *KINDS && KINDS[kind] ? KINDS[kind] : "entry";
    ob_machine_to_text(&control.signer, signer);
    ob_machine_to_text(&authority, expected);
    if (!ob_machine_equal(&control.signer, &authority))
        return ob_fail(
            error, OB_EREFUSED,
            "the %s was refused: it is signed with key %.16s..., but the run's authority key is %s; use the "
            "file of that key",
            what, signer, expected);
    return ob_fail(
        error, OB_EREFUSED,
        "the %s was not accepted: the control table already holds one for this machine that overrides it",
        what);
}

static enum ob_verdict judge_invited(const struct ob_session *session, const uint8_t *entries, size_t bytes,
                                     struct ob_door_answer *answer) {
    struct ob_control invitation, admission;
    struct ob_peer_machine machine;
    if (ob_invited_decode(entries, bytes, &invitation, &admission, NULL))
        return OB_VERDICT_MALFORMED;
    if (!ob_transport_knocker_is(session->transport, &admission.subject))
        return OB_VERDICT_KEY;
    if (ob_peer_find(session->peer, &admission.subject, &machine) && (machine.revoked || machine.forked)) {
        answer->why = ob_peer_why_out(session->peer, &admission.subject, &answer->why_bytes);
        return OB_VERDICT_REVOKED;
    }
    switch (ob_peer_check_invited(session->peer, entries, bytes, ob_wall_s(), NULL)) {
    case OB_OK:
        return OB_VERDICT_WELCOME;
    case OB_ETIMEOUT: /* we hold a certificate of it */
        return ob_transport_allowed(session->transport, &admission.subject) ? OB_VERDICT_WELCOME
                                                                            : OB_VERDICT_TOO_LATE;
    case OB_ESTATE:
        return ob_transport_allowed(session->transport, &admission.subject) ? OB_VERDICT_WELCOME
                                                                            : OB_VERDICT_WITHDRAWN;
    case OB_EBUSY:
        return OB_VERDICT_USED_UP;
    case OB_EREFUSED:
        return OB_VERDICT_SIGNATURE;
    default:
        return OB_VERDICT_MALFORMED;
    }
}

/* The cheap tests first; the signature is looked at last. */
static enum ob_verdict judge(const struct ob_session *session, const uint8_t *hello, size_t bytes,
                             struct ob_door_answer *answer) {
    struct ob_control control;
    struct ob_peer_machine machine;
    const uint8_t *entry = hello + OB_HASH_BYTES;
    if (bytes <= OB_HASH_BYTES)
        return OB_VERDICT_MALFORMED;
    if (memcmp(hello, session->manifest->run.hash.bytes, OB_HASH_BYTES) != 0)
        return OB_VERDICT_RUN;
    if (entry[0] == OB_CONTROL_INVITATION)
        return judge_invited(session, entry, bytes - OB_HASH_BYTES, answer);
    if (ob_control_decode(entry, bytes - OB_HASH_BYTES, &control, NULL) ||
        control.kind != OB_CONTROL_CERTIFICATE)
        return OB_VERDICT_MALFORMED;
    if (!ob_transport_knocker_is(session->transport, &control.subject))
        return OB_VERDICT_KEY;
    if (ob_peer_find(session->peer, &control.subject, &machine) && (machine.revoked || machine.forked)) {
        answer->why = ob_peer_why_out(session->peer, &control.subject, &answer->why_bytes);
        return OB_VERDICT_REVOKED;
    }
    switch (ob_peer_check_certificate(session->peer, entry, bytes - OB_HASH_BYTES, ob_wall_s(), NULL)) {
    case OB_OK:
        return OB_VERDICT_WELCOME;
    case OB_EMISMATCH:
        return OB_VERDICT_RUN;
    case OB_ETIMEOUT: /* its old certificate has expired, and we hold a renewed one */
        return ob_transport_allowed(session->transport, &control.subject) ? OB_VERDICT_WELCOME
                                                                          : OB_VERDICT_EXPIRED;
    case OB_EREFUSED:
        return OB_VERDICT_SIGNATURE;
    default:
        return OB_VERDICT_MALFORMED;
    }
}

struct ob_door_answer ob_membership_knock(const struct ob_membership *m,
                                          const struct ob_transport_event *seen) {
    struct ob_door_answer answer = {0};
    answer.verdict = judge(m->session, seen->data, seen->bytes, &answer);
    if (answer.verdict == OB_VERDICT_WELCOME)
        answer.event = (struct ob_event){.kind = OB_EVENT_CONTROL,
                                         .data = seen->data + OB_HASH_BYTES,
                                         .bytes = seen->bytes - OB_HASH_BYTES};
    else if (ob_line_may(m->session->lines, m->session->logger, "refused"))
        ob_log(m->session->logger, OB_LOG_INFO, "refused", "text=\"%s: at the door: %s\"", seen->text,
               ob_verdict_text(answer.verdict));
    return answer;
}

bool ob_membership_told_out(const struct ob_membership *m, const struct ob_transport_event *seen,
                            struct ob_event *ret_event) {
    struct ob_control control;
    if (seen->bytes == 0 || ob_control_decode(seen->data, seen->bytes, &control, NULL) ||
        (control.kind != OB_CONTROL_EVIDENCE && control.kind != OB_CONTROL_REVOCATION) ||
        !ob_machine_equal(&control.subject, &m->session->identity->machine))
        return false;
    *ret_event = (struct ob_event){.kind = OB_EVENT_CONTROL, .data = seen->data, .bytes = seen->bytes};
    return true;
}

enum ob_err ob_membership_admit(struct ob_membership *m, const struct ob_effect *effect,
                                struct ob_error *error) {
    ob_contacts_expel(m->contacts, &effect->machine, false);
    return ob_transport_allow(m->session->transport, &effect->machine, error);
}

void ob_membership_expel(struct ob_membership *m, const struct ob_effect *effect) {
    ob_contacts_expel(m->contacts, &effect->machine, true);
    ob_transport_forbid(m->session->transport, &effect->machine);
}

void ob_membership_reach(struct ob_membership *m, const struct ob_effect *effect) {
    char endpoint[OB_ENDPOINT_MAX] = "";
    if (effect->bytes >= sizeof endpoint)
        return;
    memcpy(endpoint, effect->data, effect->bytes);
    ob_contacts_set(m->contacts, &effect->machine, OB_PLACE_SIGNED, endpoint, ob_now_s());
}
