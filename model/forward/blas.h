/* blas - OpenBLAS picks its kernels when it is loaded, from the environment, and Debian's version falls back
 * to a slow generic one on processors that are newer than itself. This finds that out and starts the program
 * again with the core that fits, and without OpenBLAS's own threads: ours spread the products, idle ones
 * would only take signals that are meant for us. Then the core's products are checked (model/forward/blas_check.h):
 * one that computes wrongly or crashes is left for the next simpler one.
 * Source:  docs/design.md, "Libraries".
 */
#ifndef OB_MODEL_FORWARD_BLAS_H
#define OB_MODEL_FORWARD_BLAS_H

#include "base/err.h"

/* The first statement of main, while the process has one thread. `wanted`: "auto", or an OpenBLAS core name,
 * or "keep". When the loaded core is not the one that this processor should have, or fails the check, sets
 * OPENBLAS_CORETYPE and runs the program again (does not return); where that is not possible the present core
 * stays.
 * Errors:  OB_EUNSUPPORTED when no core computes right products here. */
OB_MUST_USE enum ob_err ob_blas_fix_core(char **argv, const char *wanted, struct ob_error *error);
const char *ob_blas_core(void); /* the core in use */
/* Names of the cores that failed the check in this process or the ones before it, "" when there were none. */
const char *ob_blas_failed_cores(void);
void ob_blas_set_threads(unsigned threads);

#endif
