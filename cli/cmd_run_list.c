#include <stdio.h>

#include "cli/ask.h"
#include "cli/command.h"
#include "model/formats/json_value.h"
#include "run/manifest.h"

struct arguments {
    bool json;
};

static const struct ob_option OPTIONS[] = {OB_OPTION_JSON(struct arguments)};

struct listing {
    json_t *runs; /* with --json */
    size_t count;
};

/* The run's name and what its daemon does now, "" and "not running" when it does not say. */
static void see_run(void *context, const char *name, const char *path) {
    struct listing *listing = context;
    struct ob_cli_place place;
    struct ob_manifest *manifest = NULL;
    json_t *status = NULL;
    const struct ob_cli_at at = {.state_dir = path};
    bool known = ob_cli_find(&at, OB_NEED_MANIFEST, &place, NULL) == OB_OK &&
                 ob_manifest_read(place.manifest, &manifest, NULL) == OB_OK;
    const char *run = known ? manifest->name : "";
    const char *life = "not running";
    json_int_t round = 0;
    if (ob_cli_ask_command(path, "status", &status, NULL) == OB_OK) {
        life = json_string_value(json_object_get(status, "life"));
        round = json_integer_value(json_object_get(status, "round"));
    }
    if (listing->runs)
        json_array_append_new(listing->runs,
                              json_pack("{s:o, s:o, s:o, s:o, s:I}", "name", ob_json_text(name), "state_dir",
                                        ob_json_text(path), "run", ob_json_text(run), "life",
                                        ob_json_text(life), "round", round));
    else
        printf("%-20s %-20s %-12s %s\n", name, run, life ? life : "-", path);
    listing->count++;
    json_decref(status);
    ob_manifest_free(manifest);
}

static int list(const void *arguments) {
    const struct arguments *a = arguments;
    char root[OB_PATH_MAX];
    struct ob_error error = {0};
    struct listing listing = {.runs = a->json ? json_array() : NULL};
    enum ob_err failed = ob_cli_runs_root(root, &error);
    if (!failed)
        failed = ob_cli_each_run(see_run, &listing, &error);
    if (!failed && a->json && ob_cli_print_json(json_incref(listing.runs), true) != OB_EXIT_DONE)
        failed = ob_fail(&error, OB_ENOMEM, "run list: out of memory");
    json_decref(listing.runs);
    if (failed)
        return ob_cli_fail(&error);
    if (!a->json && listing.count == 0)
        fprintf(stderr, "no runs in %s\n", root);
    return OB_EXIT_DONE;
}

const struct ob_command OB_COMMAND_RUN_LIST = {
    .name = "run list",
    .summary = "list the runs of this machine and what their daemons are doing",
    .details = "Lists the state directories in $XDG_STATE_HOME/onebyte, by default ~/.local/state/onebyte: "
               "their name for --run, the run's name, the state of the daemon, and the path.",
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .run = list,
};
