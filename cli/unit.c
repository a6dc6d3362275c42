#include "cli/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/access.h"
#include "base/file.h"
#include "cli/guard.h"

#define SYSTEM_FOLDER "/etc/systemd/system"
#define USER_FOLDER   "systemd/user"

static const char TEXT[] = "# Written by onebyte up and join with --systemd; written anew at each start.\n"
                           "[Unit]\n"
                           "Description=onebyte: run %s\n"
                           "Documentation=man:onebyted(8) man:onebyte(1)\n"
                           "%s"
                           "\n"
                           "[Service]\n"
                           "Type=notify\n"
                           "ExecStart=%s --config %s\n"
                           "ExecReload=/bin/kill -HUP $MAINPID\n"
                           "UMask=0077\n"
                           "# At its start it verifies the whole log, which may take minutes.\n"
                           "TimeoutStartSec=infinity\n"
                           "TimeoutStopSec=60\n"
                           "WatchdogSec=5min\n"
                           "Restart=on-failure\n"
                           "RestartSec=5\n"
                           "# 2: what a restart cannot mend. The journal says what to do.\n"
                           "RestartPreventExitStatus=2\n"
                           "NoNewPrivileges=yes\n"
                           "\n"
                           "[Install]\n"
                           "WantedBy=%s\n";
static const char NETWORK[] = "After=network-online.target\nWants=network-online.target\n";

static bool of_system(void) {
    return geteuid() == 0;
}

static const char *run_name(const char *state_dir) {
    const char *slash = strrchr(state_dir, '/');
    return slash && slash[1] ? slash + 1 : "run";
}

void ob_unit_name(const char *state_dir, char ret_name[static OB_UNIT_NAME_MAX]) {
    static const char FIT[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    char name[160];
    (void)snprintf(name, sizeof name, "%s", run_name(state_dir));
    for (char *at = name; *at; at++)
        if (!strchr(FIT, *at))
            *at = '_';
    (void)snprintf(ret_name, OB_UNIT_NAME_MAX, "onebyte-%s.service", name);
}

const char *ob_unit_journal(const char *state_dir, char ret_text[static OB_UNIT_JOURNAL_MAX]) {
    char unit[OB_UNIT_NAME_MAX];
    ob_unit_name(state_dir, unit);
    (void)snprintf(ret_text, OB_UNIT_JOURNAL_MAX, "journalctl %s-u %s", of_system() ? "" : "--user ", unit);
    return ret_text;
}

/* systemd.syntax(7), systemd.service(5): quotes and backslashes are escaped, "%" and "$" doubled. */
enum ob_err ob_unit_quote(const char *path, char ret_word[static 4 * OB_PATH_MAX], struct ob_error *error) {
    size_t used = 0;
    ret_word[used++] = '"';
    for (const char *at = path; *at; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            return ob_fail(error, OB_EUSAGE,
                           "%.200s has a control character, which no unit of systemd can name", path);
        if (*at == '"' || *at == '\\')
            ret_word[used++] = '\\';
        if (*at == '%' || *at == '$')
            ret_word[used++] = *at;
        ret_word[used++] = *at;
        if (used + 4 >= (size_t)4 * OB_PATH_MAX)
            return ob_fail(error, OB_EUSAGE, "%.200s: the path is too long", path);
    }
    ret_word[used++] = '"';
    ret_word[used] = 0;
    return OB_OK;
}

/* Each folder on the way; those that exist stay as they are. */
static enum ob_err make_folders(const char *path, struct ob_error *error) {
    char part[OB_PATH_MAX];
    enum ob_err failed = OB_OK;
    for (const char *slash = strchr(path + 1, '/'); slash && !failed; slash = strchr(slash + 1, '/')) {
        (void)snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        failed = ob_file_make_folder(part, 0755, error);
    }
    return failed ? failed : ob_file_make_folder(path, 0755, error);
}

static enum ob_err folder_of(char ret_folder[static OB_PATH_MAX], struct ob_error *error) {
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    if (of_system())
        return ob_path_append(ret_folder, SYSTEM_FOLDER, "", error);
    if (config && config[0] == '/')
        return ob_path_join(ret_folder, config, USER_FOLDER, error);
    if (!home || home[0] != '/')
        return ob_fail(error, OB_EUSAGE, "$HOME is not set: there is no place for a unit of systemd");
    return ob_path_join(ret_folder, home, ".config/" USER_FOLDER, error);
}

static enum ob_err file_of(const char *state_dir, char ret_path[static OB_PATH_MAX], struct ob_error *error) {
    char folder[OB_PATH_MAX], unit[OB_UNIT_NAME_MAX];
    ob_unit_name(state_dir, unit);
    enum ob_err failed = folder_of(folder, error);
    return failed ? failed : ob_path_join(ret_path, folder, unit, error);
}

static enum ob_err write_file(const char *state_dir, const char *daemon, const char *conf,
                              struct ob_error *error) {
    char folder[OB_PATH_MAX], path[OB_PATH_MAX], fresh[OB_PATH_MAX], unit[OB_UNIT_NAME_MAX];
    char program[4 * OB_PATH_MAX], option[4 * OB_PATH_MAX], text[sizeof TEXT + 9 * OB_PATH_MAX];
    ob_unit_name(state_dir, unit);
    enum ob_err failed = ob_unit_quote(daemon, program, error);
    if (!failed)
        failed = ob_unit_quote(conf, option, error);
    if (!failed)
        failed = folder_of(folder, error);
    if (!failed)
        failed = make_folders(folder, error);
    if (!failed)
        failed = ob_path_join(path, folder, unit, error);
    if (failed)
        return failed;
    int bytes = snprintf(text, sizeof text, TEXT, unit, of_system() ? NETWORK : "", program, option,
                         of_system() ? "multi-user.target" : "default.target");
    if (bytes < 0 || (size_t)bytes >= sizeof text)
        return ob_fail(error, OB_EUSAGE, "%.200s: the path is too long", conf);
    failed = ob_path_append(fresh, path, ".new", error);
    if (failed)
        return failed;
    (void)unlink(fresh); /* of a command that was killed */
    failed = ob_file_write_new(fresh, text, (size_t)bytes, 0644, error);
    if (!failed && rename(fresh, path) != 0)
        failed = ob_access_fail_writing(error, path, "cannot write this unit", errno);
    return failed;
}

/* The exit code; -1: it could not be run. */
static int systemctl(const char *verb, const char *option, const char *unit, bool quiet) {
    const char *argv[8] = {"systemctl"};
    size_t count = 1;
    int status = 0;
    if (!of_system())
        argv[count++] = "--user";
    argv[count++] = "--no-ask-password";
    argv[count++] = verb;
    if (option)
        argv[count++] = option;
    if (unit)
        argv[count++] = unit;
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        ob_cli_guard_leave();
        if (quiet && (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr)))
            _exit(127);
        (void)execvp(argv[0], (char *const *)argv);
        _exit(127);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) != 127 ? WEXITSTATUS(status) : -1;
}

