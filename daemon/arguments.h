/* arguments - what onebyted takes on its command line (base/options.h). */
#ifndef OB_DAEMON_ARGUMENTS_H
#define OB_DAEMON_ARGUMENTS_H

#include "base/options.h"

struct ob_daemon_arguments {
    const char *config;
    struct ob_option_list overrides; /* SECTION.KEY=VALUE each */
    bool check;
};

extern const struct ob_command OB_DAEMON_COMMAND;

#endif
