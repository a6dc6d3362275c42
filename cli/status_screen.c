#include "cli/status_screen.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"

#define LINE_MAX_BYTES 512
#define LABEL_COLUMNS  7
#define SPARK_PARTS    32

/* ---- reading ---- */

const json_t *ob_status_at(const json_t *root, const char *path) {
    char name[64];
    for (const char *dot; root && (dot = strchr(path, '.')); path = dot + 1) {
        (void)snprintf(name, sizeof name, "%.*s", (int)(dot - path), path);
        root = json_object_get(root, name);
    }
    return json_object_get(root, path);
}

const char *ob_status_text(const json_t *root, const char *path) {
    const char *text = json_string_value(ob_status_at(root, path));
    return text ? text : "";
}

double ob_status_number(const json_t *root, const char *path) {
    const json_t *value = ob_status_at(root, path);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static bool is_true(const json_t *root, const char *path) {
    return json_is_true(ob_status_at(root, path));
}

/* ---- lines ---- */

struct line {
    char text[LINE_MAX_BYTES];
    size_t used;
};

static void add(struct line *line, const char *format, ...) OB_PRINTF(2, 3);
static void add(struct line *line, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line->text + line->used, sizeof line->text - line->used, format, arguments);
    va_end(arguments);
    size_t room = sizeof line->text - 1 - line->used;
    line->used += length < 0 ? 0 : (size_t)length < room ? (size_t)length : room;
}

static const char *dot(const struct ob_terminal *t) {
    return t->utf8 ? " · " : " - ";
}

static enum ob_colour colour_of_life(const char *life) {
    static const char *const GOOD[] = {"training", "finished"};
    static const char *const BAD[] = {"halted", "disk-full", "isolated", "disagrees",
                                      "forked", "revoked",   "expired"};
    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++)
        if (strcmp(life, GOOD[i]) == 0)
            return OB_GREEN;
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        if (strcmp(life, BAD[i]) == 0)
            return OB_RED;
    return strcmp(life, "left") == 0 ? OB_DIM : OB_YELLOW;
}

static enum ob_colour colour_of_verdict(const char *verdict) {
    if (strcmp(verdict, "learning") == 0 || strcmp(verdict, "finished") == 0)
        return OB_GREEN;
    if (strcmp(verdict, "diverging") == 0 || strcmp(verdict, "split") == 0)
        return OB_RED;
    return strcmp(verdict, "saturated") == 0 || strcmp(verdict, "starved") == 0 ? OB_YELLOW : OB_PLAIN;
}

/* The end of a line, at the right edge where there is one. */
static void print_right(const struct ob_terminal *t, FILE *to, const char *text, int used) {
    int width = ob_terminal_width(text);
    if (t->columns > 0 && used + 2 + width > t->columns)
        return; /* no room for it */
    fprintf(to, "%*s", t->columns > 0 ? t->columns - used - width : 3, "");
    (void)ob_terminal_print(t, to, text, -1, OB_PLAIN);
}

static void progress_text(const json_t *s, struct line *line) {
    double round = ob_status_number(s, "round"), all = ob_status_number(s, "max_rounds");
    double left = ob_status_number(s, "progress.seconds_left");
    char duration[OB_DURATION_MAX], when[32] = "";
    add(line, "round %.0f of %.0f (%.0f %%)", round, all, all > 0 ? 100 * round / all : 0);
    if (!(left > 0) || strcmp(ob_status_text(s, "life"), "training") != 0)
        return;
    time_t end = time(NULL) + (time_t)(left < 1e9 ? left : 0);
    struct tm parts;
    if (left < 7 * 86400.0 && localtime_r(&end, &parts))
        (void)strftime(when, sizeof when, " (%a %H:%M)", &parts);
    add(line, ", %s left%s", ob_duration_text(left, duration), when);
}

