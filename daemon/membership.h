/* membership - the daemon's part in who belongs to the run: our certificate, the door, the contacts, what an operator
 * hands in. Who belongs is decided by the peer's control table; here its words are carried to sockets and back. What is
 * for the peer is returned as an event: its data points into what was handed in.
 *
 * Errors:  OB_EREFUSED, OB_EMISMATCH, OB_ETIMEOUT: our own certificate will not do; the text says why
 *          and what to do.
 * Owns:    its contacts; borrows the session.
 * Threads: the network thread. */
#ifndef OB_DAEMON_MEMBERSHIP_H
#define OB_DAEMON_MEMBERSHIP_H

#include "daemon/contacts.h"
#include "daemon/session.h"
#include "run/certificate.h"

struct ob_membership {
    const struct ob_session *session;
    struct ob_contacts *contacts;
    struct ob_certificate_file certificate; /* ours, when has_certificate */
    bool has_certificate;
    uint64_t tended_s, looked_s;
    unsigned expiry_told;        /* how near it was when that was told: 1 a week, 2 a day, 3 over */
    uint64_t expiry_s;           /* of what that was told */
    char found[OB_ENDPOINT_MAX]; /* our address, as we found it by ourselves */
    int64_t clock_s;             /* wall minus monotonic time, when last looked at */
};

/* Reads [run] certificate and checks what can be checked before the manifest is there. A missing file is not
 * an error when the control table of the state directory may hold our certificate (`may_lack`). */
OB_MUST_USE enum ob_err ob_membership_read_certificate(struct ob_membership *membership,
                                                       const struct ob_session *session, bool may_lack,
                                                       struct ob_error *error);
/* OB_EUSAGE: there is no certificate at `path`, and what to do. */
enum ob_err ob_membership_no_certificate(const char *path, struct ob_error *error);
/* After transport and peer are open, before OB_EVENT_START: contacts, the beacon. */
OB_MUST_USE enum ob_err ob_membership_start(struct ob_membership *membership, struct ob_error *error);
void ob_membership_stop(struct ob_membership *membership);
/* Another certificate of ours, checked by ob_membership_read_certificate: shown at doors from now on. */
void ob_membership_take_certificate(struct ob_membership *membership, const struct ob_certificate_file *file);
/* After OB_EVENT_START: where others reach us, as an event; an error when we do not belong. */
OB_MUST_USE enum ob_err ob_membership_address(const struct ob_membership *membership,
                                              struct ob_event *ret_event, struct ob_error *error);
/* True: we listen on all addresses, none is configured, and the way to others showed another one of ours than before:
 * the event tells it. Once a second is enough. */
bool ob_membership_found_address(struct ob_membership *membership, struct ob_event *ret_event);
/* Contacts; and what an operator should act on in time: an expiry, a wall clock that jumped. */
void ob_membership_tend(struct ob_membership *membership);

/* What a hello at our door gets. `event`: of OB_VERDICT_WELCOME, it admits the machine; to be stepped before the verdict
 * is sent. `why`: of OB_VERDICT_REVOKED, the entry of the control table that put the machine out, until the next
 * step; NULL: none. */
struct ob_door_answer {
    enum ob_verdict verdict;
    struct ob_event event;
    const uint8_t *why;
    size_t why_bytes;
};
struct ob_door_answer ob_membership_knock(const struct ob_membership *membership,
                                          const struct ob_transport_event *seen);
/* A door says why we are out. True: it is an entry about us that puts a machine out; the event hands it to the peer,
 * which verifies it. Nothing else is taken from a door. */
bool ob_membership_told_out(const struct ob_membership *membership, const struct ob_transport_event *seen,
                            struct ob_event *ret_event);
/* A signed entry from the operator, or several in a row; or our own certificate.
 * Errors:  those of decoding; OB_EREFUSED, it is for another run. */
OB_MUST_USE enum ob_err ob_membership_control(const struct ob_membership *membership, const void *entry,
                                              size_t bytes, struct ob_event *ret_event,
                                              struct ob_error *error);

/* What became of such an entry, after its event was stepped: OB_OK, the peer took it.
 * Errors:  OB_EREFUSED: it did not; the text says why, and which authority key is expected. */
OB_MUST_USE enum ob_err ob_membership_verdict(const struct ob_membership *membership, const void *entry,
                                              size_t bytes, struct ob_error *error);

/* What the peer decided. */
OB_MUST_USE enum ob_err ob_membership_admit(struct ob_membership *membership, const struct ob_effect *effect,
                                            struct ob_error *error);
void ob_membership_expel(struct ob_membership *membership, const struct ob_effect *effect);
void ob_membership_reach(struct ob_membership *membership, const struct ob_effect *effect);

#endif
