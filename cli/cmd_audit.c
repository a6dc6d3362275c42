#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/hex.h"
#include "cli/check_log.h"
#include "cli/command.h"
#include "cli/evaluate.h"
#include "cli/open_log.h"
#include "cli/replay.h"
#include "cli/table.h"
#include "model/formats/json_value.h"
#include "run/replica.h"
#include "transport/identity.h"

struct arguments {
    struct ob_cli_at at;
    const char *data, *chat_template;
    int64_t length, batch;
    bool json;
};

static const struct ob_operand OPERANDS[] = {OB_OPERAND_STATE_DIR(struct arguments)};
static const struct ob_option OPTIONS[] = {
    OB_OPTION_RUN(struct arguments),
    OB_OPTION_RUN_MANIFEST(struct arguments),
    OB_OPTION_RUN_MODEL(struct arguments),
    {"data", "FILE", "held-out rows, JSON Lines", OB_ARGUMENT(struct arguments, data), .required = true},
    OB_OPTION_LENGTH(struct arguments),
    OB_OPTION_BATCH(struct arguments),
    OB_OPTION_CHAT_TEMPLATE(struct arguments),
    OB_OPTION_JSON(struct arguments),
};

/* A machine's records are neighbours in the log. */
struct share {
    struct ob_machine_id machine;
    size_t first, count; /* of its updates */
    uint64_t samples;
    char name[OB_CONTROL_NAME_MAX + 1]; /* of its certificate or its admission; "" without one */
    double loss;                        /* without it */
};

/* The log as it was in one moment: a daemon that runs beside us goes on writing. */
struct audit {
    struct ob_manifest *manifest;
    struct ob_store *store;
    struct ob_replica *replica;
    struct ob_tokenizer *tokenizer;
    struct ob_corpus *corpus;
    struct ob_updates updates;
    struct share *shares;
    size_t share_count, share_max;
    size_t batch;
    struct ob_progress progress;
    uint64_t evaluated; /* rows so far */
    double loss;        /* with everything */
    struct ob_hash digest;
    bool differs; /* the weights after everything was put back */
};

static enum ob_err take_record(void *context, const struct ob_record *record, struct ob_error *error) {
    struct audit *a = context;
    if (!ob_array_reserve(&a->shares, a->share_count, 1, sizeof *a->shares, &a->share_max))
        return ob_fail(error, OB_ENOMEM, "audit: not enough memory for %zu machines", a->share_count + 1);
    if (a->share_count == 0 || !ob_machine_equal(&a->shares[a->share_count - 1].machine, &record->machine))
        a->shares[a->share_count++] = (struct share){.machine = record->machine, .first = a->updates.count};
    struct share *share = &a->shares[a->share_count - 1];
    share->count++;
    share->samples += record->n;
    return ob_updates_add(&a->updates, record, error);
}

static enum ob_err take_names(struct audit *a, struct ob_error *error) {
    struct ob_admission *admission = NULL;
    enum ob_err failed = ob_cli_admission_of(a->manifest, a->store, &admission, error);
    for (size_t i = 0; i < a->share_count && !failed; i++) {
        struct ob_standing standing = ob_admission_of(admission, &a->shares[i].machine);
        memcpy(a->shares[i].name, standing.name, sizeof a->shares[i].name);
    }
    ob_admission_free(admission);
    return failed;
}

static enum ob_err take_log(struct audit *a, struct ob_error *error) {
    enum ob_err failed = ob_store_each(a->store, take_record, a, error);
    return failed ? failed : take_names(a, error);
}

static enum ob_err open_all(struct audit *a, const struct arguments *wanted, const struct ob_cli_place *place,
                            struct ob_error *error) {
    enum ob_err failed = ob_cli_open_log(place, &a->manifest, &a->store, error);
    if (!failed)
        failed = take_log(a, error);
    if (!failed)
        failed = ob_cli_replica_new(a->manifest, place->model, &a->replica, error);
    if (failed)
        return failed;
    struct ob_cli_rows rows = {.model = place->model,
                               .config = &a->replica->model->config,
                               .data = wanted->data,
                               .chat_template = wanted->chat_template,
                               .length = wanted->length};
    return ob_cli_open_rows(&rows, &a->tokenizer, &a->corpus, error);
}

static void close_all(struct audit *a) {
    ob_corpus_free(a->corpus);
    ob_tokenizer_free(a->tokenizer);
    ob_replica_free(a->replica);
    ob_store_close(a->store);
    ob_manifest_free(a->manifest);
    ob_updates_done(&a->updates);
    free(a->shares);
}

static enum ob_err measure(struct audit *a, double *ret_loss, struct ob_error *error) {
    struct ob_weight_source source = ob_replica_source(a->replica);
    struct ob_task_score score = {0};
    enum ob_err failed = ob_cli_evaluate(&source, a->corpus, a->replica->pool, a->batch, &a->progress,
                                         a->evaluated, &score, error);
    a->evaluated += ob_corpus_items(a->corpus);
    *ret_loss = ob_cli_loss(&score, a->corpus);
    return failed;
}

