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
    {"authority", "FILE", "the run's authority key, if you hold it: the machine is revoked at once",
     AT(authority)},
    OB_OPTION_RUN(struct arguments),
    {"keep-below", "N",
     "the machine's samples below N are to remain valid; default: those before the first that stood out",
     AT(keep_below), .low = 0, .high = INT64_MAX},
};

static enum ob_err choose(const struct arguments *a, const json_t *status, struct ob_machine_id *ret_machine,
                          uint64_t *ret_keep, struct ob_error *error) {
    const json_t *found = NULL;
    enum ob_err failed = ob_cli_find_machine(status, a->machine, ret_machine, &found, error);
    if (failed)
        return failed;
    const json_t *from = json_object_get(found, "outlier_from");
    if (a->keep_below == OB_NOT_GIVEN && !json_is_integer(from))
        return ob_fail(error, OB_EUSAGE,
                       "nothing stands out about \"%s\" in what this daemon has seen since its start; give "
                       "--keep-below N, "
                       "its first sample that is not to be trusted",
                       a->machine);
    *ret_keep = a->keep_below != OB_NOT_GIVEN ? (uint64_t)a->keep_below : (uint64_t)json_integer_value(from);
    return OB_OK;
}

static enum ob_err revoke(const struct arguments *a, const char *state_dir, const struct ob_run_id *run,
                          const struct ob_machine_id *machine, uint64_t keep, struct ob_error *error) {
    struct ob_identity authority;
    struct ob_control control = {.kind = OB_CONTROL_REVOCATION, .subject = *machine};
    char text[OB_HEX_KEY_MAX];
    enum ob_err failed = ob_cli_load_authority(a->authority, &authority, error);
    if (failed)
        return failed;
    failed = ob_cli_sign_and_hand_over(state_dir, run, &authority, &control, keep, error);
    ob_identity_wipe(&authority);
    ob_machine_to_text(machine, text);
    if (!failed)
        printf("%s revoked; its samples below %" PRIu64
               " remain valid, all later ones are taken out of the weights\n",
               text, keep);
    return failed;
}

/* Whether a record counts is the authority's to say, for everybody at once. */
static enum ob_err step_aside(const char *state_dir, const struct ob_machine_id *machine, uint64_t keep,
                              struct ob_error *error) {
    json_t *answer = NULL;
    char text[OB_HEX_KEY_MAX];
    enum ob_err failed = ob_cli_ask_command(state_dir, "pause", &answer, error);
    json_decref(answer);
    if (failed)
        return failed;
    ob_machine_to_text(machine, text);
    printf("training is paused here; `onebyte resume` resumes it\n"
           "The records of that machine count for everybody until the run's authority revokes it. Send this "
           "to whoever "
           "holds the authority's key:\n"
           "    onebyte revoke --authority FILE --keep-below %" PRIu64 " %s\n",
           keep, text);
    return OB_OK;
}

static enum ob_err quarantine(const struct arguments *a, const char *state_dir, struct ob_error *error) {
    json_t *status = NULL;
    struct ob_run_id run;
    struct ob_machine_id machine;
    uint64_t keep = 0;
    enum ob_err failed = ob_cli_ask_command(state_dir, "status", &status, error);
    if (!failed)
        failed = ob_cli_run_of(status, &run, error);
    if (!failed)
        failed = choose(a, status, &machine, &keep, error);
    json_decref(status);
    if (failed)
        return failed;
    return a->authority ? revoke(a, state_dir, &run, &machine, keep, error)
                        : step_aside(state_dir, &machine, keep, error);
}

static int run(const void *arguments) {
    struct ob_error error = {0};
    const struct arguments *a = arguments;
    struct ob_cli_place place;
    enum ob_err failed = ob_cli_find(&a->at, OB_NEED_STATE_DIR, &place, &error);
    if (!failed)
        failed = quarantine(a, place.state_dir, &error);
    return failed ? ob_cli_fail(&error) : OB_EXIT_DONE;
}

const struct ob_command OB_COMMAND_QUARANTINE = {
    .name = "quarantine",
    .summary = "act on a machine whose records stand out",
    .details =
        "With --authority, revokes the machine from the first of its samples that stood out "
        "(`onebyte status`); everything from there on is taken out of the weights on every machine. "
        "Without it, pauses training here and prints what to send to the holder of the authority's key: "
        "nobody else decides which records count.",
    OB_OPERANDS(OPERANDS),
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .run = run,
};