static void print_run(const struct ob_terminal *t, FILE *to, const json_t *s) {
    struct line right = {0};
    const char *life = ob_status_text(s, "life"), *verdict = ob_status_text(s, "health.verdict");
    int used = ob_terminal_print(t, to, ob_status_text(s, "name"), 40, OB_BOLD);
    used += ob_terminal_print(t, to, dot(t), -1, OB_PLAIN);
    used += ob_terminal_print(t, to, life, -1, colour_of_life(life));
    if (*verdict && strcmp(verdict, life) != 0) {
        used += ob_terminal_print(t, to, dot(t), -1, OB_PLAIN);
        used += ob_terminal_print(t, to, verdict, -1, colour_of_verdict(verdict));
    }
    progress_text(s, &right);
    print_right(t, to, right.text, used);
    fputc('\n', to);
}

static void print_loss(const struct ob_terminal *t, FILE *to, const json_t *s) {
    struct line line = {0};
    double from = ob_status_number(s, "health.loss_from"), last = ob_status_number(s, "health.loss_to");
    double start = ob_status_number(s, "progress.start_loss"),
           held_out = ob_status_number(s, "held_out.loss");
    double error = ob_status_number(s, "held_out.loss_error"),
           accuracy = ob_status_number(s, "held_out.accuracy");
    double rounds = ob_status_number(s, "round") - ob_status_number(s, "health.loss_round");
    if (isnan(last))
        add(&line, "none yet");
    else
        add(&line, "%.3f %s %.3f in the last %.0f rounds (start %.3f)", from, t->utf8 ? "→" : "->", last,
            rounds, start);
    if (!isnan(held_out)) {
        add(&line, "%sheld out %.3f", dot(t), held_out);
        if (!isnan(error))
            add(&line, " %s %.3f", t->utf8 ? "±" : "+-", error);
        if (!isnan(accuracy))
            add(&line, ", %.1f %% right", 100 * accuracy);
        add(&line, " at round %.0f", ob_status_number(s, "held_out.round"));
    }
    ob_terminal_column(t, to, "loss", LABEL_COLUMNS, false, OB_DIM);
    int used = LABEL_COLUMNS + ob_terminal_print(t, to, line.text,
                                                 t->columns > 0 ? t->columns - LABEL_COLUMNS : -1, OB_PLAIN);
    double curve[SPARK_PARTS];
    char spark[OB_SPARKLINE_MAX];
    const json_t *values = json_object_get(s, "curve");
    size_t count = json_array_size(values) < SPARK_PARTS ? json_array_size(values) : SPARK_PARTS, known = 0;
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(values, i);
        curve[i] = json_is_number(value) ? json_number_value(value) : NAN;
        known += isnan(curve[i]) ? 0 : 1;
    }
    if (known > 1)
        print_right(t, to, ob_terminal_sparkline(t, curve, count, spark), used);
    fputc('\n', to);
}

static size_t count_machines(const json_t *s, const char *field) {
    const json_t *machines = json_object_get(s, "machines");
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(machines); i++)
        count += is_true(json_array_get(machines, i), field);
    return count;
}

static void print_swarm(const struct ob_terminal *t, FILE *to, const json_t *s) {
    struct line line = {0};
    size_t machines = json_array_size(json_object_get(s, "machines")), left = count_machines(s, "left");
    double rate = ob_status_number(s, "swarm.samples_per_s"),
           named = ob_status_number(s, "integrity.named_round");
    add(&line, "%zu of %zu training", count_machines(s, "training"), machines - left);
    if (rate > 0)
        add(&line, "%s%.3g samples/s", dot(t), rate);
    size_t equal = count_machines(s, "agrees"); /* with ours */
    if (named > 0 && equal > 1)
        add(&line, "%sweights equal at round %.0f on %zu machines", dot(t), named, equal);
    ob_terminal_column(t, to, "swarm", LABEL_COLUMNS, false, OB_DIM);
    (void)ob_terminal_print(t, to, line.text, t->columns > 0 ? t->columns - LABEL_COLUMNS : -1, OB_PLAIN);
    fputc('\n', to);
}

