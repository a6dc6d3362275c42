/* sampling - how a machine makes samples of rows in a run: what [training] rows, rows_per_sample, directions_per_row, sides and
 * batch say, and what suits the run where they say nothing (`rows` 0):
 *
 *   adapters on a basis   passes of 8 rows; 8 one-sided directions of each, or as many as a round may have samples. A sample is a
 *                         row. docs/learning.md has what that learns.
 *   anything else         `batch` rows as one sample, two-sided, one sample after the other.
 *
 * It is each machine's own affair: others see bytes.
 * Threads: pure function. */
#ifndef OB_DAEMON_SAMPLING_H
#define OB_DAEMON_SAMPLING_H

#include "daemon/config.h"
#include "run/manifest.h"

struct ob_sampling {
    int64_t rows, rows_per_sample, directions; /* of a pass (run/sampler.h), at least 1 */
    bool one_sided;
};

struct ob_sampling ob_sampling_of(const struct ob_config *config, const struct ob_manifest *manifest);
/* Samples that a round of this machine may have. */
int64_t ob_sampling_round(const struct ob_config *config, const struct ob_manifest *manifest);
/* Samples of a pass. */
int64_t ob_sampling_pass(const struct ob_sampling *sampling);

#endif
