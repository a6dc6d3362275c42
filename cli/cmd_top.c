#include <curses.h>
#include <locale.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/command.h"
#include "cli/guard.h"
#include "cli/status_screen.h"

struct arguments {
    struct ob_cli_at at;
    int64_t interval;
};

static const struct ob_operand OPERANDS[] = {OB_OPERAND_STATE_DIR(struct arguments)};
static const struct ob_option OPTIONS[] = {
    OB_OPTION_RUN(struct arguments),
    {"interval", "SECONDS", "time between two looks", OB_ARGUMENT(struct arguments, interval), .low = 1,
     .high = 3600, .fallback = "1"},
};

static const char HELP[] = "q quit  p pause  r resume  l leave  < > sort by  i reverse  space look again";

struct view {
    char state_dir[OB_PATH_MAX];
    json_t *status; /* the last answer; NULL: none yet */
    enum ob_machine_column by;
    bool descending;
    char asking[80]; /* a question that waits for y; "": none */
    const char *command;
    char said[OB_ERROR_TEXT_MAX]; /* at the bottom */
};

static void look(struct view *view) {
    struct ob_error error = {0};
    json_t *answer = NULL;
    if (ob_cli_ask_command(view->state_dir, "status", &answer, &error)) {
        (void)snprintf(view->said, sizeof view->said, "%s", error.text);
        return;
    }
    json_decref(view->status);
    view->status = answer;
}

/* What `onebyte status` would print, line by line. */
static void draw_text(const char *text, int rows) {
    for (int row = 0; row < rows && *text; row++) {
        size_t length = strcspn(text, "\n");
        move(row, 0);
        addnstr(text, (int)length);
        text += length + (text[length] == '\n');
    }
}

static void draw_body(const struct view *view, int rows, int columns) {
    struct ob_terminal terminal = ob_terminal_of(stdout);
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    if (!to)
        return;
    terminal.colour = false;
    terminal.columns = columns;
    int head = ob_status_head(&terminal, to, view->status, rows / 2);
    fputc('\n', to);
    ob_status_machines(&terminal, to, view->status, view->by, view->descending, rows - head - 1);
    if (fclose(to) == 0)
        draw_text(text, rows);
    free(text);
}

static void draw(const struct view *view) {
    int rows, columns;
    getmaxyx(stdscr, rows, columns);
    erase();
    if (view->status && rows > 6)
        draw_body(view, rows - 2, columns);
    if (rows > 1) {
        attron(A_BOLD);
        mvaddnstr(rows - 2, 0, view->asking[0] ? view->asking : view->said, columns);
        attroff(A_BOLD);
        attron(A_DIM);
        mvaddnstr(rows - 1, 0, HELP, columns);
        char sorted[64];
        (void)snprintf(sorted, sizeof sorted, "by %s%s", ob_machine_column_title(view->by),
                       view->descending ? ", descending" : "");
        if (columns > (int)(sizeof HELP + strlen(sorted) + 2))
            mvaddstr(rows - 1, columns - (int)strlen(sorted), sorted);
        attroff(A_DIM);
    }
    refresh();
}

static void ask(struct view *view, const char *command) {
    view->command = command;
    (void)snprintf(view->asking, sizeof view->asking, "%s this machine's daemon? (y/n)", command);
}

static void tell(struct view *view) {
    struct ob_error error = {0};
    json_t *answer = NULL;
    bool failed = ob_cli_ask_command(view->state_dir, view->command, &answer, &error) != OB_OK;
    (void)snprintf(view->said, sizeof view->said, failed ? "%.500s" : "%.500s: done",
                   failed ? error.text : view->command);
    json_decref(answer);
}

/* False: the end. */
static bool heed(struct view *view, int key) {
    if (view->asking[0] && key != ERR && key != KEY_RESIZE) {
        view->asking[0] = 0;
        if (key == 'y' || key == 'Y')
            tell(view);
        return true;
    }
    if (key != ERR && key != KEY_RESIZE)
        view->said[0] = 0;
    switch (key) {
    case 'q':
    case 'Q':
        return false;
    case 'p':
        ask(view, "pause");
        break;
    case 'r':
        ask(view, "resume");
        break;
    case 'l':
        ask(view, "leave");
        break;
    case '<':
    case KEY_LEFT:
        view->by = (enum ob_machine_column)((view->by + OB_COLUMN_COUNT - 1) % OB_COLUMN_COUNT);
        break;
    case '>':
    case KEY_RIGHT:
        view->by = (enum ob_machine_column)((view->by + 1) % OB_COLUMN_COUNT);
        break;
    case 'i':
        view->descending = !view->descending;
        break;
    default:
        break;
    }
    return true;
}

/* A key, or ERR after the interval. *ret_signal: the one that ends us, if any. */
static int next_key(int signals, int interval_ms, int *ret_signal) {
    struct pollfd wanted[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    struct signalfd_siginfo info;
    int key = getch();
    if (key != ERR)
        return key;
    if (poll(wanted, 2, interval_ms) > 0 && (wanted[1].revents & POLLIN) != 0 &&
        read(signals, &info, sizeof info) == (ssize_t)sizeof info)
        *ret_signal = (int)info.ssi_signo;
    return getch();
}

static int watch(struct view *view, int interval_ms) {
    SCREEN *screen = newterm(NULL, stdout, stdin);
    if (!screen) {
        struct ob_error error;
        (void)ob_fail(&error, OB_EUSAGE,
                      "top: no terminal that can be used (TERM); try `onebyte status --watch`");
        return ob_cli_fail(&error);
    }
    int signals = ob_cli_guard_signals(); /* after newterm, which has handlers of its own */
    cbreak();
    noecho();
    curs_set(0);
    keypad(stdscr, TRUE);
    timeout(0);
    int key = ERR, number = 0;
    do {
        look(view);
        draw(view);
        key = next_key(signals, interval_ms, &number);
    } while (number == 0 && heed(view, key));
    endwin();
    delscreen(screen);
    if (signals >= 0)
        (void)close(signals);
    return number == 0 ? OB_EXIT_DONE : 128 + number;
}

static int top(const void *arguments) {
    const struct arguments *a = arguments;
    struct ob_cli_place place;
    struct ob_error error = {0};
    struct view view = {.by = OB_COLUMN_NAME};
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return ob_cli_fail_usage("top needs a terminal; use `onebyte status`");
    if (ob_cli_find(&a->at, OB_NEED_STATE_DIR, &place, &error) ||
        ob_cli_ask_command(place.state_dir, "status", &view.status, &error))
        return ob_cli_fail(&error);
    memcpy(view.state_dir, place.state_dir, sizeof view.state_dir);
    (void)setlocale(LC_CTYPE, "");
    int code = watch(&view, (int)(1000 * a->interval));
    json_decref(view.status);
    return code;
}

const struct ob_command OB_COMMAND_TOP = {
    .name = "top",
    .summary = "watch a daemon live: sort machines, pause, resume, leave",
    .details = "Keys: q quits; p, r and l pause, resume and leave after a question; < and > choose the "
               "column to sort by, i turns the "
               "order around.",
    OB_OPERANDS(OPERANDS),
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .run = top,
};
