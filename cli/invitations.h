/* invitations - those of a run, as its control table has them, and what the commands about them share.
 *
 * Errors:  OB_EUSAGE, OB_ENOTFOUND, OB_EMISMATCH (another authority's key): say what to do. */
#ifndef OB_CLI_INVITATIONS_H
#define OB_CLI_INVITATIONS_H

#include "cli/table.h"
#include "transport/identity.h"

#define OB_CLI_INVITATIONS_MAX 1000 /* of one run */

struct ob_cli_invitation {
    struct ob_machine_id key;
    struct ob_invitation says;
    size_t used; /* machines that it has admitted and that count */
    bool withdrawn;
};

/* Calls `see` for each that is in force, by key. Returns how many there are. */
size_t ob_cli_each_invitation(const struct ob_admission *admission,
                              void (*see)(void *context, const struct ob_cli_invitation *invitation),
                              void *context);
/* Calls `see` for each machine that it admits. */
void ob_cli_each_invited(const struct ob_admission *admission, const struct ob_machine_id *key,
                         void (*see)(void *context, const struct ob_machine_id *machine), void *context);

/* The authority's key: `given`, or STATE_DIR/authority; it must be the run's. The caller wipes it. */
OB_MUST_USE enum ob_err ob_cli_run_authority(const char *given, const struct ob_cli_place *place,
                                             const struct ob_cli_table *table,
                                             struct ob_identity *ret_authority, struct ob_error *error);
/* Hands an entry to the daemon of the state directory. *ret_told false: none is running. */
OB_MUST_USE enum ob_err ob_cli_tell_run(const char *state_dir, const uint8_t *entry, size_t bytes,
                                        bool *ret_told, struct ob_error *error);

#endif