/* Broken between words into lines of `room` columns (negative: one line), each behind the label's column. Returns how many
 * lines came to the first. */
static int print_wrapped(const struct ob_terminal *t, FILE *to, const char *text, int room,
                         enum ob_colour colour) {
    int used = 0, more = 0;
    for (const char *end; *text; text = end + (*end == ' ')) {
        char word[OB_ERROR_TEXT_MAX];
        end = strchrnul(text, ' ');
        (void)snprintf(word, sizeof word, "%.*s", (int)(end - text), text);
        int width = ob_terminal_width(word);
        if (room > 0 && used > 0 && used + 1 + width > room) {
            fprintf(to, "\n%*s", LABEL_COLUMNS, "");
            used = 0;
            more++;
        }
        if (used > 0)
            fputc(' ', to);
        used += (used > 0) + ob_terminal_print(t, to, word, room, colour);
    }
    return more;
}

/* One problem a line, its remedy behind it or on a line of its own. */
static int print_problem(const struct ob_terminal *t, FILE *to, const json_t *problem) {
    bool critical = strcmp(ob_status_text(problem, "level"), "critical") == 0;
    const char *text = ob_status_text(problem, "text"), *remedy = ob_status_text(problem, "remedy");
    enum ob_colour colour = critical ? OB_RED : OB_YELLOW;
    int room = t->columns > 0 ? t->columns - LABEL_COLUMNS : -1;
    int both = ob_terminal_width(text) + 2 + ob_terminal_width(remedy);
    ob_terminal_column(t, to, critical ? "!!" : "!", LABEL_COLUMNS, false, colour);
    int more = print_wrapped(t, to, text, room, colour);
    if (!*remedy) {
        fputc('\n', to);
        return 1 + more;
    }
    if (room < 0 || both <= room) {
        fputs("; ", to);
        (void)ob_terminal_print(t, to, remedy, -1, OB_PLAIN);
        fputc('\n', to);
        return 1;
    }
    fprintf(to, "\n%*s", LABEL_COLUMNS, "");
    (void)ob_terminal_print(t, to, remedy, -1, OB_DIM);
    fputc('\n', to);
    return 2 + more;
}

int ob_status_line(const struct ob_terminal *t, FILE *to, const char *label, const char *text) {
    ob_terminal_column(t, to, label, LABEL_COLUMNS, false, OB_DIM);
    int more = print_wrapped(t, to, text, t->columns > 0 ? t->columns - LABEL_COLUMNS : -1, OB_PLAIN);
    fputc('\n', to);
    return 1 + more;
}

int ob_status_head(const struct ob_terminal *t, FILE *to, const json_t *s, int lines) {
    const json_t *problems = json_object_get(s, "problems");
    size_t count = json_array_size(problems), i = 0;
    int printed = 3;
    print_run(t, to, s);
    print_loss(t, to, s);
    print_swarm(t, to, s);
    for (; i < count && (lines == 0 || printed < lines - 1); i++)
        printed += print_problem(t, to, json_array_get(problems, i));
    if (i < count) {
        fprintf(to, "%*sand %zu more problems (--all)\n", LABEL_COLUMNS, "", count - i);
        printed++;
    }
    return printed;
}

/* ---- the table ---- */

static const struct {
    const char *title, *path;
    int columns;
    bool right;
} COLUMNS[OB_COLUMN_COUNT] = {
    [OB_COLUMN_NAME] = {"machine", "name", 18, false},
    [OB_COLUMN_ROUND] = {"round", "round", 9, true},
    [OB_COLUMN_BEHIND] = {"behind", "behind", 6, true},
    [OB_COLUMN_RATE] = {"samples/s", "samples_per_s", 9, true},
    [OB_COLUMN_SHARE] = {"share", "share", 6, true},
    [OB_COLUMN_LOSS] = {"loss", "loss", 8, true},
    [OB_COLUMN_LAST] = {"last record", "last_record_s", 11, true},
    [OB_COLUMN_LINK] = {"link", "linked", 4, false},
    [OB_COLUMN_STATE] = {"state", "state", 11, false}, /* "unreachable" */
};

