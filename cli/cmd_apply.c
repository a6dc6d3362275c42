#include <stdio.h>

#include "cli/command.h"
#include "cli/write_model.h"
#include "run/delta.h"

struct arguments {
    const char *model, *delta, *out;
    int format, dtype;
};

#define AT(member) OB_ARGUMENT(struct arguments, member)

static const struct ob_option OPTIONS[] = {
    OB_OPTION_MODEL(struct arguments, "base model"),
    {"delta", "FILE", "the run as `onebyte export --delta` wrote it", AT(delta), .required = true},
    {"out", "FOLDER", "folder for the model and its card; must be empty or not exist", AT(out),
     .required = true},
    OB_OPTION_FORMAT(struct arguments),
    OB_OPTION_DTYPE(struct arguments),
};

static enum ob_err each_of_delta(void *source, ob_store_record_fn see, void *context,
                                 struct ob_error *error) {
    return ob_delta_each(source, see, context, error);
}

/* *ret_differs: the weights are not the ones that the delta names, and nothing is written. */
static enum ob_err apply(const struct arguments *a, struct ob_delta *delta, bool *ret_differs,
                         struct ob_error *error) {
    struct ob_replica *replica = NULL;
    struct ob_card card = {
        .manifest = delta->manifest, .base = a->model, .options = ob_cli_export_options(a->format, a->dtype)};
    enum ob_err failed = ob_replica_new(delta->manifest, a->model, 0, &replica, error);
    if (!failed)
        failed = ob_replica_replay_from(replica, each_of_delta, delta, NULL, NULL, error);
    if (!failed)
        failed = ob_replica_digest(replica, &card.weights_digest, error);
    if (!failed) {
        ob_cli_print_digest(&card.weights_digest);
        *ret_differs = !ob_hash_equal(&card.weights_digest, &delta->digest);
    }
    if (!failed && !*ret_differs)
        failed = ob_delta_each(delta, ob_card_see, &card, error);
    if (!failed && !*ret_differs)
        failed = ob_cli_write_model(replica, &card, a->out, error);
    ob_replica_free(replica);
    return failed;
}

static int run(const void *arguments) {
    const struct arguments *a = arguments;
    bool differs = false;
    struct ob_error error = {0};
    struct ob_delta *delta = NULL;
    enum ob_err failed = ob_delta_open(a->delta, &delta, &error);
    if (!failed)
        failed = apply(a, delta, &differs, &error);
    ob_delta_free(delta);
    if (failed)
        return ob_cli_fail(&error);
    if (differs)
        fprintf(stderr, "onebyte: %s: weights digest mismatch; nothing written\n", a->delta);
    return differs ? OB_EXIT_CHECK : OB_EXIT_DONE;
}

const struct ob_command OB_COMMAND_APPLY = {
    .name = "apply",
    .summary = "make the fine-tuned model from the base model and a delta",
    .details = "Checks every signature and chain of the delta, replays it onto the base model and compares "
               "the weights "
               "digest with the delta's. When they differ the exit code is 3 and nothing is written.",
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .run = run,
};
