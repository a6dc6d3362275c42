#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/access.h"
#include "cli/chart.h"
#include "cli/command.h"
#include "cli/guard.h"
#include "cli/place.h"
#include "run/manifest.h"

#define TITLE_MAX 256

struct arguments {
    struct ob_cli_at at;
    const char *out, *title;
};

static const struct ob_operand OPERANDS[] = {OB_OPERAND_STATE_DIR(struct arguments)};
static const struct ob_option OPTIONS[] = {
    OB_OPTION_RUN(struct arguments),
    {"out", "FILE", "what to write: FILE.svg or FILE.png; must not exist", OB_ARGUMENT(struct arguments, out),
     .required = true},
    {"title", "TEXT", "line above the chart; default: the name of the run",
     OB_ARGUMENT(struct arguments, title)},
};

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), tail = strlen(end);
    return length > tail && strcmp(text + length - tail, end) == 0;
}

/* --title, or the run's name. */
static void find_title(const struct arguments *a, char ret_title[static TITLE_MAX]) {
    struct ob_cli_place place;
    struct ob_manifest *manifest = NULL;
    bool known = !a->title && ob_cli_find(&a->at, OB_NEED_MANIFEST, &place, NULL) == OB_OK &&
                 ob_manifest_read(place.manifest, &manifest, NULL) == OB_OK;
    (void)snprintf(ret_title, TITLE_MAX, "%s", known ? manifest->name : a->title ? a->title : "training");
    ob_manifest_free(manifest);
}

static enum ob_err draw_svg(const char *path, const char *title, const struct ob_history *history,
                            struct ob_error *error) {
    struct ob_canvas *canvas = NULL;
    FILE *to = fopen(path, "wx");
    if (!to)
        return ob_access_fail(error, path, "cannot be created", errno);
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", to);
    enum ob_err failed = ob_canvas_svg(to, OB_CHART_WIDTH, OB_CHART_HEIGHT, title, &canvas, error);
    if (!failed) {
        ob_chart_draw(canvas, history, title);
        failed = ob_canvas_end(canvas, error);
    }
    bool bad = ferror(to) != 0;
    bad = fclose(to) != 0 || bad;
    return failed || !bad ? failed : ob_access_fail(error, path, "cannot be written", errno);
}

static enum ob_err draw_png(const char *path, const char *title, const struct ob_history *history,
                            struct ob_error *error) {
    struct ob_canvas *canvas = NULL;
    enum ob_err failed = ob_canvas_png(path, OB_CHART_WIDTH, OB_CHART_HEIGHT, &canvas, error);
    if (failed)
        return failed;
    ob_chart_draw(canvas, history, title);
    return ob_canvas_end(canvas, error);
}

static int work(struct ob_cli_guard *guard, const void *arguments) {
    const struct arguments *a = arguments;
    struct ob_cli_place place;
    struct ob_error error = {0};
    struct ob_history *history = NULL;
    char title[TITLE_MAX];
    bool svg = ends_with(a->out, ".svg");
    if (!svg && !ends_with(a->out, ".png"))
        return ob_cli_fail_usage("--out: the name of the file must end with .svg or .png");
    if (access(a->out, F_OK) == 0) {
        (void)ob_fail(&error, OB_EBUSY, "%s already exists; choose another name or remove it", a->out);
        return ob_cli_fail(&error);
    }
    if (ob_cli_find(&a->at, OB_NEED_STATE_DIR, &place, &error) ||
        ob_history_read(place.state_dir, NULL, &history, &error))
        return ob_cli_fail(&error);
    ob_cli_guard_begin(guard, a->out, false);
    find_title(a, title);
    enum ob_err failed = (svg ? draw_svg : draw_png)(a->out, title, history, &error);
    if (failed) {
        ob_cli_remove_output(a->out, false);
        ob_cli_guard_done(guard);
    } else {
        (void)ob_cli_guard_finish(guard, NULL, a->out);
    }
    ob_history_close(history);
    return failed ? ob_cli_fail(&error) : OB_EXIT_DONE;
}

static int plot(const void *arguments) {
    return ob_cli_guard_run(work, arguments);
}

const struct ob_command OB_COMMAND_PLOT = {
    .name = "plot",
    .summary = "draw a run's curves: losses, machines and samples a second over rounds",
    .details = "Reads the history of any machine of the run, with or without a running daemon. The band is "
               "one standard error of the "
               "held-out loss to either side; the training loss is smoothed over a fiftieth of its points.",
    OB_OPERANDS(OPERANDS),
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .run = plot,
};
