#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/command.h"
#include "cli/status_screen.h"

struct arguments {
    struct ob_cli_at at;
    bool json, watch, all, check;
};

static const struct ob_operand OPERANDS[] = {OB_OPERAND_STATE_DIR(struct arguments)};
static const struct ob_option OPTIONS[] = {
    OB_OPTION_RUN(struct arguments),
    OB_OPTION_JSON(struct arguments),
    {"all", NULL, "print every field on a line of its own: path and value",
     OB_ARGUMENT(struct arguments, all)},
    {"check", NULL,
     "print one line for a monitoring system; the exit code is 0 (good), 1 "
     "(warning), 2 (critical) or 3 (no answer)",
     OB_ARGUMENT(struct arguments, check)},
    {"watch", NULL, "print the status every second until the daemon exits",
     OB_ARGUMENT(struct arguments, watch)},
};

/* "work.threads: 2", depth first: a field that a daemon has and we do not know
 * is printed too. */
static void print_all(const json_t *value, const char *path) {
    char longer[256];
    size_t i;
    const char *key;
    json_t *child;
    if (json_is_object(value)) {
        json_object_foreach((json_t *)value, key, child) {
            (void)snprintf(longer, sizeof longer, "%s%s%s", path, path[0] ? "." : "", key);
            print_all(child, longer);
        }
    } else if (json_is_array(value)) {
        json_array_foreach(value, i, child) {
            (void)snprintf(longer, sizeof longer, "%s[%zu]", path, i);
            print_all(child, longer);
        }
    } else {
        printf("%s: ", path);
        json_dumpf(value, stdout, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
        putchar('\n');
    }
}

/* What else an operator looks for; returns the lines that it took. */
static int print_numbers(const struct ob_terminal *terminal, const json_t *s) {
    bool known = *ob_status_text(s, "weights_digest") != 0,
         current = json_is_true(json_object_get(s, "weights_digest_current"));
    const char *more = terminal->utf8 ? "…" : "...";
    char text[512];
    (void)snprintf(text, sizeof text, "%.16s%s, machine %.16s%s, up %.0f s", ob_status_text(s, "run"), more,
                   ob_status_text(s, "machine"), more, ob_status_number(s, "uptime_s"));
    int lines = ob_status_line(terminal, stdout, "run", text);
    (void)snprintf(text, sizeof text,
                   "%.0f records, %.0f samples, %.0f bytes; digest %.16s%s, weights %.16s%s%s",
                   ob_status_number(s, "log.records"), ob_status_number(s, "log.samples"),
                   ob_status_number(s, "log.file_bytes"), ob_status_text(s, "log_digest"), more,
                   known ? ob_status_text(s, "weights_digest") : "not computed yet", known ? more : "",
                   known && !current ? " (before the latest records)" : "");
    lines += ob_status_line(terminal, stdout, "log", text);
    (void)snprintf(
        text, sizeof text,
        "%.4f s a sample, replay %.6f s (ratio %.4f); %.2f bytes on the wire a sample; %s, %s, peak %.0f MB",
        ob_status_number(s, "work.sample_seconds"), ob_status_number(s, "work.replay_seconds"),
        ob_status_number(s, "work.replay_ratio"), ob_status_number(s, "traffic.wire_bytes_per_sample"),
        ob_status_text(s, "work.blas_core"), ob_status_text(s, "work.kernels"),
        ob_status_number(s, "work.peak_memory_bytes") / 1e6);
    lines += ob_status_line(terminal, stdout, "speed", text);
    putchar('\n');
    return lines + 1;
}

static void print_fetching(const struct ob_terminal *terminal, const json_t *s) {
    char text[256];
    const char *what = ob_status_text(s, "fetching.what");
    double bytes = ob_status_number(s, "fetching.bytes"), of = ob_status_number(s, "fetching.of");
    if (*what == 0)
        return;
    if (of > 0)
        (void)snprintf(text, sizeof text, "%.100s: %.1f of %.1f MB (%.0f %%)", what, bytes / 1e6, of / 1e6,
                       100 * bytes / of);
    else
        (void)snprintf(text, sizeof text, "%.100s", what);
    (void)ob_status_line(terminal, stdout, "fetch", text);
}

static void print_status(const json_t *s) {
    struct ob_terminal terminal = ob_terminal_of(stdout);
    int rows = terminal.rows > 12 ? terminal.rows - 1 : 0; /* the prompt */
    int head = ob_status_head(&terminal, stdout, s, rows > 0 ? rows / 2 : 0);
    print_fetching(&terminal, s);
    if (!json_is_array(json_object_get(s, "machines")))
        return; /* it is still fetching */
    head += print_numbers(&terminal, s);
    ob_status_machines(&terminal, stdout, s, OB_COLUMN_NAME, false, rows > head ? rows - head : 0);
}

/* ---- for monitoring systems ---- */

/* Exit codes and the form of the line: Monitoring Plugins Development
 * Guidelines. */
enum { GOOD, WARNING, CRITICAL, UNKNOWN };
static const char *const LEVELS[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};

static void print_value(const char *name, double value, const char *unit) {
    if (isfinite(value))
        printf(" %s=%.9g%s", name, value, unit);
}

/* A bar begins the values: in a text it is replaced. */
static void print_plain(const char *text) {
    for (; *text; text++)
        putchar(*text == '|' || (unsigned char)*text < ' ' ? '/' : *text);
}

/* Such systems show the first line of standard output; most of them throw standard error away. */
static int check_failed(const struct ob_error *error) {
    printf("ONEBYTE %s - ", LEVELS[UNKNOWN]);
    print_plain(error->text);
    putchar('\n');
    return UNKNOWN;
}

static int check(const char *state_dir) {
    struct ob_error error = {0};
    json_t *s = NULL;
    if (ob_cli_ask_command(state_dir, "status", &s, &error))
        return check_failed(&error);
    const json_t *problems = json_object_get(s, "problems");
    int level = GOOD;
    for (size_t i = 0; i < json_array_size(problems); i++) {
        bool critical = strcmp(ob_status_text(json_array_get(problems, i), "level"), "critical") == 0;
        level = critical ? CRITICAL : level > WARNING ? level : WARNING;
    }
    printf("ONEBYTE %s - %s, %s", LEVELS[level], ob_status_text(s, "life"),
           ob_status_text(s, "health.verdict"));
    for (size_t i = 0; i < json_array_size(problems); i++) {
        fputs("; ", stdout);
        print_plain(ob_status_text(json_array_get(problems, i), "text"));
    }
    fputs(" |", stdout);
    print_value("round", ob_status_number(s, "round"), "c");
    print_value("machines", ob_status_number(s, "live"), "");
    print_value("samples_per_s", ob_status_number(s, "swarm.samples_per_s"), "");
    print_value("loss", ob_status_number(s, "progress.mean_loss"), "");
    print_value("held_out_loss", ob_status_number(s, "held_out.loss"), "");
    print_value("since_round", ob_status_number(s, "progress.since_round_s"), "s");
    putchar('\n');
    json_decref(s);
    return level;
}

/* ---- the command ---- */

static int show(const struct arguments *a, const char *state_dir, bool clear) {
    struct ob_error error = {0};
    json_t *answer = NULL;
    if (ob_cli_ask_command(state_dir, "status", &answer, &error))
        return ob_cli_fail(&error);
    if (clear)
        fputs("\033[H\033[2J", stdout);
    if (a->json)
        (void)ob_cli_print_json(json_incref(answer), true);
    else if (a->all)
        print_all(answer, "");
    else
        print_status(answer);
    json_decref(answer);
    return fflush(stdout) == 0 && !ferror(stdout) ? OB_EXIT_DONE : OB_EXIT_FAILED;
}

static int status(const void *arguments) {
    const struct arguments *a = arguments;
    bool clear = a->watch && !a->json && isatty(STDOUT_FILENO);
    struct ob_cli_place place;
    struct ob_error error = {0};
    if (ob_cli_find(&a->at, OB_NEED_STATE_DIR, &place, &error))
        return a->check ? check_failed(&error) : ob_cli_fail(&error);
    if (a->check)
        return check(place.state_dir);
    int code = show(a, place.state_dir, clear);
    while (code == OB_EXIT_DONE && a->watch) {
        sleep(1);
        if (!a->json && !clear)
            putchar('\n');
        code = show(a, place.state_dir, clear);
    }
    return code;
}

const struct ob_command OB_COMMAND_STATUS = {
    .name = "status",
    .summary = "show how a run is and what each machine does",
    .details = "The first lines say how far the run is, whether it learns and "
               "how many machines train; then come problems with their "
               "remedies, and the machines. docs/health.md explains the words, "
               "docs/files.md every field of --json. The exit code is 1 "
               "if no daemon answers. Colours follow NO_COLOR and the "
               "terminal, widths COLUMNS.",
    OB_OPERANDS(OPERANDS),
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .run = status,
};
