#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "cli/command.h"
#include "cli/place.h"
#include "history/csv.h"

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

/* A value of a table for people; what is not known is "-". */
static void number(double value, int width, int digits, bool last) {
    if (isfinite(value))
        printf("%*.*f", width, digits, value);
    else
        printf("%*s", width, "-");
    fputs(last ? "\n" : "  ", stdout);
}

/* As OB_HISTORY_TITLES. */
static const struct {
    int width, digits;
} ROUND_COLUMNS[OB_HISTORY_COLUMNS] = {{14, 3}, {9, 0},  {7, 0}, {9, 2},  {9, 0},  {9, 4},
                                       {9, 4},  {10, 8}, {8, 1}, {10, 4}, {10, 2}, {10, 3},
                                       {9, 4},  {9, 4},  {7, 2}, {6, 3},  {10, 1}, {13, 1}};

static void print_rounds(const struct ob_history *history) {
    for (size_t i = 0; i < OB_HISTORY_COLUMNS; i++)
        printf("%*s%s", ROUND_COLUMNS[i].width, OB_HISTORY_TITLES[i],
               i + 1 == OB_HISTORY_COLUMNS ? "\n" : "  ");
    for (size_t r = 0; r < ob_history_row_count(history); r++) {
        double values[OB_HISTORY_COLUMNS];
        ob_history_values(ob_history_row_at(history, r), values);
        for (size_t i = 0; i < OB_HISTORY_COLUMNS; i++)
            number(values[i], ROUND_COLUMNS[i].width, ROUND_COLUMNS[i].digits, i + 1 == OB_HISTORY_COLUMNS);
    }
}

static const char *const FRONTIER_TITLES[] = {"round", "loss",     "loss_error", "accuracy", "accuracy_error",
                                              "rows",  "machines", "best",       "weights"};

static void print_frontiers(const struct ob_history *history) {
    const struct ob_history_frontier *best = ob_history_best(history);
    for (size_t i = 0; i < 9; i++)
        printf("%*s%s", i == 8 ? 0 : 14, FRONTIER_TITLES[i], i == 8 ? "\n" : "  ");
    for (size_t r = 0; r < ob_history_frontier_count(history); r++) {
        const struct ob_history_frontier *f = ob_history_frontier_at(history, r);
        number(f->round, 14, 0, false);
        number(ob_score_loss(&f->score), 14, 4, false);
        number(ob_score_loss_error(&f->score), 14, 4, false);
        number(ob_score_accuracy(&f->score), 14, 4, false);
        number(ob_score_accuracy_error(&f->score), 14, 4, false);
        number((double)f->score.items, 14, 0, false);
        number(f->machines, 14, 0, false);
        number(f == best, 14, 0, false);
        for (size_t i = 0; i < 8; i++)
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

static void print_events_csv(const struct ob_history *history) {
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

/* A column of text from anywhere: no control characters. */
static void plain(const char *text, int width) {
    int used = 0;
    for (; *text; text++, used++)
        putchar((unsigned char)*text < ' ' || *text == 0x7f ? ' ' : *text);
    printf("%*s", used < width ? width - used : 0, "");
}

static void print_events(const struct ob_history *history) {
    printf("%14s  %-14s  %-18s  %s\n", "time", "kind", "machine", "text");
    for (size_t i = 0; i < ob_history_event_count(history); i++) {
        const struct ob_history_event *e = ob_history_event_at(history, i);
        printf("%14.3f  ", 1e-3 * (double)e->time_ms);
        plain(e->kind, 14);
        fputs("  ", stdout);
        plain(e->machine[0] ? e->machine : "-", 18);
        fputs("  ", stdout);
        plain(e->text, 0);
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
    if (a->events)
        (a->csv ? print_events_csv : print_events)(read);
    else if (a->csv)
        (a->frontiers ? ob_history_frontiers_csv : ob_history_csv)(read, stdout);
    else
        (a->frontiers ? print_frontiers : print_rounds)(read);
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
