/* remote - steps on another host, one after the other over ssh, in a process of their own whose output is collected.
 *
 * The host's name has been checked (cli/hosts.h) and stands behind "--"; nobody is asked for a password.
 * Errors:  OB_EIO (no process or pipe).
 * Owns:    a process and a pipe, from start to end. */
#ifndef OB_CLI_REMOTE_H
#define OB_CLI_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

#define OB_REMOTE_STEPS_MAX 3
#define OB_REMOTE_LINE_MAX  300

struct ob_remote_step {
    const char *command; /* for the host's shell */
    const char *file;    /* its standard input; NULL: `text` */
    const char *text;    /* at most a pipe's room */
};

struct ob_remote {
    const char *host;
    pid_t pid;
    int output;                    /* readable; -1: ended */
    char line[OB_REMOTE_LINE_MAX]; /* what to show of what it said: no control characters */
    char part[OB_REMOTE_LINE_MAX]; /* of a line that is not complete */
    size_t part_bytes;
};

/* ssh_config: a file for ssh -F; NULL: ssh's own. */
OB_MUST_USE enum ob_err ob_remote_start(struct ob_remote *remote, const char *host, const char *ssh_config,
                                        const struct ob_remote_step *steps, size_t step_count,
                                        struct ob_error *error);
/* Reads what is there. False: it has said all. */
bool ob_remote_read(struct ob_remote *remote);
/* Waits for it: 0, or the exit code of the step that failed. */
int ob_remote_end(struct ob_remote *remote);

#endif
