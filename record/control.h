/* control - the signed envelope of everything that is not a record and not a passing message: goodbyes,
 * certificates, revocations, evidence, addresses, rotations of the authority key, invitations.
 *
 *   OFFSET SIZE FIELD
 *   0       1   kind
 *   1       1   reserved, 0
 *   2       2   payload_bytes
 *   4      32   signer     Ed25519 public key
 *   36     32   subject    the machine that it is about (rotation: the new authority key)
 *   68      8   sequence   rises with each entry of one (kind, signer, subject)
 *   76      p   payload
 *   76+p   64   signature  over "onebyte/control1" (16 bytes) ‖ run_id ‖ bytes 0 … 76+p; evidence: zeros
 *
 *   KIND           SIGNER     PAYLOAD, little-endian
 *   1 goodbye      = subject  next u64: "I have left; my chain ends here until I publish again"
 *   2 certificate  authority  certificate.h
 *   3 revocation   authority  keep_below u64: of the machine's records those that end at or before it count
 *   4 evidence     = subject  evidence.h, about the subject; sequence 0. It proves itself: whoever finds it
 *                             hands it on
 *   5 address      = subject  the endpoint, "tcp://host:port" in printable ASCII without spaces, at most 255
 *                             bytes; none: cannot be reached any more
 *   6 rotation     authority  until u64: entries that the old key signed with a sequence below `until` remain
 *                             valid, no others; the subject is the new authority key
 *   7 invitation   authority  invitation.h; the subject is the invitation's key, which admits machines
 *   8 admission    invitation invitation.h; the subject is a machine; sequence 0
 *   9 withdrawal   authority  invitation.h; the subject is the invitation's key: whom it admitted and who is
 *                             not listed is no member
 *
 * Valid if and only if: the length is exact, the kind is known, the payload follows its kind, a certificate
 * names the run, and the signature is the signer's (evidence: both records' are the subject's). Which signers
 * are the authority, and which of two entries stays, is the control table's to say (docs/wire.md).
 *
 * Owns:    a decoded entry points into the buffer that it was decoded from.
 * Threads: pure functions.
 * Source:  docs/design.md, "Chains, evidence, cuts". */
#ifndef OB_RECORD_CONTROL_H
#define OB_RECORD_CONTROL_H

#include "base/err.h"
#include "base/ids.h"
#include "record/certificate.h"
#include "record/evidence.h"
#include "record/invitation.h"
#include "record/record.h"
#include "record/sign.h"

#define OB_CONTROL_HEADER_BYTES 76
#define OB_CONTROL_LABEL        "onebyte/control1"
#define OB_CONTROL_NEVER        OB_CERTIFICATE_NEVER
#define OB_CONTROL_NAME_MAX     OB_CERTIFICATE_NAME_MAX
#define OB_CONTROL_ADDRESS_MAX  255

/* Payloads. */
#define OB_CONTROL_GOODBYE_BYTES    8
#define OB_CONTROL_REVOCATION_BYTES 8
#define OB_CONTROL_ROTATION_BYTES   8
#define OB_CONTROL_PAYLOAD_MAX      OB_EVIDENCE_BYTES_MAX
#define OB_CONTROL_PLAIN_MAX        OB_CONTROL_ADDRESS_MAX /* every kind but evidence and withdrawals */

/* Whole entries: of any kind, and of any kind but evidence and withdrawals. */
#define OB_CONTROL_BYTES_MAX       (OB_CONTROL_HEADER_BYTES + OB_CONTROL_PAYLOAD_MAX + 64)
#define OB_CONTROL_PLAIN_BYTES_MAX (OB_CONTROL_HEADER_BYTES + OB_CONTROL_PLAIN_MAX + 64)
#define OB_CONTROL_BODY_BYTES_MAX  (16 + OB_HASH_BYTES + OB_CONTROL_HEADER_BYTES + OB_WITHDRAWAL_BYTES_MAX)