/* The manager need not be there: in a container, or for a user who came by `su`. */
enum ob_err ob_unit_check_manager(struct ob_error *error) {
    if (systemctl("show", "--property=Version", NULL, true) == 0)
        return OB_OK;
    return ob_fail(error, OB_EUSAGE,
                   of_system()
                       ? "systemd does not manage this machine: leave --systemd out, or use --foreground"
                       : "no systemd of this user's answers (try `systemctl --user status`): leave "
                         "--systemd out, or use --foreground");
}

enum ob_err ob_unit_start(const char *state_dir, const char *daemon, const char *conf,
                          struct ob_error *error) {
    char unit[OB_UNIT_NAME_MAX], journal[OB_UNIT_JOURNAL_MAX];
    ob_unit_name(state_dir, unit);
    enum ob_err failed = ob_unit_check_manager(error);
    if (!failed)
        failed = write_file(state_dir, daemon, conf, error);
    if (failed)
        return failed;
    if (systemctl("daemon-reload", NULL, NULL, false) == 0 && systemctl("enable", "--now", unit, true) == 0)
        return OB_OK;
    ob_unit_remove(state_dir);
    return ob_fail(error, OB_EUSAGE, "the service does not start: `%s` says why",
                   ob_unit_journal(state_dir, journal));
}

enum ob_err ob_unit_check(const char *state_dir, struct ob_error *error) {
    char unit[OB_UNIT_NAME_MAX], journal[OB_UNIT_JOURNAL_MAX];
    ob_unit_name(state_dir, unit);
    if (systemctl("is-active", "--quiet", unit, true) == 0)
        return OB_OK;
    return ob_fail(error, OB_EUSAGE, "the service has ended: `%s` says why",
                   ob_unit_journal(state_dir, journal));
}

bool ob_unit_exists(const char *state_dir) {
    char path[OB_PATH_MAX];
    return file_of(state_dir, path, NULL) == OB_OK && access(path, F_OK) == 0;
}

void ob_unit_remove(const char *state_dir) {
    char path[OB_PATH_MAX], unit[OB_UNIT_NAME_MAX];
    ob_unit_name(state_dir, unit);
    (void)systemctl("disable", "--now", unit, true);
    if (file_of(state_dir, path, NULL) == OB_OK)
        (void)unlink(path);
    (void)systemctl("daemon-reload", NULL, NULL, true);
}
