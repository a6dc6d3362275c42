/* onebyted - the daemon's main: arguments, signals, exit codes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/options_help.h"
#include "daemon/arguments.h"
#include "daemon/check.h"
#include "daemon/daemon.h"
#include "daemon/open.h"
#include "daemon/signals.h"
#include "model/forward/blas.h"
#include "run/last_start.h"

#define CLOSE_MS 300 /* until the compute thread has ended, or is left to the end of the process */

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

/* 150 silent connections must not use up the descriptors that the log needs. */
static void raise_descriptors(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Neither we nor what we start (the test of BLAS) may gain rights that we have not. */
static void refuse_new_privileges(void) {
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* 2 is what a restart cannot mend, so that nobody starts it again and again: while opening, most of what is wrong with a
 * file; later, only what is wrong with our certificate. */
static int complain(const struct ob_error *error, bool opening) {
    bool lasting = error->code == OB_EUSAGE || error->code == OB_EREFUSED || error->code == OB_ETIMEOUT;
    bool of_files = error->code == OB_ENOTFOUND || error->code == OB_EFORMAT ||
                    error->code == OB_EUNSUPPORTED || error->code == OB_ETOOBIG ||
                    error->code == OB_EMISMATCH;
    fprintf(stderr, "onebyted: %s\n", error->text);
    return lasting || (opening && of_files) ? 2 : 1;
}

static void leave(void *context) {
    ob_daemon_ask_to_leave(context);
}

static void reload(void *context) {
    ob_daemon_ask_to_reload(context);
}

static int run(const struct ob_daemon_source *source, struct ob_config *config, struct ob_signals *signals,
               struct ob_error *error) {
    struct ob_daemon *daemon = NULL;
    if (ob_daemon_open(source, config, &daemon, error))
        return complain(error, true);
    if (ob_last_start_write(config->state_dir, config->manifest, config->model, error))
        fprintf(stderr, "onebyted: %s: `onebyte` commands need --manifest and --model\n", error->text);
    struct ob_signals_asked asked = {leave, reload, daemon, &daemon->logger};
    ob_signals_ask(signals, &asked);
    int code = ob_daemon_run(daemon, error) ? complain(error, false) : daemon->performer.halted;
    ob_signals_ask_nobody(signals);
    if (!ob_daemon_close_within(daemon, CLOSE_MS))
        _exit(code); /* a long sample or a replay is still computed; nobody wants it any more */
    return code;
}

static int check(const struct ob_config *config, struct ob_error *error) {
    if (ob_daemon_check(config, stderr, error))
        return complain(error, true);
    if (puts("ok") >= 0 && fflush(stdout) == 0)
        return 0;
    (void)ob_fail(error, OB_EIO, "standard output: %s", strerror(errno));
    return complain(error, false);
}

static int start(char **argv, const struct ob_daemon_arguments *arguments, struct ob_signals *signals,
                 struct ob_error *error) {
    struct ob_daemon_source source = {arguments->config, arguments->overrides.values,
                                      arguments->overrides.count};
    struct ob_config *config = NULL;
    if (ob_config_read(source.path, source.overrides, source.override_count, &config, error))
        return complain(error, true);
    int code = 0;
    if (ob_blas_fix_core(argv, config->blas_core, error)) {
        code = complain(error, true);
    } else {
        ob_blas_set_threads(1); /* our own pool spreads the products: nothing spins against anything */
        code = arguments->check ? check(config, error) : run(&source, config, signals, error);
    }
    ob_config_free(config);
    return code;
}

int main(int argc, char **argv) {
    struct ob_daemon_arguments arguments = {0};
    struct ob_error error = {0};
    struct ob_signals signals;
    int code = parse(argc, argv, &arguments);
    if (code >= 0)
        return code;
    raise_descriptors();
    refuse_new_privileges();
    if (ob_signals_start(&signals, &error))
        return complain(&error, true);
    code = start(argv, &arguments, &signals, &error);
    ob_signals_stop(&signals);
    return code;
}
