/* registry - every table of kernels that this build has; a kernel for another processor is a row here.
 * Pure functions. */
#ifndef OB_SPSA_KERNELS_REGISTRY_H
#define OB_SPSA_KERNELS_REGISTRY_H

#include "spsa/kernels/kernels.h"

/* Table number `index`: 0 is the reference, later ones are preferred. NULL: no more, or this processor
 * lacks what it needs (ret_name, which may be NULL, says which table that is; NULL: no more). */
const struct ob_spsa_kernels *ob_spsa_kernels_at(size_t index, const char **ret_name);
/* The most preferred that runs here. */
const struct ob_spsa_kernels *ob_spsa_kernels_best(void);

#endif
