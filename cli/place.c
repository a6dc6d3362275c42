#include "cli/place.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/access.h"
#include "run/last_start.h"

#define SYSTEM_STATE_DIR "/var/lib/onebyte"

static enum ob_err has(const char *folder, const char *name, bool *ret_has, struct ob_error *error) {
    char path[OB_PATH_MAX];
    enum ob_err failed = ob_path_join(path, folder, name, error);
    return failed ? failed : ob_access_exists(path, ret_has, error);
}

/* One that may not be looked into counts: whoever uses it is told so. */
static bool is_state_dir(const char *path) {
    static const char *const NAMES[] = {"log.sqlite", "start", "identity"};
    bool there = false;
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES && !there; i++)
        if (has(path, NAMES[i], &there, NULL) == OB_EREFUSED)
            return true;
    return there;
}

static enum ob_err copy(const char *text, char ret_path[static OB_PATH_MAX], struct ob_error *error) {
    return ob_path_append(ret_path, text, "", error);
}

enum ob_err ob_cli_runs_root(char ret_path[static OB_PATH_MAX], struct ob_error *error) {
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (state && state[0] == '/')
        return ob_path_join(ret_path, state, "onebyte", error);
    if (!home || home[0] != '/')
        return ob_fail(error, OB_EUSAGE, "HOME is not set; give STATE_DIR");
    return ob_path_join(ret_path, home, ".local/state/onebyte", error);
}

typedef void (*see_fn)(void *context, const char *name, const char *path);

/* A root that is not there has no runs; one that may not be listed is an error. */
static enum ob_err each_in(const char *root, see_fn see, void *context, struct ob_error *error) {
    char path[OB_PATH_MAX];
    struct dirent **entries = NULL;
    int count = scandir(root, &entries, NULL, alphasort);
    if (count < 0 && errno != ENOENT && errno != ENOTDIR)
        return ob_access_fail(error, root, "cannot look for runs", errno);
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.' && ob_path_join(path, root, entries[i]->d_name, NULL) == OB_OK &&
            is_state_dir(path))
            see(context, entries[i]->d_name, path);
        free(entries[i]);
    }
    free(entries);
    return OB_OK;
}

enum ob_err ob_cli_each_run(see_fn see, void *context, struct ob_error *error) {
    char root[OB_PATH_MAX];
    enum ob_err failed = ob_cli_runs_root(root, error);
    if (!failed)
        failed = each_in(root, see, context, error);
    if (!failed && access(SYSTEM_STATE_DIR, R_OK | X_OK) == 0) /* else they are not this user's */
        failed = each_in(SYSTEM_STATE_DIR, see, context, error);
    return failed;
}

struct choosing {
    size_t count;
    char path[OB_PATH_MAX]; /* the first */
    char names[256];        /* of all, as far as they fit */
};

static void choose(void *context, const char *name, const char *path) {
    struct choosing *c = context;
    size_t used = strlen(c->names);
    if (c->count++ == 0)
        memcpy(c->path, path, strlen(path) + 1);
    if (used + strlen(name) + 3 < sizeof c->names)
        (void)snprintf(c->names + used, sizeof c->names - used, "%s%.200s", used ? ", " : "", name);
}

static enum ob_err only_one(char ret_path[static OB_PATH_MAX], struct ob_error *error) {
    char root[OB_PATH_MAX];
    struct choosing c = {0};
    enum ob_err failed = ob_cli_runs_root(root, error);
    if (!failed)
        failed = each_in(root, choose, &c, error);
    if (!failed && c.count == 0 && access(SYSTEM_STATE_DIR, R_OK | X_OK) == 0)
        failed = each_in(SYSTEM_STATE_DIR, choose, &c, error);
    if (failed)
        return failed;
    if (c.count > 1)
        return ob_fail(error, OB_EUSAGE, "several runs on this machine (%s); choose one with --run NAME",
                       c.names);
    if (c.count == 1)
        return copy(c.path, ret_path, error);
    if (is_state_dir(SYSTEM_STATE_DIR))
        return copy(SYSTEM_STATE_DIR, ret_path, error);
    return ob_fail(error, OB_EUSAGE,
                   "no run on this machine yet (none in %.200s or " SYSTEM_STATE_DIR
                   "): `onebyte up` creates one, `onebyte join TOKEN` joins one; for one elsewhere, give its "
                   "state directory",
                   root);
}

/* A name as one word for a shell. */
static bool plain(const char *text) {
    return !text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-/+@%:,=~")];
}

