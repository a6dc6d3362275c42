#include "cli/check_log.h"
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/chart.h"
#include "cli/check_log.h"
#include "cli/command.h"
#include "cli/frontier.h"
#include "cli/open_log.h"
#include "cli/replay.h"
#include "cli/write_model.h"
#include "run/basis_file.h"
#include "run/delta.h"

struct arguments {
    struct ob_cli_at at;
    const char *out, *delta;
    int64_t round;
    bool best;
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
    {"best", NULL, "the weights at the frontier with the lowest held-out loss", AT(best)},
    {"round", "N", "the weights that the records of rounds below N made", AT(round), .low = 0,
     .high = OB_ROUNDS_MAX},
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
    struct ob_progress progress = {0};
    struct ob_progress_callback shown = ob_progress_of_bytes(&progress);
    ob_cli_guard_begin(guard, path, false);
    enum ob_err failed = ob_delta_write(path, manifest, store, digest, &shown, error);
    ob_progress_end(&progress);
    ob_cli_guard_done(guard);
    return failed || !manifest->has_basis ? failed : copy_basis(path, manifest, guard, error);
}

static enum ob_err check_outputs(const struct arguments *a, struct ob_error *error) {
    if (!a->out && !a->delta)
        return ob_fail(error, OB_EUSAGE, "export needs --out FOLDER, --delta FILE, or both");
    if (a->delta && access(a->delta, F_OK) == 0)
        return ob_fail(error, OB_EBUSY, "%s already exists; choose another name or remove it", a->delta);
    if (a->best && a->round != OB_NOT_GIVEN)
        return ob_fail(error, OB_EUSAGE, "export: --best and --round exclude each other");
    if (a->delta && (a->best || a->round != OB_NOT_GIVEN))
        return ob_fail(error, OB_EUSAGE,
                       "export: a delta has the whole log; --best and --round need --out alone");
    return a->out ? ob_cli_check_folder(a->out, error) : OB_OK;
}

/* ---- an earlier frontier ---- */

static enum ob_err find_frontier(const struct arguments *a, const struct ob_history *history,
                                 const char *state_dir, struct ob_cli_frontier *ret_frontier,
                                 struct ob_error *error) {
    const struct ob_history_frontier *best = history && a->best ? ob_history_best(history) : NULL;
    if (a->best && !best)
        return ob_fail(error, OB_ENOTFOUND,
                       "%s: no held-out loss is known; set [training] held_out on a machine of the run, or "
                       "name a --round",
                       state_dir);
    *ret_frontier = ob_cli_frontier_of(history, best ? best->round : (uint32_t)a->round);
    return OB_OK;
}

static bool has_record(void *frontier, const struct ob_record *record) {
    return ob_cli_frontier_has(frontier, record);
}

struct seeing {
    struct ob_card *card;
    const struct ob_cli_frontier *frontier; /* NULL: all */
};

static enum ob_err see(void *context, const struct ob_record *record, struct ob_error *error) {
    const struct seeing *seeing = context;
    bool counts = !seeing->frontier || ob_cli_frontier_has(seeing->frontier, record);
    return counts ? ob_card_see(seeing->card, record, error) : OB_OK;
}

/* The weights are those that were compared with other machines then. */
static enum ob_err check_frontier(const struct ob_cli_frontier *frontier, const struct ob_hash *digest,
                                  struct ob_error *error) {
    static const struct ob_hash NONE;
    if (ob_hash_equal(&frontier->weights, &NONE)) {
        fprintf(stderr, "onebyte: no digest was recorded at round %u; nothing to compare with\n",
                frontier->round);
        return OB_OK;
    }
    if (ob_hash_equal(&frontier->weights, digest))
        return OB_OK;
    return ob_fail(error, OB_EMISMATCH,
                   "the weights at round %u differ from the digest that was recorded then: records of "
                   "earlier rounds came later, "
                   "or were revoked",
                   frontier->round);
}