enum ob_control_kind {
    OB_CONTROL_GOODBYE = 1,
    OB_CONTROL_CERTIFICATE,
    OB_CONTROL_REVOCATION,
    OB_CONTROL_EVIDENCE,
    OB_CONTROL_ADDRESS,
    OB_CONTROL_ROTATION,
    OB_CONTROL_INVITATION,
    OB_CONTROL_ADMISSION,
    OB_CONTROL_WITHDRAWAL,
};
#define OB_CONTROL_LAST OB_CONTROL_WITHDRAWAL

struct ob_control {
    enum ob_control_kind kind;
    uint16_t payload_bytes;
    struct ob_machine_id signer, subject;
    uint64_t sequence;
    const uint8_t *payload;   /* into the decoded buffer */
    const uint8_t *signature; /* into the decoded buffer; NULL before signing */
};

/* Layout and payload, not signatures.
 * Errors:  OB_EFORMAT, OB_ETOOBIG, OB_EUNSUPPORTED (a kind of a later version), OB_EREFUSED (signer and
 *          subject do not fit the kind). */
OB_MUST_USE enum ob_err ob_control_decode(const void *data, size_t bytes, struct ob_control *ret_control,
                                          struct ob_error *error);
/* The whole entry (signature must be there): at most OB_CONTROL_BYTES_MAX. Returns its length. */
size_t ob_control_encode(const struct ob_control *control, uint8_t *ret_data);
/* The signed body of any kind but evidence, at most OB_CONTROL_BODY_BYTES_MAX. Returns its length. */
size_t ob_control_body(const struct ob_run_id *run, const struct ob_control *control, uint8_t *ret_body);
/* Signs and writes the whole entry to ret_data (at least 140 + payload_bytes). Returns its length. */
size_t ob_control_sign(const struct ob_run_id *run, const struct ob_control *control,
                       const uint8_t secret_key[static 64], uint8_t *ret_data);
/* The signature, or, of evidence, both of them; of a certificate also that it names this run. */
bool ob_control_verify(const struct ob_run_id *run, const struct ob_control *control);
bool ob_control_verify_with(const struct ob_verifier *verifier, const struct ob_run_id *run,
                            const struct ob_control *control);

/* ---- payloads ---- */

/* Of a decoded entry of that kind. */
struct ob_sample ob_control_goodbye_next(const struct ob_control *control);
struct ob_certificate ob_control_certificate(const struct ob_control *control);
struct ob_sample ob_control_keep_below(const struct ob_control *control);
uint64_t ob_control_until(const struct ob_control *control);
struct ob_invitation ob_control_invitation(const struct ob_control *control);
struct ob_admission_name ob_control_admission_name(const struct ob_control *control);
/* Does the withdrawal let this machine stay? */
bool ob_control_keeps(const struct ob_control *withdrawal, const struct ob_machine_id *machine);
/* The two records; they point into the entry. */
void ob_control_evidence(const struct ob_control *control, struct ob_record ret_records[static 2]);
/* The first sample that does not count any more because of a revocation or evidence. */
struct ob_sample ob_control_cut(const struct ob_control *control);

/* Is this a certificate for `machine` (NULL: any) in `run`, signed by `authority`, not expired at wall_s (0:
 * the time is not looked at)? Errors say what is wrong: OB_EFORMAT; OB_EMISMATCH another run or machine;
 * OB_EREFUSED not signed by this authority; OB_ETIMEOUT expired. */
OB_MUST_USE enum ob_err ob_certificate_check(const void *data, size_t bytes, const struct ob_run_id *run,
                                             const struct ob_machine_id *authority,
                                             const struct ob_machine_id *machine, uint64_t wall_s,
                                             const struct ob_verifier *verifier, struct ob_error *error);
/* Makes the whole entry out of two records. Returns its length, or 0 when they do not conflict. */
size_t ob_evidence_encode(const struct ob_record *one, const struct ob_record *other, uint8_t *ret_data);

#endif
