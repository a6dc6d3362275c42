#include "daemon/arguments.h"

#define AT(member) OB_ARGUMENT(struct ob_daemon_arguments, member)

static const struct ob_option OPTIONS[] = {
    {"config", "FILE", "configuration; onebyte.conf(5) documents every key", AT(config), .required = true},
    {"set", "SECTION.KEY=VALUE", "override a key of the file", AT(overrides)},
    {"check", NULL, "validate configuration, manifest, certificate, model and data, print \"ok\" and exit",
     AT(check)},
};

const struct ob_command OB_DAEMON_COMMAND = {
    .name = "",
    .summary = "fine-tune a language model together with other machines",
    .details = "Trains in the run whose manifest the configuration names, until told to leave (SIGTERM, "
               "SIGINT or `onebyte leave`). SIGHUP reloads the configuration.\n\n"
               "Exit codes: 0 left cleanly, 1 could not continue, 2 an error that a restart cannot fix "
               "(usage, configuration, certificate or another file).",
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct ob_daemon_arguments),
};
