/* contacts - the machines that we try to reach, and where: their signed addresses, the configuration's, and
 * hints from beacons. Keeps connections open, and shows our certificate at the doors of those that do not let
 * us in.
 *
 * A machine's places are tried in turn until a link is up; which of them is right is for CURVE to find out,
 * so that a false address costs a failed attempt and nothing else. Knocks come further apart the longer
 * nobody answers.
 *
 * Errors:  what fails is logged and tried again.
 * Owns:    its table; borrows transport and log. Bounds: OB_CONTACTS_MAX machines, 64 of them known by
 *          hints alone.
 * Threads: one at a time. Time: monotonic seconds, handed in. */
#ifndef OB_DAEMON_CONTACTS_H
#define OB_DAEMON_CONTACTS_H

#include "run/logger.h"
#include "transport/transport.h"

#define OB_CONTACTS_MAX 16384

struct ob_contacts;

struct ob_contacts_options {
    struct ob_transport *transport;
    const struct ob_logger *logger;
    struct ob_machine_id self;
    const uint8_t *hello; /* what a door is shown, copied; 0 bytes: we have nothing to show */
    size_t hello_bytes;
};

OB_MUST_USE enum ob_err ob_contacts_new(const struct ob_contacts_options *options,
                                        struct ob_contacts **ret_contacts, struct ob_error *error);
void ob_contacts_free(struct ob_contacts *contacts);

enum ob_place { OB_PLACE_SIGNED, OB_PLACE_CONFIGURED, OB_PLACE_HINT, OB_PLACE_COUNT };
/* Another certificate to show at doors; copied. At most OB_HELLO_MAX bytes. */
void ob_contacts_show(struct ob_contacts *contacts, const uint8_t *hello, size_t bytes);
/* A machine may be reached at `endpoint`; "": no longer there. */
void ob_contacts_set(struct ob_contacts *contacts, const struct ob_machine_id *machine, enum ob_place place,
                     const char *endpoint, uint64_t now_s);
/* Not to be tried while it is expelled. */
void ob_contacts_expel(struct ob_contacts *contacts, const struct ob_machine_id *machine, bool expelled);
void ob_contacts_answer(struct ob_contacts *contacts, const struct ob_machine_id *machine,
                        enum ob_verdict verdict, uint64_t now_s);
/* How it stands with one of them. */
struct ob_reach {
    struct ob_machine_id machine;
    const char *endpoint; /* where it is tried */
    const char *why;      /* NULL: it is linked. Else one sentence: why not, as far as we know */
    bool configured;      /* it stands in [peers] */
};
size_t ob_contacts_count(const struct ob_contacts *contacts);
struct ob_reach ob_contacts_reach(const struct ob_contacts *contacts, size_t i); /* i < count */
/* Of one machine; NULL also when we do not try to reach it. */
const char *ob_contacts_why(const struct ob_contacts *contacts, const struct ob_machine_id *machine);
/* Call every second or so. */
void ob_contacts_tend(struct ob_contacts *contacts, uint64_t now_s);

#endif
