/* authority - what the commands of a run's authority share.
 *
 * The sequence of everything that an authority signs is the time in milliseconds: later entries replace earlier ones,
 * and a rotation can say up to when the old key was valid.
 *
 * Errors:  OB_EUSAGE for a text that is no time; those of files and of ob_cli_ask. */
#ifndef OB_CLI_AUTHORITY_H
#define OB_CLI_AUTHORITY_H

#include <jansson.h>

#include "record/control.h"
#include "transport/identity.h"

/* Options of invite and renew. */
#define OB_OPTION_AUTHORITY(type)                                                                            \
    {                                                                                                        \
        "authority", "FILE", "the run's authority key, created by `onebyte run create`",                     \
            OB_ARGUMENT(type, authority), .required = true                                                   \
    }
#define OB_EXPIRY_HELP "how long the certificate is valid: 1y, 6w, 30d, 12h, 90m, 60s or never"

uint64_t ob_cli_sequence(void); /* now */
/* "1y" (365 days), "6w", "30d", "12h", "90m", "60s" from now, or "never" (0). */
OB_MUST_USE enum ob_err ob_cli_expiry(const char *text, uint64_t *ret_expiry_s, struct ob_error *error);
/* A round, or "none" (OB_CONTROL_NEVER). */
OB_MUST_USE enum ob_err ob_cli_last_round(const char *text, uint32_t *ret_round, struct ob_error *error);
/* One under a passphrase is opened by asking for it (cli/passphrase.h). The caller wipes it. */
OB_MUST_USE enum ob_err ob_cli_load_authority(const char *path, struct ob_identity *ret_authority,
                                              struct ob_error *error);
/* Hands a control entry to a running daemon, which spreads it. */
OB_MUST_USE enum ob_err ob_cli_hand_over(const char *state_dir, const uint8_t *entry, size_t bytes,
                                         struct ob_error *error);
/* Signs an entry whose payload is 8 bytes (a revocation, a rotation) and hands it over. */
OB_MUST_USE enum ob_err ob_cli_sign_and_hand_over(const char *state_dir, const struct ob_run_id *run,
                                                  const struct ob_identity *authority,
                                                  struct ob_control *control, uint64_t payload,
                                                  struct ob_error *error);
/* The run that a daemon's status names. */
OB_MUST_USE enum ob_err ob_cli_run_of(const json_t *status, struct ob_run_id *ret_run,
                                      struct ob_error *error);

#endif
