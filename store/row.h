/* row - one record as a row of log.sqlite keeps it: without what the row's key and the row before say.
 *
 *   row's key  machine (number), first
 *   data, schema 2:
 *     varint     2 · round + (1 when prev is there)     LEB128: seven bits a byte, least significant first
 *     varint     live
 *     1          exponent
 *     1          profile
 *     32 or 0    prev: there in every OB_STORE_PREV_EVERY-th row of a machine; else it is the hash of the
 *                machine's record before (zeros for first = 0)
 *     n          bytes
 *     64         signature
 *     4          the first bytes of BLAKE2b-256(machine ‖ le64(first) ‖ data before this field): finds damage
 *
 * Errors:  OB_EFORMAT when the data does not follow that or its check does not fit.
 * Threads: pure functions. */
#ifndef OB_STORE_ROW_H
#define OB_STORE_ROW_H

#include "record/record.h"

#define OB_STORE_PREV_EVERY 32
#define OB_STORE_ROW_CHECK  4
#define OB_STORE_ROW_BYTES_MAX                                                                               \
    (5 + 3 + 2 + OB_HASH_BYTES + OB_SAMPLES_PER_ROUND_MAX + 64 + OB_STORE_ROW_CHECK)

/* with_prev: never for first = 0. Returns the length. */
size_t ob_store_row_encode(const struct ob_record *record, bool with_prev,
                           uint8_t ret_data[static OB_STORE_ROW_BYTES_MAX]);

struct ob_store_row {
    struct ob_record record; /* points into the data; prev is zeros when has_prev is false */
    bool has_prev;
};
/* Layout and check only: bounds are ob_record_decode's to see (ob_store_row_record). */
OB_MUST_USE enum ob_err ob_store_row_decode(const struct ob_machine_id *machine, struct ob_sample first,
                                            const void *data, size_t bytes, struct ob_store_row *ret_row,
                                            struct ob_error *error);

#endif
