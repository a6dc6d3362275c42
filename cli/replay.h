/* replay - a log onto the base model, with progress: shared by the commands that do it. */
#ifndef OB_CLI_REPLAY_H
#define OB_CLI_REPLAY_H

#include "cli/progress.h"
#include "run/delta.h"
#include "run/replica.h"

/* A replica at its base, on all processors. Errors: those of ob_replica_new. */
OB_MUST_USE enum ob_err ob_cli_replica_new(const struct ob_manifest *manifest, const char *model,
                                           struct ob_replica **ret_replica, struct ob_error *error);
/* The caller ends the progress. Errors: those of ob_replica_replay_from. */
/* Those records that `counts` says yes to; NULL: all. */
OB_MUST_USE enum ob_err ob_cli_replay(struct ob_replica *replica, struct ob_store *store,
                                      bool (*counts)(void *context, const struct ob_record *record),
                                      void *context, struct ob_progress *progress, struct ob_error *error);
OB_MUST_USE enum ob_err ob_cli_replay_delta(struct ob_replica *replica, struct ob_delta *delta,
                                            struct ob_progress *progress, struct ob_error *error);

#endif
