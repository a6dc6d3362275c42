#include "cli/ask.h"
#include "cli/command.h"

struct arguments {
    const char *state_dir;
};

static const struct ob_operand OPERANDS[] = {
    {"STATE_DIR", "the daemon's state directory", offsetof(struct arguments, state_dir)}};

static int leave_daemon(const void *arguments) {
    const struct arguments *a = arguments;
    return ob_cli_tell(a->state_dir, "leave");
}

const struct ob_command OB_COMMAND_LEAVE = {
    .name = "leave",
    .summary = "leave the run cleanly",
    .details = "The daemon finishes the current sample, publishes what is done, says goodbye and exits, as "
               "it does on SIGTERM.",
    OB_OPERANDS(OPERANDS),
    .arguments_bytes = sizeof(struct arguments),
    .run = leave_daemon,
};
