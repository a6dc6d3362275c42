#include "cli/ask.h"
#include "cli/command.h"

struct arguments {
    struct ob_cli_at at;
};

static const struct ob_operand OPERANDS[] = {OB_OPERAND_STATE_DIR(struct arguments)};
static const struct ob_option OPTIONS[] = {OB_OPTION_RUN(struct arguments)};

static int pause_daemon(const void *arguments) {
    const struct arguments *a = arguments;
    return ob_cli_tell(&a->at, "pause");
}

const struct ob_command OB_COMMAND_PAUSE = {
    .name = "pause",
    .summary = "pause training after the current round",
    .details = "The machine keeps receiving, storing and serving records. `onebyte resume` resumes training.",
    OB_OPERANDS(OPERANDS),
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .run = pause_daemon,
};
