/* model_files - the base model's files, fetched from members that share them, and shared with others ([run] model_parts,
 * share_model; run/model_parts.h).
 *
 * Errors:  OB_EUSAGE (model_parts is no name), OB_EFORMAT (what was fetched is no list), those of file_fetch.h and of files.
 * Threads: one at a time. */
#ifndef OB_DAEMON_MODEL_FILES_H
#define OB_DAEMON_MODEL_FILES_H

#include "daemon/session.h"
#include "run/certificate.h"
#include "transfer/share.h"

/* When [run] model is not there and model_parts says what it is made of: into STATE_DIR/model, going on where it was. */
OB_MUST_USE enum ob_err ob_model_files_fetch(const struct ob_session *session,
                                             const struct ob_certificate_file *certificate,
                                             struct ob_error *error);
/* With share_model and a list in the state directory: opens it and the files beside [run] model that it names; *count rises,
 * to at most `most`. */
OB_MUST_USE enum ob_err ob_model_files_share(const struct ob_session *session, struct ob_share *shares,
                                             size_t most, size_t *count, struct ob_error *error);

#endif