/* The run's curves for the card; NULL: there is no history, or no memory. */
static char *draw_curve(const struct ob_history *history, const char *title) {
    char *text = NULL;
    size_t bytes = 0;
    struct ob_canvas *canvas = NULL;
    FILE *to = history && ob_history_row_count(history) > 0 ? open_memstream(&text, &bytes) : NULL;
    if (!to)
        return NULL;
    bool drawn = ob_canvas_svg(to, OB_CHART_WIDTH, OB_CHART_HEIGHT, title, &canvas, NULL) == OB_OK;
    if (drawn) {
        ob_chart_draw(canvas, history, title);
        drawn = ob_canvas_end(canvas, NULL) == OB_OK;
    }
    if (fclose(to) == 0 && drawn)
        return text;
    free(text);
    return NULL;
}

static enum ob_err export_run(const struct arguments *a, const char *model,
                              const struct ob_manifest *manifest, struct ob_store *store,
                              const struct ob_history *history, struct ob_cli_frontier *frontier,
                              struct ob_cli_guard *guard, struct ob_error *error) {
    struct ob_replica *replica = NULL;
    struct ob_progress progress = {0};
    char *curve = a->out ? draw_curve(history, manifest->name) : NULL;
    struct ob_card card = {.manifest = manifest,
                           .base = model,
                           .curve = curve,
                           .below = frontier ? frontier->round : OB_CARD_WHOLE,
                           .options = ob_cli_export_options(a->format, a->dtype)};
    struct seeing seeing = {&card, frontier};
    enum ob_err failed = ob_cli_replica_new(manifest, model, &replica, error);
    if (!failed)
        failed = ob_cli_replay(replica, store, frontier ? has_record : NULL, frontier, &progress, error);
    ob_progress_end(&progress);
    if (!failed)
        failed = ob_replica_digest(replica, &card.weights_digest, error);
    if (!failed && frontier)
        failed = check_frontier(frontier, &card.weights_digest, error);
    if (!failed)
        failed = ob_store_each(store, see, &seeing, error);
    if (!failed && a->delta)
        failed = write_delta(a->delta, manifest, store, &card.weights_digest, guard, error);
    if (!failed && a->out)
        failed = ob_cli_write_model(replica, &card, a->out, guard, error);
    if (!failed && !a->out)
        (void)ob_cli_guard_finish(guard, NULL, a->delta);
    if (!failed)
        ob_cli_print_digest(&card.weights_digest);
    ob_replica_free(replica);
    free(curve);
    return failed;
}

static enum ob_err export_place(const struct arguments *a, const struct ob_cli_place *place,
                                const struct ob_manifest *manifest, struct ob_store *store,
                                struct ob_cli_guard *guard, struct ob_error *error) {
    struct ob_history *history = NULL;
    struct ob_cli_frontier frontier;
    struct ob_error why = {0};
    bool earlier = a->best || a->round != OB_NOT_GIVEN;
    if (a->round != OB_NOT_GIVEN && a->round > (int64_t)manifest->bounds.max_rounds)
        return ob_fail(error, OB_EUSAGE, "export: --round %" PRId64 ": the run has %" PRIu32 " rounds",
                       a->round, manifest->bounds.max_rounds);
    if (ob_history_read(place->state_dir, &manifest->run, &history, &why) && why.code != OB_ENOTFOUND)
        fprintf(stderr, "onebyte: %s\n", why.text);
    enum ob_err failed = earlier ? find_frontier(a, history, place->state_dir, &frontier, error) : OB_OK;
    if (!failed)
        failed =
            export_run(a, place->model, manifest, store, history, earlier ? &frontier : NULL, guard, error);
    ob_history_close(history);
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
        failed = export_place(a, &place, manifest, store, guard, &error);
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
               "the exit code is 3 and nothing is written. --best and --round compare the weights with the "
               "digest that "
               "this machine's history recorded at that frontier.",
    OB_OPERANDS(OPERANDS),
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .run = run,
};
