#include "cli/check_log.h"
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/command.h"
#include "cli/open_log.h"
#include "cli/replay.h"
#include "cli/write_model.h"
#include "run/basis_file.h"
#include "run/delta.h"

struct arguments {
    struct ob_cli_at at;
    const char *out, *delta;
    int format, dtype;
};

#define AT(member) OB_ARGUMENT(struct arguments, member)

static const struct ob_operand OPERANDS[] = {OB_OPERAND_STATE_DIR(struct arguments)};
static const struct ob_option OPTIONS[] = {
    OB_OPTION_RUN(struct arguments),
    OB_OPTION_RUN_MANIFEST(struct arguments),
    OB_OPTION_RUN_MODEL(struct arguments),
    {"out", "FOLDER", "folder for the model and its card; must be empty or not exist", AT(out)},
    {"delta", "FILE", "also, or only, write manifest and records as one file for `onebyte apply`", AT(delta)},
    OB_OPTION_FORMAT(struct arguments),
    OB_OPTION_DTYPE(struct arguments),
};

/* Beside the delta, where `onebyte apply` looks for it. */
static enum ob_err copy_basis(const char *delta, const struct ob_manifest *manifest,
                              struct ob_cli_guard *guard, struct ob_error *error) {
    char path[OB_PATH_MAX];
    struct ob_basis *basis = NULL;
    struct ob_hash there;
    size_t bytes;
    enum ob_err failed = ob_basis_path(delta, path, error);
    if (failed)
        return failed;
    if (ob_basis_open(path, &basis, NULL) == OB_OK) { /* the manifest's own place, or an earlier delta's */
        const uint8_t *data = ob_basis_bytes(basis, &bytes);
        bool same =
            ob_run_basis_name(data, bytes, &there, NULL) == OB_OK && ob_hash_equal(&there, &manifest->basis);
        ob_basis_free(basis);
        if (same)
            return OB_OK;
    }
    failed = ob_run_basis_open(manifest, &basis, error);
    if (failed)
        return failed;
    const uint8_t *data = ob_basis_bytes(basis, &bytes);
    ob_cli_guard_begin(guard, path, false);
    failed = ob_file_write_new(path, data, bytes, 0644, error);
    ob_cli_guard_done(guard);
    ob_basis_free(basis);
    if (!failed)
        printf("%s: the basis that the delta needs; hand it on with the delta\n", path);
    return failed;
}

static enum ob_err write_delta(const char *path, const struct ob_manifest *manifest, struct ob_store *store,
                               const struct ob_hash *digest, struct ob_cli_guard *guard,
                               struct ob_error *error) {
    ob_cli_guard_begin(guard, path, false);
    enum ob_err failed = ob_delta_write(path, manifest, store, digest, error);
    ob_cli_guard_done(guard);
    return failed || !manifest->has_basis ? failed : copy_basis(path, manifest, guard, error);
}

static enum ob_err check_outputs(const struct arguments *a, struct ob_error *error) {
    if (!a->out && !a->delta)
        return ob_fail(error, OB_EUSAGE, "export needs --out FOLDER, --delta FILE, or both");
    if (a->delta && access(a->delta, F_OK) == 0)
        return ob_fail(error, OB_EBUSY, "%s already exists; choose another name or remove it", a->delta);
    return a->out ? ob_cli_check_folder(a->out, error) : OB_OK;
}

static enum ob_err export_run(const struct arguments *a, const char *model,
                              const struct ob_manifest *manifest, struct ob_store *store,
                              struct ob_cli_guard *guard, struct ob_error *error) {
    struct ob_replica *replica = NULL;
    struct ob_progress progress = {0};
    struct ob_card card = {
        .manifest = manifest, .base = model, .options = ob_cli_export_options(a->format, a->dtype)};
    enum ob_err failed = ob_replica_new(manifest, model, 0, &replica, error);
    if (!failed)
        failed = ob_cli_replay(replica, store, &progress, error);
    ob_progress_end(&progress);
    if (!failed)
        failed = ob_replica_digest(replica, &card.weights_digest, error);
    if (!failed)
        failed = ob_store_each(store, ob_card_see, &card, error);
    if (!failed && a->delta)
        failed = write_delta(a->delta, manifest, store, &card.weights_digest, guard, error);
    if (!failed && a->out)
        failed = ob_cli_write_model(replica, &card, a->out, guard, error);
    if (!failed)
        ob_cli_print_digest(&card.weights_digest);
    ob_replica_free(replica);
    return failed;
}

static int work(struct ob_cli_guard *guard, const void *arguments) {
    const struct arguments *a = arguments;
    struct ob_error error = {0};
    struct ob_manifest *manifest = NULL;
    struct ob_store *store = NULL;
    struct ob_cli_place place;
    if (check_outputs(a, &error) || ob_cli_find(&a->at, OB_NEED_MODEL, &place, &error) ||
        ob_cli_open_log(&place, &manifest, &store, &error))
        return ob_cli_fail(&error);
    struct ob_log_check check = {0};
    enum ob_err failed = ob_cli_check_log(place.state_dir, manifest, store, &check, &error);
    if (!failed && check.findings == 0)
        failed = export_run(a, place.model, manifest, store, guard, &error);
    ob_store_close(store);
    ob_manifest_free(manifest);
    if (failed)
        return ob_cli_fail(&error);
    return check.findings > 0 ? OB_EXIT_CHECK : OB_EXIT_DONE;
}

static int run(const void *arguments) {
    return ob_cli_guard_run(work, arguments);
}

const struct ob_command OB_COMMAND_EXPORT = {
    .name = "export",
    .summary = "write the fine-tuned model for other software, or the run as one file",
    .details = "Verifies the log like `onebyte verify`, reads it at a single moment (a daemon may keep "
               "running), and reads back and compares everything it wrote. If the log fails verification, "
               "the exit code is 3 and nothing is written.",
    OB_OPERANDS(OPERANDS),
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .run = run,
};
