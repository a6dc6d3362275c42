/* delta - a run as one file: what turns its base model into the fine-tuned one, bit for bit, on any machine,
 * and whose work it is.
 *
 *   OFFSET SIZE FIELD (little-endian)
 *   0      16   "onebyte-delta-2\n"
 *   16     4    bytes of the manifest
 *   20     4    number of control entries
 *   24     4    number of chains
 *   28     4    reserved, 0
 *   32     8    number of samples in all
 *   40     32   weights digest of the result
 *   72     m    the manifest as it is
 *   ...    ...  the control entries that decide which records count (certificates, revocations, evidence,
 *               rotations), in ascending order of owner, kind, signer (the owner is the subject; of a
 *               rotation the signer): u16 length, the entry (record/control.h)
 *   ...    ...  chains in ascending order of their keys:
 *                 32 machine, 4 number of records, then of each record (record/record.h)
 *                 4 round, 2 live, 2 n, 1 exponent, 1 profile, n bytes, 64 signature
 *               the rest of a record follows from its place: `first` is the sum of the n before it, `prev`
 *               the hash of the body before it
 *   end-32 32   BLAKE2b-256 of everything before
 *
 * Valid if and only if: the hash and all lengths are exact; the manifest is one; every control entry is valid
 * in this run, counts (the manifest's authority, or a key that it was rotated to, signed it in time;
 * evidence: its machine was admitted) and stands in its place in the order; every record is within the
 * manifest's bounds, its round is larger than the one before, its signature is its machine's, and it counts:
 * the machine has a certificate, the record is not above a cut and not later than the certificate's last
 * round.
 *
 * So a delta proves that these machines were admitted by the authority that its manifest names and signed
 * these records. Whether that authority is the one that you trust is for you to compare. What was left out,
 * it cannot show. Format 1 had neither certificates nor rotations: it is rejected with an error that names it.
 *
 * Errors:  OB_EIO, OB_EBUSY (the file already exists), OB_EFORMAT, OB_ETOOBIG, OB_EUNSUPPORTED (another
 *          format), OB_EREFUSED (a signature, a machine that was never admitted, an entry that does not
 *          count), OB_EMISMATCH: name the file.
 * Owns:    the file's bytes, which records point into.
 * Threads: read-only after open. */
#ifndef OB_RUN_DELTA_H
#define OB_RUN_DELTA_H

#include "base/progress_callback.h"
#include "run/admission.h"
#include "run/manifest.h"
#include "store/store.h"

#define OB_DELTA_BYTES_MAX (1u << 30)

struct ob_delta {
    const char *path;
    char *bytes;
    size_t byte_count;
    struct ob_manifest *manifest;
    struct ob_admission *admission; /* what its control entries say */
    struct ob_hash digest;
    uint64_t records, samples;
    size_t chains_at; /* where the chains begin */
    uint32_t chain_count;
};

/* The records of a store whose replay gives `digest`, and the control entries that count. The store holds
 * (run/log_check.h) and is held. PATH must not exist; what is written is read back from the file, and
 * compared, before this returns. `progress` (NULL: nobody) counts the delta's bytes, here and below. */
OB_MUST_USE enum ob_err ob_delta_write(const char *path, const struct ob_manifest *manifest,
                                       struct ob_store *store, const struct ob_hash *digest,
                                       const struct ob_progress_callback *progress, struct ob_error *error);
OB_MUST_USE enum ob_err ob_delta_open(const char *path, const struct ob_progress_callback *progress,
                                      struct ob_delta **ret_delta, struct ob_error *error);
/* The same from memory; `path` stands for the file in messages and must outlive the delta. */
OB_MUST_USE enum ob_err ob_delta_parse(const void *bytes, size_t byte_count, const char *path,
                                       const struct ob_progress_callback *progress,
                                       struct ob_delta **ret_delta, struct ob_error *error);
void ob_delta_free(struct ob_delta *delta);
/* Every record, chain after chain. Their `bytes` stay valid as long as the delta. */
OB_MUST_USE enum ob_err ob_delta_each(const struct ob_delta *delta, ob_store_record_fn see, void *context,
                                      struct ob_error *error);

#endif
