#include "cli/ask.h"
#include "cli/command.h"

struct arguments {
    const char *state_dir;
};

static const struct ob_operand OPERANDS[] = {
    {"STATE_DIR", "the daemon's state directory", offsetof(struct arguments, state_dir)}};

static int resume_daemon(const void *arguments) {
    const struct arguments *a = arguments;
    return ob_cli_tell(a->state_dir, "resume");
}

const struct ob_command OB_COMMAND_RESUME = {
    .name = "resume",
    .summary = "resume training",
    .details = "Ends a pause that `onebyte pause` began; other reasons to pause, such as isolation, remain.",
    OB_OPERANDS(OPERANDS),
    .arguments_bytes = sizeof(struct arguments),
    .run = resume_daemon,
};
