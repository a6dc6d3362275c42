/* hosts - a file that names the hosts of `onebyte launch`: one a line, HOST or USER@HOST as ssh takes it; `#` begins a comment.
 *
 * A name becomes an argument of ssh, so it consists of letters, digits and . _ - : @ % [ ] only, and neither it nor what follows
 * an @ begins with '-'.
 * Errors:  OB_EFORMAT, which names the line; OB_ETOOBIG; those of files.
 * Threads: pure, but for reading the file. */
#ifndef OB_CLI_HOSTS_H
#define OB_CLI_HOSTS_H

#include "base/file.h"

#define OB_HOSTS_MAX      256 /* as many as an invitation admits */
#define OB_HOST_TEXT_MAX  256 /* NUL included */
#define OB_HOSTS_FILE_MAX (1u << 20)

struct ob_host_list {
    char names[OB_HOSTS_MAX][OB_HOST_TEXT_MAX];
    size_t count; /* 1 or more */
};

OB_MUST_USE enum ob_err ob_cli_hosts_parse(const char *text, size_t bytes, struct ob_host_list *ret_hosts,
                                           struct ob_error *error);
OB_MUST_USE enum ob_err ob_cli_hosts_read(const char *path, struct ob_host_list *ret_hosts,
                                          struct ob_error *error);

#endif
