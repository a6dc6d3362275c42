#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "cli/command.h"
#include "cli/place.h"
#include "history/history.h"

struct arguments {
    struct ob_cli_at at;
    bool csv, frontiers, events;
};

#define AT(member) OB_ARGUMENT(struct arguments, member)

static const struct ob_operand OPERANDS[] = {OB_OPERAND_STATE_DIR(struct arguments)};
static const struct ob_option OPTIONS[] = {
    OB_OPTION_RUN(struct arguments),
    {"csv", NULL, "print comma-separated values with a title line (RFC 4180), every number in full", AT(csv)},
    {"frontiers", NULL, "print the named frontiers and their held-out losses instead of the rounds",
     AT(frontiers)},
    {"events", NULL, "print the events instead of the rounds", AT(events)},
};

/* A value of a table: what is not known is empty in CSV, "-" for people. */
static void number(const struct arguments *a, double value, int width, int digits, bool last) {
    if (a->csv && isfinite(value))
        printf("%.9g", value);
    else if (!a->csv && isfinite(value))
        printf("%*.*f", width, digits, value);
    else if (!a->csv)
        printf("%*s", width, "-");
    fputs(last ? "\n" : a->csv ? "," : "  ", stdout);
}

static void title(const struct arguments *a, const char *name, int width, bool last) {
    if (a->csv)
        printf("%s%s", name, last ? "\n" : ",");
    else
        printf("%*s%s", width, name, last ? "\n" : "  ");
}

static const struct {
    const char *title;
    int width, digits;
} ROUND_COLUMNS[] = {
    {"time", 14, 3},     {"round", 9, 0},       {"rounds", 7, 0},      {"seconds", 9, 2},
    {"samples", 9, 0},   {"loss", 9, 4},        {"deviation", 9, 4},   {"lr", 10, 8},
    {"machines", 8, 1},  {"swarm_loss", 10, 4}, {"swarm_rate", 10, 2}, {"curvature", 10, 3},
    {"saturated", 9, 4}, {"abstained", 9, 4},   {"size", 7, 2},
};
#define ROUND_COUNT (sizeof ROUND_COLUMNS / sizeof *ROUND_COLUMNS)

static void print_rounds(const struct arguments *a, const struct ob_history *history) {
    for (size_t i = 0; i < ROUND_COUNT; i++)
        title(a, ROUND_COLUMNS[i].title, ROUND_COLUMNS[i].width, i + 1 == ROUND_COUNT);
    for (size_t r = 0; r < ob_history_row_count(history); r++) {
        const struct ob_history_row *row = ob_history_row_at(history, r);
        double bytes = row->bytes > 0 ? (double)row->bytes : NAN;
        const double values[ROUND_COUNT] = {1e-3 * (double)row->time_ms,
                                            row->round,
                                            row->rounds,
                                            row->seconds,
                                            (double)row->samples,
                                            row->loss,
                                            ob_history_row_deviation(row),
                                            row->lr,
                                            row->machines,
                                            row->swarm_loss,
                                            row->swarm_rate,
                                            row->curvature,
                                            (double)row->saturated / bytes,
                                            (double)row->abstained / bytes,
                                            row->size};
        for (size_t i = 0; i < ROUND_COUNT; i++)
            if (a->csv && i == 0)
                printf("%.3f,", values[0]);
            else
                number(a, values[i], ROUND_COLUMNS[i].width, ROUND_COLUMNS[i].digits, i + 1 == ROUND_COUNT);
    }
}

static const char *const FRONTIER_TITLES[] = {"round", "loss",     "loss_error", "accuracy", "accuracy_error",
                                              "rows",  "machines", "best",       "weights"};

static void print_frontiers(const struct arguments *a, const struct ob_history *history) {
    const struct ob_history_frontier *best = ob_history_best(history);
    for (size_t i = 0; i < 9; i++)
        title(a, FRONTIER_TITLES[i], i == 8 ? 0 : 14, i == 8);
    for (size_t r = 0; r < ob_history_frontier_count(history); r++) {
        const struct ob_history_frontier *f = ob_history_frontier_at(history, r);
        number(a, f->round, 14, 0, false);
        number(a, ob_score_loss(&f->score), 14, 4, false);
        number(a, ob_score_loss_error(&f->score), 14, 4, false);
        number(a, ob_score_accuracy(&f->score), 14, 4, false);
        number(a, ob_score_accuracy_error(&f->score), 14, 4, false);
        number(a, (double)f->score.items, 14, 0, false);
        number(a, f->machines, 14, 0, false);
        number(a, f == best, 14, 0, false);
        for (size_t i = 0; i < (a->csv ? OB_HASH_BYTES : 8u); i++)
            printf("%02x", f->weights.bytes[i]);
        fputc('\n', stdout);
    }
}

/* In quotes, and a quote twice; other control characters become blanks. */
static void quoted(const char *text) {
    putchar('"');
    for (; *text; text++) {
        if (*text == '"')
            putchar('"');
        putchar((unsigned char)*text < ' ' || *text == 0x7f ? ' ' : *text);
    }
    putchar('"');
}

static void print_events(const struct ob_history *history) {
    puts("time,kind,machine,text");
    for (size_t i = 0; i < ob_history_event_count(history); i++) {
        const struct ob_history_event *e = ob_history_event_at(history, i);
        printf("%.3f,", 1e-3 * (double)e->time_ms);
        quoted(e->kind);
        putchar(',');
        quoted(e->machine);
        putchar(',');
        quoted(e->text);
        putchar('\n');
    }
}

static int history(const void *arguments) {
    const struct arguments *a = arguments;
    struct ob_cli_place place;
    struct ob_error error = {0};
    struct ob_history *read = NULL;
    if (a->frontiers && a->events)
        return ob_cli_fail_usage("--frontiers and --events exclude each other");
    if (ob_cli_find(&a->at, OB_NEED_STATE_DIR, &place, &error) ||
        ob_history_read(place.state_dir, NULL, &read, &error))
        return ob_cli_fail(&error);
    if (a->frontiers)
        print_frontiers(a, read);
    else if (a->events)
        print_events(read);
    else
        print_rounds(a, read);
    ob_history_close(read);
    return OB_EXIT_DONE;
}

const struct ob_command OB_COMMAND_HISTORY = {
    .name = "history",
    .summary = "print the history of a run: rounds, frontiers or events",
    .details = "Reads history.sqlite in the state directory; works with and without a running daemon. "
               "docs/files.md explains the "
               "columns. Times are Unix seconds.",
    OB_OPERANDS(OPERANDS),
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .run = history,
};
