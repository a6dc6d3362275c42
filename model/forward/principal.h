/* principal - the largest eigenvalues of a symmetric matrix without negative ones, and their directions.
 *
 * Block power iteration from a fixed start, with the small problem in the block solved by LAPACK (Rayleigh–Ritz); it ends when no
 * direction is left with a residual ‖C v − λ v‖ above 10⁻⁴ λ, or after 300 steps. The largest element of a direction is positive.
 * Errors:  OB_ENOMEM; OB_EMISMATCH: the matrix has fewer than `rank` directions (its eigenvalue is below 10⁻⁷ of the first).
 * Threads: any; one thread each.
 * Source:  Rutishauser, "Simultaneous iteration method for symmetric matrices" (1970); LAPACK's dsyev. */
#ifndef OB_MODEL_FORWARD_PRINCIPAL_H
#define OB_MODEL_FORWARD_PRINCIPAL_H

#include <stddef.h>

#include "base/err.h"

/* upper: (n, n) row-major, of which the upper triangle counts. ret_values (rank), falling; ret_vectors (rank, n). */
OB_MUST_USE enum ob_err ob_principal(const float *upper, size_t n, size_t rank, double *ret_values,
                                     double *ret_vectors, struct ob_error *error);

#endif
