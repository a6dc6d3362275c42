/* calibrate - makes the basis of a run (model/families/basis.h): forward passes of the base model over calibration rows, the
 * second moments of each adapted matrix's inputs, their principal directions, as a file.
 *
 * The same rows, model, rule and machine give the same file; elsewhere it differs by rounding, and a run depends on the file
 * alone.
 * Errors:  those of rows and models; OB_EMISMATCH: the rows span fewer directions than the rank, the message names the matrix;
 *          OB_EBUSY: the file exists.
 * Threads: one at a time; uses all processors. */
#ifndef OB_CLI_CALIBRATE_H
#define OB_CLI_CALIBRATE_H

#include "cli/progress.h"
#include "model/families/basis.h"

struct ob_calibration {
    const char *model, *data, *chat_template; /* chat_template: NULL, the model's own */
    int64_t rows;                             /* at most so many, evenly over the file */
    uint32_t rank;
    enum ob_basis_rule rule;
    const char *const *targets; /* patterns (model/families/select.h), at least one */
    size_t target_count;
    const char *path; /* of the file */
    struct ob_progress *progress;
};

struct ob_calibrated {
    struct ob_hash name;          /* of the file (record/file_tree.h) */
    uint64_t rows, bytes, inputs; /* inputs: rows of activations that were summed, of each matrix's at most */
    double energy; /* part of the inputs' squares that the directions keep, mean over the matrices */
};

OB_MUST_USE enum ob_err ob_calibrate(const struct ob_calibration *calibration,
                                     struct ob_calibrated *ret_calibrated, struct ob_error *error);

#endif
