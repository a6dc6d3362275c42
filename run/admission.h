/* admission - who was admitted to a run, and how far the records of each count: what follows from a set of
 * control entries, whatever their order (docs/wire.md, "Control entry"). peer/ applies the same rules while
 * it runs; this is for logs and deltas at rest.
 *
 * Use:     new; add each entry, or some; settle; then ask. Adding again asks for settling again.
 * Errors:  OB_EFORMAT, OB_ETOOBIG, OB_EUNSUPPORTED (what does not decode), OB_EREFUSED (a signature),
 *          OB_ENOMEM.
 * Owns:    copies of the entries; free accepts NULL.
 * Threads: one at a time; read-only after settle. */
#ifndef OB_RUN_ADMISSION_H
#define OB_RUN_ADMISSION_H

#include "record/control.h"

#define OB_AUTHORITIES_MAX 16 /* keys of one run, one after the other */

struct ob_admission;

/* What the entries say of one machine. */
struct ob_standing {
    bool certified, revoked, forked;
    uint64_t cut;                       /* records that end above it do not count; UINT64_MAX: no cut */
    uint32_t last_round;                /* records of later rounds do not count; OB_CONTROL_NEVER: none */
    char name[OB_CONTROL_NAME_MAX + 1]; /* of its certificate in force or its admission; "" without one */
};

OB_MUST_USE enum ob_err ob_admission_new(const struct ob_run_id *run, const struct ob_machine_id *authority,
                                         struct ob_admission **ret_admission, struct ob_error *error);
void ob_admission_free(struct ob_admission *admission);
/* Decodes the entry, verifies it, and keeps a copy. */
OB_MUST_USE enum ob_err ob_admission_add(struct ob_admission *admission, const void *data, size_t bytes,
                                         struct ob_error *error);
void ob_admission_settle(struct ob_admission *admission);

/* Does an entry that was added count? A certificate, revocation, rotation, invitation or withdrawal: its signer is an
 * authority of the run and had not been rotated away from; an admission: its invitation lets it
 * (record/invitation.h); another: its machine has a certificate or an admission that counts. */
bool ob_admission_counts(const struct ob_admission *admission, const struct ob_control *control);
struct ob_standing ob_admission_of(const struct ob_admission *admission, const struct ob_machine_id *machine);
/* NULL: the record counts; else why not, for a message that has named it. */
const char *ob_standing_refuses(const struct ob_standing *standing, const struct ob_record *record);
/* The key whose signature admits machines now. */
struct ob_machine_id ob_admission_authority(const struct ob_admission *admission);

size_t ob_admission_count(const struct ob_admission *admission);
/* By owner (the subject; of a rotation the signer), kind, signer, subject. */
const struct ob_control *ob_admission_entry(const struct ob_admission *admission, size_t index);

#endif
