#include <stdio.h>
#include <unistd.h>

#include "base/path.h"
#include "cli/ask.h"
#include "cli/authority.h"
#include "cli/command.h"

struct arguments {
    struct ob_cli_at at;
    const char *authority, *out;
};

static const struct ob_operand OPERANDS[] = {OB_OPERAND_STATE_DIR(struct arguments)};
static const struct ob_option OPTIONS[] = {
    OB_OPTION_AUTHORITY(struct arguments),
    OB_OPTION_RUN(struct arguments),
    {"out", "FILE", "file for the new key; must not exist", OB_ARGUMENT(struct arguments, out),
     .required = true},
};

/* Of a rotation that was refused: it will never be an authority. */
static void remove_key(const char *path) {
    char public[OB_PATH_MAX];
    (void)unlink(path);
    if (snprintf(public, sizeof public, "%s.pub", path) < (int)sizeof public)
        (void)unlink(public);
}

static enum ob_err rotate(const struct arguments *a, const char *state_dir, struct ob_error *error) {
    json_t *status = NULL;
    struct ob_run_id run;
    struct ob_identity old, fresh;
    struct ob_control control = {.kind = OB_CONTROL_ROTATION};
    enum ob_err failed = ob_cli_ask_command(state_dir, "status", &status, error);
    if (!failed)
        failed = ob_cli_run_of(status, &run, error);
    json_decref(status);
    if (!failed)
        failed = ob_cli_load_authority(a->authority, &old, error);
    if (failed)
        return failed;
    ob_identity_generate(&fresh);
    failed = ob_identity_save(&fresh, a->out, error); /* on disk before anybody is told */
    control.subject = fresh.machine;
    if (!failed)
        failed = ob_cli_sign_and_hand_over(state_dir, &run, &old, &control, ob_cli_sequence() + 1, error);
    if (failed == OB_ESTATE) /* the daemon said no */
        remove_key(a->out);
    ob_identity_wipe(&old);
    ob_identity_wipe(&fresh);
    return failed;
}

static int run(const void *arguments) {
    const struct arguments *a = arguments;
    struct ob_error error = {0};
    struct ob_cli_place place;
    enum ob_err failed = ob_cli_find(&a->at, OB_NEED_STATE_DIR, &place, &error);
    if (!failed)
        failed = rotate(a, place.state_dir, &error);
    if (failed)
        return ob_cli_fail(&error);
    puts(a->out);
    return OB_EXIT_DONE;
}

const struct ob_command OB_COMMAND_AUTHORITY_ROTATE = {
    .name = "authority rotate",
    .summary = "replace a run's authority key",
    .details = "Creates a new key, signs it with the old one and spreads it through the daemon. Existing "
               "certificates "
               "remain valid; sign new ones, and revocations, with the new key.",
    OB_OPERANDS(OPERANDS),
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .run = run,
};
