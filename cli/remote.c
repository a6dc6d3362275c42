#include "cli/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_NO_SSH 127
#define EXIT_SIGNAL 128

/* In the worker: what the step reads. */
static int input_of(const struct ob_remote_step *step) {
    int ends[2];
    if (step->file)
        return open(step->file, O_RDONLY | O_CLOEXEC);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    ssize_t bytes = (ssize_t)strlen(step->text);
    bool whole = write(ends[1], step->text, (size_t)bytes) == bytes;
    (void)close(ends[1]);
    return whole ? ends[0] : -1;
}

static int exit_code(int status) {
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_SIGNAL + WTERMSIG(status);
}

static int wait_for(pid_t pid) {
    int status = 0;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return EXIT_NO_SSH;
    return exit_code(status);
}

/* In the worker: one connection. */
static int run_step(const char *host, const char *ssh_config, const struct ob_remote_step *step) {
    char *argv[16], *const fixed[] = {"ssh",
                                      "-T",
                                      "-x",
                                      "-o",
                                      "BatchMode=yes",
                                      "-o",
                                      "ConnectTimeout=20",
                                      "-o",
                                      "ServerAliveInterval=20"};
    size_t count = sizeof fixed / sizeof *fixed;
    memcpy(argv, fixed, sizeof fixed);
    if (ssh_config) {
        argv[count++] = "-F";
        argv[count++] = (char *)ssh_config;
    }
    argv[count++] = "--";
    argv[count++] = (char *)host;
    argv[count++] = (char *)step->command;
    argv[count] = NULL;
    int in = input_of(step);
    pid_t pid = in < 0 ? -1 : fork();
    if (pid == 0) {
        if (dup2(in, STDIN_FILENO) < 0)
            _exit(EXIT_NO_SSH);
        (void)execvp(argv[0], argv);
        (void)dprintf(STDERR_FILENO, "ssh: %s\n", strerror(errno));
        _exit(EXIT_NO_SSH);
    }
    if (pid < 0)
        (void)dprintf(STDERR_FILENO, "%s: %s\n", step->file ? step->file : "ssh", strerror(errno));
    int code = pid < 0 ? EXIT_NO_SSH : wait_for(pid);
    if (in >= 0)
        (void)close(in);
    return code;
}

enum ob_err ob_remote_start(struct ob_remote *remote, const char *host, const char *ssh_config,
                            const struct ob_remote_step *steps, size_t step_count, struct ob_error *error) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return ob_fail(error, OB_EIO, "cannot make a pipe: %s", strerror(errno));
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        int code = dup2(ends[1], STDOUT_FILENO) < 0 || dup2(ends[1], STDERR_FILENO) < 0 ? EXIT_NO_SSH : 0;
        for (size_t i = 0; code == 0 && i < step_count; i++)
            code = run_step(host, ssh_config, &steps[i]);
        _exit(code);
    }
    (void)close(ends[1]);
    if (pid < 0) {
        (void)close(ends[0]);
        return ob_fail(error, OB_EIO, "cannot start a process: %s", strerror(errno));
    }
    *remote = (struct ob_remote){.host = host, .pid = pid, .output = ends[0]};
    return OB_OK;
}

/* The result or the complaint of `onebyte join` is worth more than what is said around it. */
static bool counts(const char *line) {
    return strncmp(line, "onebyte: ", 9) == 0 || strncmp(line, "in step", 7) == 0 ||
           strncmp(line, "already joined", 14) == 0 || strncmp(line, "linked, and", 11) == 0;
}

static void end_line(struct ob_remote *remote) {
    const char *line = remote->part;
    remote->part[remote->part_bytes] = 0;
    remote->part_bytes = 0;
    while (*line == ' ')
        line++;
    if (*line && (counts(line) || !counts(remote->line)))
        (void)snprintf(remote->line, sizeof remote->line, "%s", line);
}

bool ob_remote_read(struct ob_remote *remote) {
    char bytes[4096];
    ssize_t count = read(remote->output, bytes, sizeof bytes);
    if (count < 0 && errno == EINTR)
        return true;
    for (ssize_t i = 0; i < count; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c == '\n' || c == '\r')
            end_line(remote);
        else if (remote->part_bytes + 1 < sizeof remote->part) /* a terminal must not take it for orders */
            remote->part[remote->part_bytes++] = c < 0x20 || c >= 0x7f ? '?' : (char)c;
    }
    if (count <= 0)
        end_line(remote);
    return count > 0;
}

int ob_remote_end(struct ob_remote *remote) {
    (void)close(remote->output);
    remote->output = -1;
    return wait_for(remote->pid);
}
