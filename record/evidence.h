/* evidence - the payload of a control entry that shows two records of one machine that cannot both be of its
 * chain.
 *
 *   record ‖ record, each u16 length and a whole record (record.h): of one machine, with the same prev and
 *   different bodies, the one whose bytes compare smaller first, so that either order of finding them gives
 *   one entry. They may be beyond the run's bounds: evidence shows what was signed.
 *
 * Owns:    decoded records point into the payload.
 * Threads: pure functions. */
#ifndef OB_RECORD_EVIDENCE_H
#define OB_RECORD_EVIDENCE_H

#include <stddef.h>

#include "base/err.h"
#include "record/record.h"

#define OB_EVIDENCE_BYTES_MAX (2 * (2 + OB_RECORD_BYTES_MAX))

/* Signatures are not looked at.
 * Errors:  OB_EFORMAT, OB_EREFUSED (the records do not conflict). */
OB_MUST_USE enum ob_err ob_evidence_decode(const void *payload, size_t bytes,
                                           struct ob_record ret_records[static 2], struct ob_error *error);
/* Writes the payload to ret_payload (OB_EVIDENCE_BYTES_MAX); the records may be in either order. Returns its
 * length, or 0 when they do not conflict: another machine, another prev, or the same body. */
size_t ob_evidence_payload(const struct ob_record *one, const struct ob_record *other, uint8_t *ret_payload);

#endif
