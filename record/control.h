/* control - the signed envelope of everything that is not a record and not a passing message:
 * goodbyes now; certificates, cuts, evidence and addresses are further kinds of the same envelope.
 *
 *   OFFSET SIZE FIELD
 *   0       1   kind
 *   1       1   reserved, 0
 *   2       2   payload_bytes, at most OB_CONTROL_PAYLOAD_MAX
 *   4      32   signer     Ed25519 public key
 *   36     32   subject    the machine that it is about
 *   68      8   sequence   rises with each entry of one (kind, signer, subject)
 *   76      p   payload
 *   76+p   64   signature  over "onebyte/control1" (16 bytes) ‖ run_id ‖ bytes 0 … 76+p
 *
 * kind 1, goodbye: signer = subject; payload = le64 of the next sample: "I have left; my chain ends here
 *   until I publish again". Merge: of two, the higher sequence stays; of equal ones the entry whose bytes
 *   compare as larger.
 * Valid if and only if: the length is exact, the kind is known, the payload fits the kind, the signature
 * is the signer's, and the kind allows that signer for that subject. */
#ifndef OB_RECORD_CONTROL_H
#define OB_RECORD_CONTROL_H

#include "base/err.h"
#include "base/ids.h"
#include "record/record.h"

#define OB_CONTROL_HEADER_BYTES   76
#define OB_CONTROL_PAYLOAD_MAX    1024
#define OB_CONTROL_BYTES_MAX      (OB_CONTROL_HEADER_BYTES + OB_CONTROL_PAYLOAD_MAX + 64)
#define OB_CONTROL_LABEL          "onebyte/control1"
#define OB_CONTROL_BODY_BYTES_MAX (16 + OB_HASH_BYTES + OB_CONTROL_HEADER_BYTES + OB_CONTROL_PAYLOAD_MAX)
#define OB_CONTROL_GOODBYE_BYTES  8 /* payload of a goodbye */

enum ob_control_kind { OB_CONTROL_GOODBYE = 1 };

struct ob_control {
    enum ob_control_kind kind;
    uint16_t payload_bytes;
    struct ob_machine_id signer, subject;
    uint64_t sequence;
    const uint8_t *payload;   /* into the decoded buffer */
    const uint8_t *signature; /* 64 bytes; NULL before signing */
};

OB_MUST_USE enum ob_err ob_control_decode(const void *data, size_t bytes, struct ob_control *ret_control,
                                          struct ob_error *error);
struct ob_sample ob_control_goodbye_next(const struct ob_control *control);
/* The whole entry (signature must be there): at most OB_CONTROL_BYTES_MAX. Returns its length. */
size_t ob_control_encode(const struct ob_control *control, uint8_t *ret_data);
/* The signed body, at most OB_CONTROL_BODY_BYTES_MAX. Returns its length. */
size_t ob_control_body(const struct ob_run_id *run, const struct ob_control *control, uint8_t *ret_body);
/* Signs and writes the whole entry to ret_data (at least 140 + payload_bytes). Returns its length. */
size_t ob_control_sign(const struct ob_run_id *run, const struct ob_control *control,
                       const uint8_t secret_key[static 64], uint8_t *ret_data);
bool ob_control_verify(const struct ob_run_id *run, const struct ob_control *control);

#endif
