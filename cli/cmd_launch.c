#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/hosts.h"
#include "cli/launch.h"
#include "cli/remote.h"
#include "run/token.h"

struct arguments {
    const char *token, *hosts, *data, *model, *run, *state_dir, *listen, *ssh_config;
    int64_t threads, timeout_s, at_once;
    bool copy, observer, exit_when_finished;
};

#define AT(member) OB_ARGUMENT(struct arguments, member)

static const struct ob_operand OPERANDS[] = {
    {"TOKEN",
     "what `onebyte invite NAME --uses N` printed, N as many as hosts; - reads it from standard input",
     offsetof(struct arguments, token)}};
static const struct ob_option OPTIONS[] = {
    {"hosts", "FILE", "the hosts, one a line, as ssh names them; # begins a comment", AT(hosts),
     .required = true},
    {"copy", NULL,
     "copy onebyte and onebyted to ~/.local/bin of each host first, which needs the same libraries; without "
     "it "
     "they must be installed there",
     AT(copy)},
    {"data", "ROWS", "rows to train on, a file on each host", AT(data)},
    {"model", "PATH", "base model on each host; default: as `onebyte join` finds it", AT(model)},
    {"run", "NAME", "name of the state directory on each host; default: the run's name", AT(run)},
    {"state", "PATH", "another state directory on each host", AT(state_dir)},
    {"listen", "ADDRESS", "tcp://ADDRESS:PORT to listen on, on each host; none: do not listen", AT(listen)},
    {"threads", "N", "compute threads; 0: all processors", AT(threads), .low = 0, .high = 1024,
     .fallback = "0"},
    {"observer", NULL, "follow, store and serve the run, but do not train", AT(observer)},
    {"timeout", "SECONDS", "how long each host waits for a link", AT(timeout_s), .low = 1, .high = 86400,
     .fallback = "60"},
    {"exit-when-finished", NULL, "the daemons end when the run is finished", AT(exit_when_finished)},
    {"ssh-config", "FILE", "configuration for ssh, as with ssh -F", AT(ssh_config)},
    {"at-once", "N", "so many hosts at a time", AT(at_once), .low = 1, .high = OB_HOSTS_MAX,
     .fallback = "16"},
};

#define COMMAND_MAX 16384
/* written beside the old one and renamed: a program that runs is not disturbed */
#define COPY_TO(name)                                                                                        \
    "mkdir -p ~/.local/bin && cat >~/.local/bin/." name ".new && chmod 755 ~/.local/bin/." name              \
    ".new && mv "                                                                                            \
    "~/.local/bin/." name ".new ~/.local/bin/" name

struct launching {
    const struct arguments *arguments;
    struct ob_host_list hosts;
    char token[OB_TOKEN_TEXT_MAX + 2], command[COMMAND_MAX];
    char client[OB_PATH_MAX], daemon[OB_PATH_MAX]; /* with --copy */
    struct ob_remote_step steps[OB_REMOTE_STEPS_MAX];
    size_t step_count;
    struct ob_remote remotes[OB_HOSTS_MAX];
    size_t started, running, failed;
};

/* " --NAME 'VALUE'" for the host's shell. */
static void add_option(char command[static COMMAND_MAX], const char *name, const char *value) {
    size_t at = strlen(command);
    if (!value)
        return;
    at += (size_t)snprintf(command + at, COMMAND_MAX - at, " --%s '", name);
    for (; *value && at + 8 < COMMAND_MAX; value++) {
        if (*value == '\'')
            at += (size_t)snprintf(command + at, COMMAND_MAX - at, "'\\''");
        else
            command[at++] = *value;
    }
    (void)snprintf(command + at, COMMAND_MAX - at, "'");
}

static enum ob_err write_command(struct launching *l, struct ob_error *error) {
    const struct arguments *a = l->arguments;
    const char *const given[] = {a->data, a->model, a->run, a->state_dir, a->listen};
    char threads[24], timeout[24];
    for (size_t i = 0; i < sizeof given / sizeof *given; i++)
        if (given[i] && (strlen(given[i]) > COMMAND_MAX / 32 || strpbrk(given[i], "\r\n")))
            return ob_fail(error, OB_EUSAGE, "\"%.60s\" is too long, or has line breaks", given[i]);
    (void)snprintf(threads, sizeof threads, "%lld", (long long)a->threads);
    (void)snprintf(timeout, sizeof timeout, "%lld", (long long)a->timeout_s);
    (void)snprintf(l->command, sizeof l->command, "%sonebyte join -", a->copy ? "~/.local/bin/" : "");
    add_option(l->command, "data", a->data);
    add_option(l->command, "model", a->model);
    add_option(l->command, "run", a->run);
    add_option(l->command, "state", a->state_dir);
    add_option(l->command, "listen", a->listen);
    add_option(l->command, "threads", threads);
    add_option(l->command, "timeout", timeout);
    size_t at = strlen(l->command);
    (void)snprintf(l->command + at, sizeof l->command - at, "%s%s", a->observer ? " --observer" : "",
                   a->exit_when_finished ? " --exit-when-finished" : "");
    return OB_OK;
}

