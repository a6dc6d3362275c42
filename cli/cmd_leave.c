#include "cli/ask.h"
#include "cli/command.h"

struct arguments {
    struct ob_cli_at at;
};

static const struct ob_operand OPERANDS[] = {OB_OPERAND_STATE_DIR(struct arguments)};
static const struct ob_option OPTIONS[] = {OB_OPTION_RUN(struct arguments)};

static int leave_daemon(const void *arguments) {
    const struct arguments *a = arguments;
    return ob_cli_tell(&a->at, "leave");
}

const struct ob_command OB_COMMAND_LEAVE = {
    .name = "leave",
    .summary = "leave the run cleanly",
    .details = "The daemon finishes the current sample, publishes completed work, says goodbye and exits, as "
               "it does on SIGTERM.",
    OB_OPERANDS(OPERANDS),
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .run = leave_daemon,
};