const char *ob_cli_hint(const char *state_dir, const char *option, char ret_text[static OB_CLI_HINT_MAX]) {
    char root[OB_PATH_MAX], found[OB_PATH_MAX];
    const struct ob_cli_at nothing = {0};
    struct ob_cli_place place;
    size_t length = ob_cli_runs_root(root, NULL) == OB_OK ? strlen(root) : 0;
    bool in_root = length > 0 && strncmp(state_dir, root, length) == 0 && state_dir[length] == '/' &&
                   !strchr(state_dir + length + 1, '/');
    ret_text[0] = 0;
    if (ob_cli_find(&nothing, OB_NEED_STATE_DIR, &place, NULL) == OB_OK &&
        copy(place.state_dir, found, NULL) == OB_OK && strcmp(found, state_dir) == 0)
        return ret_text;
    if (in_root)
        (void)snprintf(ret_text, OB_CLI_HINT_MAX, " --run %.200s", state_dir + length + 1);
    else if (strlen(state_dir) < OB_CLI_HINT_MAX - 32)
        (void)snprintf(ret_text, OB_CLI_HINT_MAX, plain(state_dir) ? " %s%s" : " %s'%s'", option, state_dir);
    return ret_text;
}

static enum ob_err find_state_dir(const char *given, const char *run, char ret_path[static OB_PATH_MAX],
                                  struct ob_error *error) {
    char root[OB_PATH_MAX];
    const char *state = getenv("ONEBYTE_STATE");
    if (given && run)
        return ob_fail(error, OB_EUSAGE, "give STATE_DIR or --run, not both");
    if (given)
        return copy(given, ret_path, error);
    if (!run)
        return state && state[0] ? copy(state, ret_path, error) : only_one(ret_path, error);
    if (!run[0] || run[0] == '.' || strchr(run, '/'))
        return ob_fail(error, OB_EUSAGE, "--run is \"%s\"; expected a name that `onebyte run list` shows",
                       run);
    enum ob_err failed = ob_cli_runs_root(root, error);
    if (!failed)
        failed = ob_path_join(ret_path, root, run, error);
    if (failed || is_state_dir(ret_path))
        return failed;
    char system[OB_PATH_MAX];
    if (ob_path_join(system, SYSTEM_STATE_DIR, run, NULL) == OB_OK && is_state_dir(system) &&
        access(SYSTEM_STATE_DIR, X_OK) == 0)
        return copy(system, ret_path, error);
    return ob_fail(error, OB_ENOTFOUND,
                   "no run \"%s\" on this machine; `onebyte run list` shows the runs here", run);
}

static enum ob_err find_manifest(const char *state_dir, const char *given, char ret_path[static OB_PATH_MAX],
                                 struct ob_error *error) {
    struct ob_last_start start;
    bool there = false;
    if (given)
        return copy(given, ret_path, error);
    enum ob_err failed = has(state_dir, "run.json", &there, error);
    if (failed)
        return failed;
    if (there)
        return ob_path_join(ret_path, state_dir, "run.json", error);
    if (ob_last_start_read(state_dir, &start, NULL))
        return ob_fail(error, OB_EUSAGE,
                       "%s has no run.json and no daemon has been started there; give --manifest FILE",
                       state_dir);
    return copy(start.manifest, ret_path, error);
}

static enum ob_err find_model(const char *state_dir, const char *given, char ret_path[static OB_PATH_MAX],
                              struct ob_error *error) {
    struct ob_last_start start;
    if (given)
        return copy(given, ret_path, error);
    if (ob_last_start_read(state_dir, &start, NULL))
        return ob_fail(error, OB_EUSAGE,
                       "no daemon has been started in %s, so its base model is unknown; give --model MODEL",
                       state_dir);
    return copy(start.model, ret_path, error);
}

enum ob_err ob_cli_find(const struct ob_cli_at *at, enum ob_cli_need need, struct ob_cli_place *ret_place,
                        struct ob_error *error) {
    ret_place->manifest[0] = ret_place->model[0] = 0;
    enum ob_err failed = find_state_dir(at->state_dir, at->run, ret_place->state_dir, error);
    if (!failed && need >= OB_NEED_MANIFEST)
        failed = find_manifest(ret_place->state_dir, at->manifest, ret_place->manifest, error);
    if (!failed && need >= OB_NEED_MODEL)
        failed = find_model(ret_place->state_dir, at->model, ret_place->model, error);
    return failed;
}