/* A token that none of the hosts could use is not sent to them. */
static enum ob_err read_token(struct launching *l, struct ob_error *error) {
    struct ob_token token;
    struct ob_control invitation;
    const char *given = l->arguments->token;
    if (strcmp(given, "-") == 0) {
        if (!fgets(l->token, sizeof l->token, stdin))
            return ob_fail(error, OB_EUSAGE, "there is no token on standard input");
        l->token[strcspn(l->token, "\r\n")] = 0;
    } else if (snprintf(l->token, sizeof l->token, "%s", given) >= (int)sizeof l->token)
        return ob_fail(error, OB_EUSAGE, "the token is too long: is it what `onebyte invite` printed?");
    enum ob_err failed = ob_token_decode(l->token, &token, &invitation, error);
    if (failed)
        return failed;
    struct ob_invitation says = ob_control_invitation(&invitation);
    ob_token_wipe(&token);
    if (says.uses < l->hosts.count)
        return ob_fail(
            error, OB_EUSAGE,
            "the token admits %u machines, and there are %zu hosts: `onebyte invite NAME --uses %zu`",
            (unsigned)says.uses, l->hosts.count, l->hosts.count);
    return OB_OK;
}

static enum ob_err plan(struct launching *l, struct ob_error *error) {
    if (!l->arguments->data == !l->arguments->observer)
        return ob_fail(error, OB_EUSAGE, "give --data ROWS, a file on each host, or --observer");
    enum ob_err failed = ob_cli_hosts_read(l->arguments->hosts, &l->hosts, error);
    if (!failed)
        failed = read_token(l, error);
    if (!failed)
        failed = write_command(l, error);
    if (!failed && l->arguments->copy)
        failed = ob_cli_programs(l->client, l->daemon, error);
    if (failed)
        return failed;
    if (l->arguments->copy) {
        l->steps[l->step_count++] =
            (struct ob_remote_step){.command = COPY_TO("onebyted"), .file = l->daemon};
        l->steps[l->step_count++] = (struct ob_remote_step){.command = COPY_TO("onebyte"), .file = l->client};
    }
    l->steps[l->step_count++] = (struct ob_remote_step){.command = l->command, .text = l->token};
    return OB_OK;
}

/* One line a host, as each is done. */
static void end_one(struct launching *l, struct ob_remote *remote) {
    int code = ob_remote_end(remote);
    l->running--;
    if (code != 0)
        l->failed++;
    printf("%-24s %s", remote->host, code == 0 ? "joined" : "failed");
    if (code != 0)
        printf(" (exit code %d)", code);
    printf(": %s\n", remote->line[0] ? remote->line : "it said nothing");
    (void)fflush(stdout);
}

static void start_one(struct launching *l) {
    struct ob_error error = {0};
    const char *host = l->hosts.names[l->started];
    struct ob_remote *remote = &l->remotes[l->started++];
    if (ob_remote_start(remote, host, l->arguments->ssh_config, l->steps, l->step_count, &error) == OB_OK) {
        l->running++;
        return;
    }
    remote->output = -1;
    l->failed++;
    printf("%-24s failed: %s\n", host, error.text);
}

static void read_some(struct launching *l) {
    struct pollfd ready[OB_HOSTS_MAX];
    for (size_t i = 0; i < l->started; i++)
        ready[i] = (struct pollfd){.fd = l->remotes[i].output, .events = POLLIN};
    if (poll(ready, (nfds_t)l->started, -1) <= 0)
        return;
    for (size_t i = 0; i < l->started; i++)
        if (ready[i].fd >= 0 && ready[i].revents && !ob_remote_read(&l->remotes[i]))
            end_one(l, &l->remotes[i]);
}

static int launch(const void *arguments) {
    struct ob_error error = {0};
    struct launching *l = calloc(1, sizeof *l);
    if (!l)
        return ob_cli_fail_usage("out of memory");
    l->arguments = arguments;
    enum ob_err failed = plan(l, &error);
    while (!failed && (l->running > 0 || l->started < l->hosts.count)) {
        if (l->started < l->hosts.count && l->running < (size_t)l->arguments->at_once)
            start_one(l);
        else
            read_some(l);
    }
    if (!failed)
        printf("%zu of %zu hosts joined\n", l->hosts.count - l->failed, l->hosts.count);
    int code = failed ? OB_EXIT_USAGE : l->failed > 0 ? OB_EXIT_FAILED : OB_EXIT_DONE;
    sodium_memzero(l, sizeof *l);
    free(l);
    if (failed)
        (void)ob_cli_fail(&error);
    return code;
}

const struct ob_command OB_COMMAND_LAUNCH = {
    .name = "launch",
    .summary = "join a run on many hosts, over ssh",
    .details = "Runs `onebyte join` on each host and shows one line for each. ssh must reach the hosts "
               "without asking "
               "(keys, known hosts). The token travels over standard input. Ends with exit code 1 when a "
               "host failed; "
               "the same command tries again, and hosts that have joined are left as they are.",
    OB_OPERANDS(OPERANDS),
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .run = launch,
};
