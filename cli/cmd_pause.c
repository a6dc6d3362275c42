#include "cli/ask.h"
#include "cli/command.h"

struct arguments {
    const char *state_dir;
};

static const struct ob_operand OPERANDS[] = {
    {"STATE_DIR", "the daemon's state directory", offsetof(struct arguments, state_dir)}};

static int pause_daemon(const void *arguments) {
    const struct arguments *a = arguments;
    return ob_cli_tell(a->state_dir, "pause");
}

const struct ob_command OB_COMMAND_PAUSE = {
    .name = "pause",
    .summary = "pause training after the current round",
    .details =
        "The machine goes on receiving, storing and serving records. `onebyte resume` resumes training.",
    OB_OPERANDS(OPERANDS),
    .arguments_bytes = sizeof(struct arguments),
    .run = pause_daemon,
};
