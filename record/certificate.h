/* certificate - the payload of a control entry by which the run's authority makes a machine a member.
 *
 *   OFFSET SIZE FIELD
 *   0      32   run         the run_id
 *   32      8   expiry      Unix seconds; 0: never
 *   40      4   last_round  records of later rounds do not count; 2^32-1: none
 *   44      1   name_bytes  1 … 63
 *   45      n   name        UTF-8, no byte below 0x20 and no 0x7f
 *
 * That a name is UTF-8 is checked when a certificate is made, not when one is read: what counts must not
 * depend on the version that reads it. Who shows a name takes care of bytes that are not.
 *
 * Threads: pure functions. */
#ifndef OB_RECORD_CERTIFICATE_H
#define OB_RECORD_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/ids.h"

#define OB_CERTIFICATE_HEADER_BYTES (OB_HASH_BYTES + 8 + 4 + 1)
#define OB_CERTIFICATE_NAME_MAX     63 /* bytes of a machine's name, no NUL */
#define OB_CERTIFICATE_BYTES_MAX    (OB_CERTIFICATE_HEADER_BYTES + OB_CERTIFICATE_NAME_MAX)
#define OB_CERTIFICATE_NEVER        UINT32_MAX /* last_round of one that names none */

struct ob_certificate {
    struct ob_run_id run;
    uint64_t expiry_s;   /* Unix seconds; 0: never */
    uint32_t last_round; /* OB_CERTIFICATE_NEVER: none */
    uint8_t name_bytes;
    char name[OB_CERTIFICATE_NAME_MAX + 1]; /* with a NUL after it */
};

/* Errors:  OB_EFORMAT. */
OB_MUST_USE enum ob_err ob_certificate_decode(const void *payload, size_t bytes,
                                              struct ob_certificate *ret_certificate, struct ob_error *error);
/* Writes the payload to ret_payload (OB_CERTIFICATE_BYTES_MAX). name_bytes is not read.
 * Errors:  OB_EUSAGE when the name is empty, too long, has control characters, or is not UTF-8. */
OB_MUST_USE enum ob_err ob_certificate_encode(const struct ob_certificate *certificate, uint8_t *ret_payload,
                                              uint16_t *ret_bytes, struct ob_error *error);

/* What is demanded of a name that is read; and of one that is to be written (NUL-terminated; OB_EUSAGE). */
bool ob_certificate_good_name(const uint8_t *name, size_t bytes);
OB_MUST_USE enum ob_err ob_certificate_check_name(const char *name, struct ob_error *error);

#endif
