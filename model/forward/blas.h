/* blas - makes OpenBLAS use the kernels that fit this processor. It chooses them from the environment when it
 * is loaded, and Debian's version falls back to a slow generic core on processors newer than itself. This
 * detects that and restarts the program with the right core, and without OpenBLAS's own threads: our pool
 * distributes the products, and idle threads would only receive signals meant for us. Then it checks the core's
 * products (model/forward/blas_check.h) and replaces a core that computes wrong results or crashes by the next
 * simpler one.
 * Source:  docs/design.md, "Libraries".
 */
#ifndef OB_MODEL_FORWARD_BLAS_H
#define OB_MODEL_FORWARD_BLAS_H

#include <stdbool.h>

#include "base/err.h"

/* Call it first in main, while the process has one thread. `wanted`: "auto", an OpenBLAS core name, or "keep".
 * If the loaded core is not the one that fits this processor, or fails the check, sets OPENBLAS_CORETYPE and
 * restarts the program (does not return). If it cannot, the current core stays.
 * Errors:  OB_EUNSUPPORTED if no core computes correct products here; OB_EUSAGE if OpenBLAS has no core of the name
 *          that is wanted. */
OB_MUST_USE enum ob_err ob_blas_fix_core(char **argv, const char *wanted, struct ob_error *error);
const char *ob_blas_core(void); /* the core in use */
/* Names of the cores that failed the check in this process or before its restarts; "" if none did. */
const char *ob_blas_failed_cores(void);
void ob_blas_set_threads(unsigned threads);
/* Is what a row gets from sgemm the same bits wherever it stands, and whatever rows are beside it? Tries it: some
 * milliseconds at most. Kernels of the cores Haswell and Zen take rows by twelve, of which the last six have their terms
 * added in another order, and so have rows that are left over. */
bool ob_blas_rows_alike(void);

#endif