#define GAP_COLUMNS 2

/* Columns of the terminal that each column of the table gets; 0: there is no room for it. */
struct layout {
    int columns[OB_COLUMN_COUNT];
};

/* A narrow terminal loses the columns that say least, then the ends of names. */
static struct layout layout_for(const struct ob_terminal *t) {
    static const enum ob_machine_column DROPPED[] = {OB_COLUMN_SHARE, OB_COLUMN_LOSS, OB_COLUMN_LAST,
                                                     OB_COLUMN_LINK,  OB_COLUMN_RATE, OB_COLUMN_ROUND,
                                                     OB_COLUMN_BEHIND};
    struct layout layout;
    int used = -GAP_COLUMNS;
    for (int i = 0; i < OB_COLUMN_COUNT; i++) {
        layout.columns[i] = COLUMNS[i].columns;
        used += COLUMNS[i].columns + GAP_COLUMNS;
    }
    for (size_t i = 0; i < sizeof DROPPED / sizeof *DROPPED && t->columns > 0 && used > t->columns; i++) {
        used -= COLUMNS[DROPPED[i]].columns + GAP_COLUMNS;
        layout.columns[DROPPED[i]] = 0;
    }
    for (; t->columns > 0 && used > t->columns && layout.columns[OB_COLUMN_NAME] > 1; used--)
        layout.columns[OB_COLUMN_NAME]--;
    for (; t->columns > 0 && used > t->columns && layout.columns[OB_COLUMN_STATE] > 1; used--)
        layout.columns[OB_COLUMN_STATE]--;
    return layout;
}

const char *ob_machine_column_title(enum ob_machine_column column) {
    return COLUMNS[column].title;
}

static void cell_text(const json_t *m, enum ob_machine_column column, char ret_text[static 64]) {
    double value = ob_status_number(m, COLUMNS[column].path);
    char duration[OB_DURATION_MAX];
    switch (column) {
    case OB_COLUMN_ROUND:
        (void)snprintf(ret_text, 64, value < 0 ? "-" : "%.0f", value);
        break;
    case OB_COLUMN_BEHIND:
        (void)snprintf(ret_text, 64, isnan(value) ? "-" : "%.0f", value);
        break;
    case OB_COLUMN_RATE:
        (void)snprintf(ret_text, 64, isnan(value) ? "-" : value < 10 ? "%.2f" : "%.0f", value);
        break;
    case OB_COLUMN_SHARE:
        (void)snprintf(ret_text, 64, isnan(value) ? "-" : "%.0f %%", 100 * value);
        break;
    case OB_COLUMN_LOSS:
        (void)snprintf(ret_text, 64, isnan(value) ? "-" : "%.3f", value);
        break;
    case OB_COLUMN_LAST:
        (void)snprintf(ret_text, 64, "%s", isnan(value) ? "-" : ob_duration_text(value, duration));
        break;
    case OB_COLUMN_LINK:
        (void)snprintf(ret_text, 64, "%s", is_true(m, "self") ? "-" : is_true(m, "linked") ? "up" : "down");
        break;
    default:
        (void)snprintf(ret_text, 64, "%.63s", ob_status_text(m, COLUMNS[column].path));
    }
}

