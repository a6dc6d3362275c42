/* basis_file - the file that fixes the A of a run's adapters (model/families/basis.h), held against the manifest.
 *
 * Errors:  OB_ENOTFOUND: it is not beside the manifest; OB_EMISMATCH: it is not the one that the manifest names, or was made
 *          for another model; what ob_basis_open says of a damaged one. All name the file and what to do.
 * Threads: any. */
#ifndef OB_RUN_BASIS_FILE_H
#define OB_RUN_BASIS_FILE_H

#include "model/families/basis.h"
#include "run/manifest.h"

/* The manifest has a basis. */
OB_MUST_USE enum ob_err ob_run_basis_open(const struct ob_manifest *manifest, struct ob_basis **ret_basis,
                                          struct ob_error *error);
/* The name of bytes in memory. */
OB_MUST_USE enum ob_err ob_run_basis_name(const uint8_t *bytes, size_t count, struct ob_hash *ret_name,
                                          struct ob_error *error);

#endif