static enum ob_err audit_share(struct audit *a, struct share *share, struct ob_error *error) {
    const struct ob_spsa_update *updates = a->updates.items + share->first;
    enum ob_err failed = ob_replica_unapply(a->replica, updates, share->count, error);
    if (!failed)
        failed = measure(a, &share->loss, error);
    return failed ? failed : ob_replica_apply(a->replica, updates, share->count, error);
}

static enum ob_err audit(struct audit *a, struct ob_error *error) {
    struct ob_hash after;
    ob_progress_start(&a->progress, "evaluating", "rows", (a->share_count + 1) * ob_corpus_items(a->corpus));
    enum ob_err failed = ob_replica_apply(a->replica, a->updates.items, a->updates.count, error);
    if (!failed)
        failed = ob_replica_digest(a->replica, &a->digest, error);
    if (!failed)
        failed = measure(a, &a->loss, error);
    for (size_t i = 0; i < a->share_count && !failed; i++)
        failed = audit_share(a, &a->shares[i], error);
    if (!failed)
        failed = ob_replica_digest(a->replica, &after, error);
    if (!failed)
        a->differs = !ob_hash_equal(&a->digest, &after);
    return failed;
}

static int print_json(const struct audit *a, const char *digest) {
    json_t *machines = json_array(), *root = json_object();
    for (size_t i = 0; i < a->share_count; i++) {
        const struct share *s = &a->shares[i];
        json_array_append_new(machines,
                              json_pack("{s:o, s:o, s:I, s:o, s:o}", "name", ob_json_text(s->name), "machine",
                                        ob_json_hex(s->machine.key, sizeof s->machine.key), "samples",
                                        (json_int_t)s->samples, "loss_without", ob_json_real(s->loss),
                                        "difference", ob_json_real(s->loss - a->loss)));
    }
    bool good = ob_json_set(root, "loss", ob_json_real(a->loss));
    good = ob_json_set(root, "weights_digest", json_string(digest)) && good;
    good = ob_json_set(root, "machines", machines) && good;
    return ob_cli_print_json(root, good);
}

static int print_text(const struct audit *a, const char *digest) {
    char key[OB_HEX_KEY_MAX];
    printf("weights %s\nloss %.6f with all records\n", digest, a->loss);
    for (size_t i = 0; i < a->share_count; i++) {
        const struct share *s = &a->shares[i];
        ob_machine_to_text(&s->machine, key);
        printf("%-16s %.12s samples %-9" PRIu64 " loss without it %.6f difference %+.6f\n",
               s->name[0] ? s->name : "-", key, s->samples, s->loss, s->loss - a->loss);
    }
    return OB_EXIT_DONE;
}

static int report(const struct audit *a, const struct arguments *wanted, const char *state_dir) {
    char digest[65];
    if (a->differs) {
        fprintf(stderr, "onebyte: %s: the weights differ after re-applying the records\n", state_dir);
        return OB_EXIT_CHECK;
    }
    ob_hex_encode(a->digest.bytes, sizeof a->digest.bytes, digest);
    int code = (wanted->json ? print_json : print_text)(a, digest);
    if (isfinite(a->loss))
        return code;
    fprintf(stderr, "onebyte: the loss on %s is not finite: the run has diverged\n", wanted->data);
    return OB_EXIT_FAILED;
}

static int run(const void *arguments) {
    const struct arguments *wanted = arguments;
    struct ob_error error = {0};
    struct audit a = {.batch = (size_t)wanted->batch};
    struct ob_cli_place place;
    struct ob_log_check check = {0};
    enum ob_err failed = ob_cli_find(&wanted->at, OB_NEED_MODEL, &place, &error);
    if (!failed)
        failed = open_all(&a, wanted, &place, &error);
    if (!failed)
        failed = ob_cli_check_log(place.state_dir, a.manifest, a.store, &check, &error);
    if (!failed && check.findings == 0)
        failed = audit(&a, &error);
    ob_progress_end(&a.progress);
    int code = failed               ? ob_cli_fail(&error)
               : check.findings > 0 ? OB_EXIT_CHECK
                                    : report(&a, wanted, place.state_dir);
    close_all(&a);
    return code;
}

const struct ob_command OB_COMMAND_AUDIT = {
    .name = "audit",
    .summary = "measure how each machine's records affect the held-out loss",
    .details =
        "Removes each machine's records in turn from a copy of the weights, exactly, and evaluates without "
        "them. The difference is the loss without the machine minus the loss with all machines. If it is "
        "positive, the run is better with the machine; if negative, look closer before you revoke it. Works "
        "beside a running daemon and changes nothing. The exit code is 3 if the log fails verification "
        "(`onebyte verify`) or if re-applying the records does not restore the same weights.",
    OB_OPERANDS(OPERANDS),
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .needs_blas = true,
    .run = run,
};
