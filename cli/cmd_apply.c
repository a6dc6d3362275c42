#include <inttypes.h>
#include <stdio.h>

#include "base/hex.h"
#include "cli/command.h"
#include "cli/key.h"
#include "cli/replay.h"
#include "cli/write_model.h"
#include "run/delta.h"

struct arguments {
    const char *model, *delta, *out, *authority, *basis;
    int format, dtype;
};

#define AT(member) OB_ARGUMENT(struct arguments, member)

static const struct ob_option OPTIONS[] = {
    OB_OPTION_MODEL(struct arguments, "base model"),
    {"delta", "FILE", "the run as `onebyte export --delta` wrote it", AT(delta), .required = true},
    {"out", "FOLDER", "folder for the model and its card; must be empty or not exist", AT(out),
     .required = true},
    {"basis", "FILE",
     "of a run with --adapters basis: its basis. Default: FILE of --delta with the suffix .basis.safetensors",
     AT(basis)},
    {"authority", "KEY",
     "reject the delta unless its run has this authority: run.authority.pub, or the key in it",
     AT(authority)},
    OB_OPTION_FORMAT(struct arguments),
    OB_OPTION_DTYPE(struct arguments),
};

/* ---- whose records these are ---- */

struct machine {
    struct ob_machine_id id;
    uint64_t records, samples;
};

static void print_machine(const struct ob_delta *delta, const struct machine *machine) {
    struct ob_standing standing = ob_admission_of(delta->admission, &machine->id);
    char key[OB_HEX_SHORT_MAX];
    printf("machine %s %s: %" PRIu64 " records, %" PRIu64 " samples%s\n", ob_hex_short(&machine->id, key),
           standing.name, machine->records, machine->samples,
           standing.forked    ? "; cut at a fork"
           : standing.revoked ? "; revoked"
                              : "");
}

struct owners {
    const struct ob_delta *delta;
    struct machine machine; /* the one whose chain is being read */
};

static enum ob_err count_record(void *context, const struct ob_record *record, struct ob_error *error) {
    struct owners *owners = context;
    (void)error;
    if (owners->machine.records > 0 && !ob_machine_equal(&owners->machine.id, &record->machine)) {
        print_machine(owners->delta, &owners->machine);
        owners->machine = (struct machine){0};
    }
    owners->machine.id = record->machine;
    owners->machine.records++;
    owners->machine.samples += record->n;
    return OB_OK;
}

static enum ob_err print_owners(const struct ob_delta *delta, struct ob_error *error) {
    struct owners owners = {.delta = delta};
    char key[OB_HEX_HASH_MAX], now[OB_HEX_HASH_MAX];
    struct ob_machine_id authority = ob_admission_authority(delta->admission);
    ob_hex_encode(delta->manifest->authority.key, OB_KEY_BYTES, key);
    printf("run %s, authority %s", delta->manifest->name, key);
    if (!ob_machine_equal(&authority, &delta->manifest->authority))
        printf(", now %s", ob_hex_encode(authority.key, OB_KEY_BYTES, now));
    puts("");
    enum ob_err failed = ob_delta_each(delta, count_record, &owners, error);
    if (!failed && owners.machine.records > 0)
        print_machine(delta, &owners.machine);
    return failed;
}

/* The manifest's own key: a later one is only what an earlier one says it is. */
static enum ob_err check_authority(const struct arguments *a, const struct ob_delta *delta,
                                   struct ob_error *error) {
    struct ob_machine_id wanted;
    char found[OB_HEX_HASH_MAX];
    if (!a->authority)
        return OB_OK;
    enum ob_err failed = ob_cli_read_key("authority", a->authority, &wanted, error);
    if (failed)
        return failed;
    if (ob_machine_equal(&wanted, &delta->manifest->authority))
        return OB_OK;
    return ob_fail(error, OB_EREFUSED,
                   "%s: belongs to a run whose authority is %s, not the one that --authority names", a->delta,
                   ob_hex_encode(delta->manifest->authority.key, OB_KEY_BYTES, found));
}

/* *ret_differs: the weights are not the ones that the delta names, and nothing is written. */
static enum ob_err apply(const struct arguments *a, struct ob_delta *delta, struct ob_cli_guard *guard,
                         bool *ret_differs, struct ob_error *error) {
    struct ob_replica *replica = NULL;
    struct ob_progress progress = {0};
    struct ob_card card = {
        .manifest = delta->manifest, .base = a->model, .options = ob_cli_export_options(a->format, a->dtype)};
    enum ob_err failed = ob_cli_replica_new(delta->manifest, a->model, &replica, error);
    if (!failed)
        failed = ob_cli_replay_delta(replica, delta, &progress, error);
    ob_progress_end(&progress);
    if (!failed)
        failed = ob_replica_digest(replica, &card.weights_digest, error);
    if (!failed) {
        ob_cli_print_digest(&card.weights_digest);
        *ret_differs = !ob_hash_equal(&card.weights_digest, &delta->digest);
    }
    if (!failed && !*ret_differs)
        failed = ob_delta_each(delta, ob_card_see, &card, error);
    if (!failed && !*ret_differs)
        failed = ob_cli_write_model(replica, &card, a->out, guard, error);
    ob_replica_free(replica);
    return failed;
}

static int work(struct ob_cli_guard *guard, const void *arguments) {
    const struct arguments *a = arguments;
    bool differs = false;
    struct ob_error error = {0};
    struct ob_delta *delta = NULL;
    struct ob_progress progress = {0};
    struct ob_progress_callback shown = ob_progress_of_bytes(&progress);
    enum ob_err failed = ob_cli_check_folder(a->out, &error);
    if (!failed)
        failed = ob_delta_open(a->delta, &shown, &delta, &error);
    ob_progress_end(&progress);
    if (!failed && a->basis)
        failed = ob_path_append(delta->manifest->basis_path, a->basis, "", &error);
    if (!failed)
        failed = check_authority(a, delta, &error);
    if (!failed)
        failed = print_owners(delta, &error);
    if (!failed)
        failed = apply(a, delta, guard, &differs, &error);
    ob_delta_free(delta);
    if (failed == OB_EREFUSED) { /* a signature, a machine that was never admitted, another authority */
        (void)ob_cli_fail(&error);
        return OB_EXIT_CHECK;
    }
    if (failed)
        return ob_cli_fail(&error);
    if (differs)
        fprintf(stderr, "onebyte: %s: weights digest mismatch; nothing written\n", a->delta);
    return differs ? OB_EXIT_CHECK : OB_EXIT_DONE;
}

static int run(const void *arguments) {
    return ob_cli_guard_run(work, arguments);
}

const struct ob_command OB_COMMAND_APPLY = {
    .name = "apply",
    .summary = "build the fine-tuned model from the base model and a delta",
    .details =
        "Verifies every signature and chain in the delta, and that the run's authority admitted every "
        "machine whose records it contains; lists these machines; replays the records onto the base model "
        "and compares the weights digest with the delta's. If verification fails, the exit code is 3 and "
        "nothing is written. Anyone can create a run: name the authority that you trust with --authority.",
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .run = run,
};