/* A cell and the gap before it; the last one has no blanks behind it. */
static void print_cell(const struct ob_terminal *t, FILE *to, const struct layout *layout,
                       enum ob_machine_column column, const char *text, enum ob_colour colour) {
    int columns = layout->columns[column];
    if (columns == 0)
        return;
    if (column != OB_COLUMN_NAME)
        fprintf(to, "%*s", GAP_COLUMNS, "");
    if (column == OB_COLUMN_STATE)
        (void)ob_terminal_print(t, to, text, t->columns > 0 ? columns : -1, colour);
    else
        ob_terminal_column(t, to, text, columns, COLUMNS[column].right, colour);
}

static void print_machine(const struct ob_terminal *t, FILE *to, const struct layout *layout,
                          const json_t *m) {
    char text[64];
    print_cell(t, to, layout, OB_COLUMN_NAME, ob_status_text(m, "name"),
               is_true(m, "self") ? OB_BOLD : OB_PLAIN);
    for (int column = OB_COLUMN_NAME + 1; column < OB_COLUMN_COUNT; column++) {
        bool state = column == OB_COLUMN_STATE;
        cell_text(m, (enum ob_machine_column)column, text);
        print_cell(t, to, layout, (enum ob_machine_column)column, text,
                   state ? colour_of_life(ob_status_text(m, "state")) : OB_PLAIN);
    }
    fputc('\n', to);
}

static int compare_texts(const json_t *a, const json_t *b) {
    return strcmp(ob_status_text(a, "name"), ob_status_text(b, "name"));
}

/* This machine first, then by name. */
static int by_name(const void *a, const void *b) {
    const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
    bool self_x = is_true(x, "self"), self_y = is_true(y, "self");
    return self_x != self_y ? self_y - self_x : compare_texts(x, y);
}

struct sorting {
    enum ob_machine_column by;
    bool descending;
};

/* Numbers, texts and switches; what is not known comes last. */
static int by_column(const void *a, const void *b, void *context) {
    const struct sorting *sorting = context;
    const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
    const char *path = COLUMNS[sorting->by].path;
    int order = 0;
    if (sorting->by == OB_COLUMN_STATE)
        order = strcmp(ob_status_text(x, path), ob_status_text(y, path));
    else if (sorting->by == OB_COLUMN_LINK)
        order = (int)is_true(x, path) - (int)is_true(y, path);
    else {
        double p = ob_status_number(x, path), q = ob_status_number(y, path);
        if (isnan(p) || isnan(q))
            return isnan(p) && isnan(q) ? compare_texts(x, y) : isnan(p) - isnan(q);
        order = (p > q) - (p < q);
    }
    order = sorting->descending ? -order : order;
    return order ? order : compare_texts(x, y);
}

static void print_titles(const struct ob_terminal *t, FILE *to, const struct layout *layout) {
    for (int column = 0; column < OB_COLUMN_COUNT; column++)
        print_cell(t, to, layout, (enum ob_machine_column)column, COLUMNS[column].title, OB_DIM);
    fputc('\n', to);
}

void ob_status_machines(const struct ob_terminal *t, FILE *to, const json_t *s, enum ob_machine_column by,
                        bool descending, int lines) {
    const json_t *machines = json_object_get(s, "machines");
    size_t count = json_array_size(machines);
    size_t room = lines > 0 && count + 1 > (size_t)lines ? (lines > 3 ? (size_t)lines - 2 : 1) : count;
    json_t **sorted = calloc(count + 1, sizeof *sorted);
    struct sorting sorting = {by, descending};
    if (!sorted)
        return;
    for (size_t i = 0; i < count; i++)
        sorted[i] = json_array_get(machines, i);
    if (by == OB_COLUMN_NAME)
        qsort(sorted, count, sizeof *sorted, by_name);
    else
        qsort_r(sorted, count, sizeof *sorted, by_column, &sorting);
    struct layout layout = layout_for(t);
    print_titles(t, to, &layout);
    for (size_t i = 0; i < room; i++)
        print_machine(t, to, &layout, sorted[i]);
    if (room < count)
        fprintf(to, "and %zu more machines\n", count - room);
    free(sorted);
}
