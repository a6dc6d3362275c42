/* invitation - the payloads of three control entries by which the right to admit machines is delegated: the
 * authority signs an invitation, a key with bounds; the invitation's key signs machines.
 *
 *   invitation   OFFSET SIZE FIELD
 *                0       8   expiry         Unix seconds: doors admit nobody new by it from then on; 0: never
 *                8       8   member_expiry  Unix seconds: the expiry of those that it admits; 0: never
 *                16      4   last_round     their records of later rounds do not count; 2^32-1: none
 *                20      2   uses           1 … 256: how many machines it admits
 *                22      1   pattern_bytes  1 … 63
 *                23      n   pattern        as a certificate's name; at most one '*', which stands for one byte
 *                                           or more of a machine's name
 *   admission    0       1   name_bytes     1 … 63
 *                1       n   name           as a certificate's name
 *   withdrawal   0      32n  machines       those that stay members; keys that strictly rise, at most 256
 *
 * Which admissions count is a function of the set of entries, whatever their order: those whose name fits the
 * pattern, and of these, without a withdrawal, the `uses` first by ob_invitation_rank; with one, those that it
 * lists. peer/invitation.c and run/admission.c apply it.
 *
 * Errors:  OB_EFORMAT (a payload that is read), OB_EUSAGE (one that is to be written).
 * Threads: pure functions. */
#ifndef OB_RECORD_INVITATION_H
#define OB_RECORD_INVITATION_H

#include <stdbool.h>

#include "record/certificate.h"

#define OB_INVITATION_HEADER_BYTES (8 + 8 + 4 + 2 + 1)
#define OB_INVITATION_BYTES_MAX    (OB_INVITATION_HEADER_BYTES + OB_CERTIFICATE_NAME_MAX)
#define OB_INVITATION_USES_MAX     256
#define OB_ADMISSION_BYTES_MAX     (1 + OB_CERTIFICATE_NAME_MAX)
#define OB_WITHDRAWAL_BYTES_MAX    (OB_INVITATION_USES_MAX * OB_KEY_BYTES)

struct ob_invitation {
    uint64_t expiry_s, member_expiry_s;
    uint32_t last_round;
    uint16_t uses;
    uint8_t pattern_bytes;
    char pattern[OB_CERTIFICATE_NAME_MAX + 1]; /* with a NUL after it */
};

struct ob_admission_name {
    char text[OB_CERTIFICATE_NAME_MAX + 1]; /* with a NUL after it */
};

OB_MUST_USE enum ob_err ob_invitation_decode(const void *payload, size_t bytes,
                                             struct ob_invitation *ret_invitation, struct ob_error *error);
OB_MUST_USE enum ob_err ob_admission_decode(const void *payload, size_t bytes,
                                            struct ob_admission_name *ret_name, struct ob_error *error);
/* Only checks: the keys are where they are. */
OB_MUST_USE enum ob_err ob_withdrawal_check(const void *payload, size_t bytes, struct ob_error *error);

/* pattern_bytes is not read. ret_payload: OB_INVITATION_BYTES_MAX. */
OB_MUST_USE enum ob_err ob_invitation_encode(const struct ob_invitation *invitation, uint8_t *ret_payload,
                                             uint16_t *ret_bytes, struct ob_error *error);
/* ret_payload: OB_ADMISSION_BYTES_MAX. */
OB_MUST_USE enum ob_err ob_admission_encode(const char *name, uint8_t *ret_payload, uint16_t *ret_bytes,
                                            struct ob_error *error);
/* Sorts the keys; equal ones are written once. ret_payload: OB_WITHDRAWAL_BYTES_MAX. */
OB_MUST_USE enum ob_err ob_withdrawal_encode(struct ob_machine_id *keys, size_t count, uint8_t *ret_payload,
                                             uint16_t *ret_bytes, struct ob_error *error);

/* Does the withdrawal with this payload let the machine stay? */
bool ob_withdrawal_keeps(const void *payload, size_t bytes, const struct ob_machine_id *machine);
bool ob_invitation_fits(const struct ob_invitation *invitation, const char *name);
/* The place of an admission among those of its invitation, smaller first: BLAKE2b-256("onebyte/invited1" ‖
 * invitation's key ‖ machine's key). */
struct ob_hash ob_invitation_rank(const struct ob_machine_id *invitation,
                                  const struct ob_machine_id *machine);
/* The certificate that an admission amounts to. */
struct ob_certificate ob_invitation_certificate(const struct ob_run_id *run,
                                                const struct ob_invitation *invitation, const char *name);

#endif
