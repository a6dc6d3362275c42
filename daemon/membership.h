/* membership - the daemon's part in who belongs to the run: our certificate, the door, the contacts, what an
 * operator hands in. Who belongs is decided by the peer's control table; here its words are carried to
 * sockets and back.
 *
 * Errors:  OB_EREFUSED, OB_EMISMATCH, OB_ETIMEOUT: our own certificate will not do; the text says why
 *          and what to do.
 * Threads: the network thread. */
#ifndef OB_DAEMON_MEMBERSHIP_H
#define OB_DAEMON_MEMBERSHIP_H

#include "daemon/contacts.h"
#include "run/certificate.h"

struct ob_daemon;

/* Reads [run] certificate and checks what can be checked before the manifest is there. A missing file is not
 * an error when the control table of the state directory may hold our certificate (`may_lack`). */
OB_MUST_USE enum ob_err ob_membership_read_certificate(struct ob_daemon *daemon, bool may_lack,
                                                       struct ob_error *error);
/* After transport and peer are open, before START: contacts, the beacon, our certificate. */
OB_MUST_USE enum ob_err ob_membership_start(struct ob_daemon *daemon, struct ob_error *error);
/* After START: our address; says when we do not belong. */
OB_MUST_USE enum ob_err ob_membership_started(struct ob_daemon *daemon, struct ob_error *error);
OB_MUST_USE enum ob_err ob_membership_tend(struct ob_daemon *daemon, struct ob_error *error);

OB_MUST_USE enum ob_err ob_membership_knock(struct ob_daemon *daemon, const struct ob_transport_event *seen,
                                            struct ob_error *error);
/* A signed entry from the operator.
 * Errors:  those of decoding. */
OB_MUST_USE enum ob_err ob_membership_control(struct ob_daemon *daemon, const void *entry, size_t bytes,
                                              struct ob_error *error);
struct ob_effect;
OB_MUST_USE enum ob_err ob_membership_admit(struct ob_daemon *daemon, const struct ob_effect *effect,
                                            struct ob_error *error);
void ob_membership_expel(struct ob_daemon *daemon, const struct ob_effect *effect);
void ob_membership_reach(struct ob_daemon *daemon, const struct ob_effect *effect);

#endif
