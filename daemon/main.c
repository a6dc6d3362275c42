/* onebyted - the daemon's main: arguments, signals, exit codes. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/options_help.h"
#include "daemon/arguments.h"
#include "daemon/daemon.h"
#include "daemon/open.h"
#include "model/forward/blas.h"
#include "run/last_start.h"

/* -1: go on; else the exit code. */
static int parse(int argc, char **argv, struct ob_daemon_arguments *arguments) {
    struct ob_error error = {0};
    enum ob_options_wanted wanted;
    if (ob_options_parse(&OB_DAEMON_COMMAND, argc, argv, arguments, &wanted, &error)) {
        fprintf(stderr, "onebyted: %s\nRun `onebyted --help` for its options.\n", error.text);
        return 2;
    }
    if (wanted == OB_WANTED_RUN)
        return -1;
    if (wanted == OB_WANTED_HELP)
        ob_options_help("onebyted", &OB_DAEMON_COMMAND, stdout);
    else
        puts("onebyted " OB_VERSION);
    return fflush(stdout) != 0;
}

/* Waits for the signals that mean "leave": an ordinary thread, so that nothing runs inside a handler. */
static void *watch_signals(void *argument) {
    struct ob_daemon *daemon = argument;
    sigset_t set;
    int signal;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR2); /* ours: the daemon is done */
    if (sigwait(&set, &signal) == 0 && signal != SIGUSR2) {
        atomic_store(&daemon->leave_wanted, true);
        ob_transport_wake(daemon->session.transport);
    }
    return NULL;
}

static void block_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* before any thread starts: all inherit it */
    signal(SIGPIPE, SIG_IGN);
}

/* 150 silent connections must not use up the descriptors that the log needs. */
static void raise_descriptors(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Nothing that we start may gain rights that we have not; we start nothing. */
static void drop_privileges(void) {
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static int complain(const struct ob_error *error) {
    fprintf(stderr, "onebyted: %s\n", error->text);
    return error->code == OB_EUSAGE ? 2 : 1;
}

static int run(struct ob_config *config, bool check, struct ob_error *error) {
    struct ob_daemon *daemon = NULL;
    pthread_t signals;
    if (ob_daemon_open(config, &daemon, error))
        return complain(error);
    int code = 0;
    if (!check && ob_last_start_write(config->state_dir, config->manifest, config->model, error))
        fprintf(stderr, "onebyted: %s: `onebyte` commands need --manifest and --model\n", error->text);
    if (!check && pthread_create(&signals, NULL, watch_signals, daemon) == 0) {
        if (ob_daemon_run(daemon, error))
            code = complain(error);
        pthread_kill(signals, SIGUSR2);
        pthread_join(signals, NULL);
        if (daemon->performer.halted)
            code = 1;
    }
    ob_daemon_close(daemon);
    return code;
}

int main(int argc, char **argv) {
    struct ob_daemon_arguments arguments = {0};
    struct ob_error error = {0};
    struct ob_config *config = NULL;
    int code = parse(argc, argv, &arguments);
    if (code >= 0)
        return code;
    if (ob_config_read(arguments.config, arguments.overrides.values, arguments.overrides.count, &config,
                       &error))
        return complain(&error);
    if (ob_blas_fix_core(argv, config->blas_core, &error))
        return complain(&error);
    block_signals();
    raise_descriptors();
    drop_privileges();
    ob_blas_set_threads(1); /* our own pool spreads the products: nothing spins against anything */
    code = run(config, arguments.check, &error);
    ob_config_free(config);
    return code;
}
