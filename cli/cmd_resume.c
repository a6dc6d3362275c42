#include "cli/ask.h"
#include "cli/command.h"

struct arguments {
    struct ob_cli_at at;
};

static const struct ob_operand OPERANDS[] = {OB_OPERAND_STATE_DIR(struct arguments)};
static const struct ob_option OPTIONS[] = {OB_OPTION_RUN(struct arguments)};

static int resume_daemon(const void *arguments) {
    const struct arguments *a = arguments;
    return ob_cli_tell(&a->at, "resume");
}

const struct ob_command OB_COMMAND_RESUME = {
    .name = "resume",
    .summary = "resume training",
    .details = "Ends a pause that `onebyte pause` began; other reasons to pause, such as isolation, remain.",
    OB_OPERANDS(OPERANDS),
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .run = resume_daemon,
};
