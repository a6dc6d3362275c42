#include "daemon/check.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/access.h"
#include "base/clock.h"
#include "base/path.h"
#include "daemon/desk_pause.h"
#include "daemon/fetching.h"
#include "daemon/manifest_fetch.h"
#include "daemon/membership.h"
#include "daemon/rows.h"
#include "model/convert/open_model.h"
#include "run/certificate.h"
#include "run/replica.h"
#include "transport/identity.h"
#include "web/access.h"

static bool exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 || errno != ENOENT;
}

/* May we write what the daemon writes there? Nothing is opened: a daemon may be at work. */
static enum ob_err check_state_dir(const char *state_dir, struct ob_error *error) {
    static const char *const FILES[] = {"lock", "log.sqlite"};
    char path[OB_PATH_MAX];
    if (faccessat(AT_FDCWD, state_dir, R_OK | W_OK | X_OK, AT_EACCESS) != 0)
        return ob_access_fail(error, state_dir, "cannot write into the state directory", errno);
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        enum ob_err failed = ob_path_join(path, state_dir, FILES[i], error);
        if (failed)
            return failed;
        if (faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) != 0 && errno != ENOENT)
            return ob_access_fail(error, path, "cannot write", errno);
    }
    return OB_OK;
}

static enum ob_err check_certificate(const struct ob_config *config, const struct ob_machine_id *machine,
                                     const struct ob_manifest *manifest, FILE *notes,
                                     struct ob_error *error) {
    struct ob_certificate_file file;
    char log[OB_PATH_MAX];
    enum ob_err failed = ob_certificate_file_read(config->certificate, &file, error);
    if (failed == OB_ENOTFOUND && manifest && !ob_path_join(log, config->state_dir, "log.sqlite", NULL) &&
        exists(log)) {
        fprintf(
            notes,
            "note: %s: no certificate file; at start, the daemon looks for one in the control table of %s\n",
            config->certificate, config->state_dir);
        return OB_OK;
    }
    if (failed == OB_ENOTFOUND)
        return ob_membership_no_certificate(config->certificate, error);
    if (!failed && manifest)
        failed = ob_certificate_file_check_run(config->certificate, &file, config->manifest, manifest, error);
    return failed ? failed
                  : ob_certificate_file_check(config->certificate, &file, machine, ob_wall_s(), error);
}

static void note_vocabulary(const struct ob_config *config, const struct ob_model_config *model,
                            const struct ob_tokenizer *tokenizer, FILE *notes) {
    int32_t first = -1;
    size_t beyond = ob_tokenizer_beyond(tokenizer, model->vocabulary, &first);
    if (beyond > 0)
        (void)fprintf(notes,
                      "note: %s: the model's embedding has only %u rows, too few for %zu of the tokenizer's "
                      "tokens (id %d and up); rows that contain them are rejected\n",
                      config->model, model->vocabulary, beyond, first);
}

/* With a manifest the weights are made, as at a start; without one the model is opened. */
static enum ob_err check_model(const struct ob_config *config, const struct ob_manifest *manifest,
                               FILE *notes, struct ob_error *error) {
    struct ob_replica *replica = NULL;
    struct ob_model *model = NULL;
    struct ob_tokenizer *tokenizer = NULL;
    struct ob_corpus *corpus = NULL;
    enum ob_err failed =
        manifest ? ob_replica_new(manifest, config->model, (unsigned)config->threads, NULL, &replica, error)
                 : ob_model_open(config->model, &model, error);
    if (!failed && !config->observer)
        failed = ob_rows_open(config, &(manifest ? replica->model : model)->config,
                              replica ? replica->pool : NULL, NULL, &tokenizer, &corpus, error);
    if (!failed && tokenizer != NULL)
        note_vocabulary(config, &(manifest ? replica->model : model)->config, tokenizer, notes);
    ob_corpus_free(corpus);
    ob_tokenizer_free(tokenizer);
    ob_model_free(model);
    ob_replica_free(replica);
    return failed;
}

static enum ob_err check_files(const struct ob_config *config, const struct ob_machine_id *machine,
                               FILE *notes, struct ob_error *error) {
    struct ob_manifest *manifest = NULL;
    enum ob_err failed =
        exists(config->manifest) ? ob_manifest_read(config->manifest, &manifest, error) : OB_OK;
    if (!failed)
        failed = check_certificate(config, machine, manifest, notes, error);
    if (!failed && manifest)
        failed = ob_rows_exponent_check(config, manifest, error);
    if (!failed && !manifest)
        failed = ob_manifest_source_check(config, error);
    if (!failed && !manifest)
        fprintf(notes,
                "note: %s: no manifest; at start, the daemon fetches it from a peer and checks the model "
                "against it\n",
                config->manifest);
    bool lacks_basis = !failed && manifest && manifest->has_basis && !exists(manifest->basis_path) &&
                       ob_fetching_has_source(config);
    if (lacks_basis)
        fprintf(notes,
                "note: %s: no basis; at start, the daemon fetches it from a peer and checks the model "
                "against it\n",
                manifest->basis_path);
    if (!failed)
        failed = check_model(config, lacks_basis ? NULL : manifest, notes, error);
    ob_manifest_free(manifest);
    return failed;
}

enum ob_err ob_daemon_check(const struct ob_config *config, FILE *notes, struct ob_error *error) {
    struct ob_identity identity;
    enum ob_err failed = ob_identity_load(config->identity, &identity, error);
    if (failed)
        return failed;
    struct ob_machine_id machine = identity.machine;
    ob_identity_wipe(&identity);
    if (!exists(config->state_dir))
        fprintf(notes, "note: %s: no such directory; the daemon creates it at start\n", config->state_dir);
    else
        failed = check_state_dir(config->state_dir, error);
    if (!failed)
        failed = ob_desk_pause_check(config, error);
    struct ob_web_access access;
    if (!failed && config->http[0])
        failed = ob_web_access_read(config->http, config->http_token_file, &access, error);
    return failed ? failed : check_files(config, &machine, notes, error);
}
