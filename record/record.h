/* record - the signed message that carries one round's bytes: the format of the log and of the wire.
 *
 * On the wire and in a log, little-endian, nothing between the fields:
 *
 *   OFFSET SIZE FIELD
 *   0      32   machine    Ed25519 public key of the signer
 *   32      8   first      number of the first sample
 *   40      4   round      rises strictly along a chain
 *   44      2   live       v, the machines that the signer counted as training
 *   46      2   n          samples, 1 … samples_per_round
 *   48      1   exponent   two's complement; every byte's value is times 2^exponent
 *   49      1   profile    direction profile of the manifest; 0 in this version
 *   50     32   prev       hash of the machine's previous body; zeros when first = 0
 *   82      n   bytes      one a sample (spsa/code.h)
 *   82+n   64   signature  Ed25519 over the signed body
 *
 * signed body = "onebyte/record/1" (16 bytes) ‖ run_id (32) ‖ bytes 0 … 82+n of the above
 * hash        = BLAKE2b-256(signed body): the record's identity, the next record's prev
 *
 * Valid if and only if: the length is exactly 146 + n; 1 <= n <= samples_per_round; 1 <= live <=
 * max_machines; round < max_rounds; exponent_min <= exponent <= exponent_max; profile < profiles;
 * first + n does not pass 2^63; prev is all zeros exactly when first = 0; the signature is the machine's.
 * Whether it extends its chain is the peer's to say.
 *
 * Owns:    a decoded record points into the buffer that it was decoded from.
 * Threads: pure functions.
 * Source:  docs/design.md, "Chains, evidence, cuts"; RFC 8032, RFC 7693. */
#ifndef OB_RECORD_RECORD_H
#define OB_RECORD_RECORD_H

#include <stdint.h>

#include "base/err.h"
#include "base/ids.h"
#include "base/limits.h"

#define OB_RECORD_HEADER_BYTES    82
#define OB_RECORD_SIGNATURE_BYTES 64
#define OB_RECORD_OVERHEAD_BYTES  (OB_RECORD_HEADER_BYTES + OB_RECORD_SIGNATURE_BYTES)
#define OB_RECORD_BYTES_MAX       (OB_RECORD_OVERHEAD_BYTES + OB_SAMPLES_PER_ROUND_MAX)
#define OB_RECORD_LABEL           "onebyte/record/1"
#define OB_RECORD_BODY_BYTES_MAX  (16 + OB_HASH_BYTES + OB_RECORD_HEADER_BYTES + OB_SAMPLES_PER_ROUND_MAX)
#define OB_SAMPLE_END             (1ull << 63) /* no sample has this number or a larger one */

/* The manifest's bounds on what a signer may say. */
struct ob_record_bounds {
    uint32_t max_rounds;
    uint16_t max_machines;
    uint16_t samples_per_round;
    int8_t exponent_min, exponent_max;
    uint8_t profiles; /* 1 in this version */
};

struct ob_record {
    struct ob_machine_id machine;
    struct ob_sample first;
    struct ob_round round;
    uint16_t live;
    uint16_t n;
    int8_t exponent;
    uint8_t profile;
    struct ob_hash prev;
    const uint8_t *bytes;     /* n of them */
    const uint8_t *signature; /* OB_RECORD_SIGNATURE_BYTES; NULL in a record to be signed */
};

/* Checks layout and bounds, not the signature.
 * Errors:  OB_EFORMAT, OB_ETOOBIG (says which field). */
OB_MUST_USE enum ob_err ob_record_decode(const void *data, size_t bytes,
                                         const struct ob_record_bounds *bounds, struct ob_record *ret_record,
                                         struct ob_error *error);

static inline size_t ob_record_bytes(const struct ob_record *record) {
    return OB_RECORD_OVERHEAD_BYTES + (size_t)record->n;
}

/* Writes header and bytes, without a signature: OB_RECORD_HEADER_BYTES + n bytes. Returns that number. */
size_t ob_record_encode_unsigned(const struct ob_record *record, uint8_t *ret_data);
/* The whole record (signature must be there): ob_record_bytes(). Returns that number. */
size_t ob_record_encode(const struct ob_record *record, uint8_t *ret_data);

/* Writes the signed body, at most OB_RECORD_BODY_BYTES_MAX bytes. Returns its length. */
size_t ob_record_body(const struct ob_run_id *run, const struct ob_record *record, uint8_t *ret_body);
struct ob_hash ob_record_hash(const struct ob_run_id *run, const struct ob_record *record);

/* secret_key: Ed25519, 64 bytes as libsodium keeps it. Writes the signature to ret_signature. */
void ob_record_sign(const struct ob_run_id *run, const struct ob_record *record,
                    const uint8_t secret_key[static 64],
                    uint8_t ret_signature[static OB_RECORD_SIGNATURE_BYTES]);
bool ob_record_verify(const struct ob_run_id *run, const struct ob_record *record);

#endif
