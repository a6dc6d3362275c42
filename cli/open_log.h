/* open_log - the manifest and the log of a state directory, as they are at one moment: a daemon beside us
 * goes on writing and is not seen. */
#ifndef OB_CLI_OPEN_LOG_H
#define OB_CLI_OPEN_LOG_H

#include "cli/place.h"
#include "run/manifest.h"
#include "store/store.h"

/* The caller closes the store. */
OB_MUST_USE enum ob_err ob_cli_open_store(const char *state_dir, const struct ob_manifest *manifest,
                                          struct ob_store **ret_store, struct ob_error *error);
/* The caller closes the store, then frees the manifest. */
OB_MUST_USE enum ob_err ob_cli_open_log(const struct ob_cli_place *place, struct ob_manifest **ret_manifest,
                                        struct ob_store **ret_store, struct ob_error *error);

#endif
