/* describe - the parts of the documentation that are generated from tables in the source: the commands of `onebyte`
 * (cli/commands.def), the options of `onebyted` and the fields of a status. */
#ifndef OB_DOCS_DESCRIBE_H
#define OB_DOCS_DESCRIBE_H

#include "base/options.h"

/* Every command of `onebyte`, in order; groups are left out. */
void ob_describe_each(void (*see)(const struct ob_command *command));

void ob_describe_man_commands(void); /* roff */
void ob_describe_man_daemon(void);
void ob_describe_bash(void);
void ob_describe_zsh(void);
void ob_describe_fish(void);

#endif
