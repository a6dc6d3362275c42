#include "cli/place.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run/last_start.h"

#define SYSTEM_STATE_DIR "/var/lib/onebyte"

static bool has(const char *folder, const char *name) {
    char path[OB_PATH_MAX];
    return ob_path_join(path, folder, name, NULL) == OB_OK && access(path, F_OK) == 0;
}

static bool is_state_dir(const char *path) {
    return has(path, "log.sqlite") || has(path, "start") || has(path, "identity");
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

enum ob_err ob_cli_each_run(void (*see)(void *context, const char *name, const char *path), void *context,
                            struct ob_error *error) {
    char root[OB_PATH_MAX], path[OB_PATH_MAX];
    struct dirent **entries = NULL;
    enum ob_err failed = ob_cli_runs_root(root, error);
    if (failed)
        return failed;
    int count = scandir(root, &entries, NULL, alphasort); /* -1: there is no such folder */
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.' && ob_path_join(path, root, entries[i]->d_name, NULL) == OB_OK &&
            is_state_dir(path))
            see(context, entries[i]->d_name, path);
        free(entries[i]);
    }
    free(entries);
    return OB_OK;
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
    (void)snprintf(c->names + used, sizeof c->names - used, "%s%s", used ? ", " : "", name);
}

static enum ob_err only_one(char ret_path[static OB_PATH_MAX], struct ob_error *error) {
    char root[OB_PATH_MAX];
    struct choosing c = {0};
    enum ob_err failed = ob_cli_each_run(choose, &c, error);
    if (!failed)
        failed = ob_cli_runs_root(root, error);
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
                   "no state directory in %.200s or at " SYSTEM_STATE_DIR
                   "; give STATE_DIR, or set ONEBYTE_STATE",
                   root);
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
    if (!failed && !is_state_dir(ret_path))
        failed = ob_fail(error, OB_ENOTFOUND,
                         "%s is not a state directory; `onebyte run list` shows the runs here", ret_path);
    return failed;
}

static enum ob_err find_manifest(const char *state_dir, const char *given, char ret_path[static OB_PATH_MAX],
                                 struct ob_error *error) {
    struct ob_last_start start;
    if (given)
        return copy(given, ret_path, error);
    if (has(state_dir, "run.json"))
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
