/* table - who belongs to a run, as the log of a state directory has it: the manifest and the control table, whether a
 * daemon runs there or not. Entries that do not hold are left out; `onebyte verify` names them.
 *
 * Errors:  those of files and of the log.
 * Owns:    both; ob_cli_table_free accepts zeros. */
#ifndef OB_CLI_TABLE_H
#define OB_CLI_TABLE_H

#include "cli/place.h"
#include "run/admission.h"
#include "run/manifest.h"
#include "store/store.h"

struct ob_cli_table {
    struct ob_manifest *manifest;
    struct ob_admission *admission; /* settled; empty when there is no log yet */
};

OB_MUST_USE enum ob_err ob_cli_table_read(const struct ob_cli_place *place, struct ob_cli_table *ret_table,
                                          struct ob_error *error);
/* The control table of an open log, settled; the caller frees it. */
OB_MUST_USE enum ob_err ob_cli_admission_of(const struct ob_manifest *manifest, struct ob_store *store,
                                            struct ob_admission **ret_admission, struct ob_error *error);
void ob_cli_table_free(struct ob_cli_table *table);

#endif
