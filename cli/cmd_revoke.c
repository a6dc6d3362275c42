#include <inttypes.h>
#include <stdio.h>

#include "cli/ask.h"
#include "cli/authority.h"
#include "cli/command.h"
#include "cli/find_machine.h"

struct arguments {
    struct ob_cli_at at;
    const char *machine, *authority;
    int64_t keep_below;
};

#define AT(member) OB_ARGUMENT(struct arguments, member)

static const struct ob_operand OPERANDS[] = {
    OB_OPERAND_STATE_DIR(struct arguments),
    {"MACHINE", "the machine's key, the first 8 or more digits of it, or its name",
     offsetof(struct arguments, machine)}};
static const struct ob_option OPTIONS[] = {
    OB_OPTION_AUTHORITY(struct arguments),
    OB_OPTION_RUN(struct arguments),
    {"keep-below", "N", "the machine's samples below N remain valid; default: all that the daemon holds now",
     AT(keep_below), .low = 0, .high = INT64_MAX},
};

static enum ob_err revoke(const struct arguments *a, const char *state_dir, struct ob_error *error) {
    json_t *status = NULL;
    const json_t *found = NULL;
    struct ob_run_id run;
    struct ob_identity authority;
    struct ob_control control = {.kind = OB_CONTROL_REVOCATION};
    uint64_t samples = 0;
    char text[OB_HEX_KEY_MAX];
    enum ob_err failed = ob_cli_ask_command(state_dir, "status", &status, error);
    if (!failed)
        failed = ob_cli_run_of(status, &run, error);
    if (!failed)
        failed = ob_cli_find_machine(status, a->machine, &control.subject, &found, error);
    if (found)
        samples = (uint64_t)json_integer_value(json_object_get(found, "samples"));
    json_decref(status);
    if (!failed)
        failed = ob_cli_load_authority(a->authority, &authority, error);
    if (failed)
        return failed;
    uint64_t keep = a->keep_below != OB_NOT_GIVEN ? (uint64_t)a->keep_below : samples;
    failed = ob_cli_sign_and_hand_over(state_dir, &run, &authority, &control, keep, error);
    ob_identity_wipe(&authority);
    ob_machine_to_text(&control.subject, text);
    if (!failed)
        printf("%s revoked; its samples below %" PRIu64 " remain valid\n", text, keep);
    return failed;
}

static int run(const void *arguments) {
    struct ob_error error = {0};
    const struct arguments *a = arguments;
    struct ob_cli_place place;
    enum ob_err failed = ob_cli_find(&a->at, OB_NEED_STATE_DIR, &place, &error);
    if (!failed)
        failed = revoke(a, place.state_dir, &error);
    return failed ? ob_cli_fail(&error) : OB_EXIT_DONE;
}

const struct ob_command OB_COMMAND_REVOKE = {
    .name = "revoke",
    .summary = "revoke a machine's certificate",
    .details = "The daemon spreads the revocation. The machine's records that end at or before sample N "
               "remain valid; all later ones are removed from the weights on every machine. This cannot be "
               "undone: to return, the machine needs a new key.",
    OB_OPERANDS(OPERANDS),
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .run = run,
};
