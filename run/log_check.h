/* log_check - does a log at rest hold what its signers made? Everything in it that a signature covers is
 * verified, with all threads: the control table (certificates, revocations, evidence, rotations, goodbyes,
 * addresses), each in its own row; every chain and every record; and that each record counts: its machine was
 * admitted by the run's authority, and it is below its machine's cut and not later than its certificate's
 * last round. Rows that nothing leads to count as damage.
 *
 * Not looked at: expiry (it closes connections and takes no record back), snapshots, what other machines may
 * hold that this log lacks.
 *
 * Errors:  OB_EIO, OB_ENOMEM: it could not be looked at. What is wrong in the log is a finding, told one by
 *          one, and no error.
 * Threads: the store's. Hold the store (ob_store_hold) when somebody writes to it. */
#ifndef OB_RUN_LOG_CHECK_H
#define OB_RUN_LOG_CHECK_H

#include "base/progress_callback.h"
#include "run/admission.h"
#include "run/manifest.h"
#include "store/store.h"

struct ob_log_check {
    uint64_t records, samples; /* that hold */
    uint64_t machines, certificates, revocations, evidence, rotations,
        others; /* entries that hold and count */
    uint64_t
        uncounted; /* control entries that are valid and do not count: of a former authority, for example */
    uint64_t findings;
};

typedef void (*ob_finding_fn)(void *context, const char *text);
/* threads: 0 is all processors that this process may use. progress: hears of the records that were looked at ("verifying"); NULL:
 * nobody does. */
OB_MUST_USE enum ob_err ob_log_check(const struct ob_manifest *manifest, struct ob_store *store,
                                     unsigned threads, ob_finding_fn tell, void *context,
                                     const struct ob_progress_callback *progress,
                                     struct ob_log_check *ret_check, struct ob_error *error);

#endif
