#include "cli/chart.h"

#include <math.h>
#include <stdlib.h>

#define LEFT   70.0
#define RIGHT  (OB_CHART_WIDTH - 20.0)
#define POINTS 6400 /* rows of a history are fewer */
#define TICKS  5
#define SMALL  11

/* A part of the picture: pixels, and the values at its edges. */
struct panel {
    double top, bottom, x_least, x_most, y_least, y_most;
};

struct series {
    struct ob_point *points; /* values, not pixels */
    size_t count;
};

static double x_of(const struct panel *p, double x) {
    return LEFT +
           (RIGHT - LEFT) * (p->x_most > p->x_least ? (x - p->x_least) / (p->x_most - p->x_least) : 0.5);
}
static double y_of(const struct panel *p, double y) {
    return p->bottom - (p->bottom - p->top) *
                           (p->y_most > p->y_least ? (y - p->y_least) / (p->y_most - p->y_least) : 0.5);
}
static struct ob_point place(const struct panel *p, double x, double y) {
    return (struct ob_point){x_of(p, x), y_of(p, y)};
}

/* 1, 2 or 5 times a power of ten, so that about as many ticks fit. */
static double step_for(double range, double ticks) {
    double power = pow(10, floor(log10(range / ticks))), part = range / ticks / power;
    return power * (part < 1.5 ? 1 : part < 3.5 ? 2 : part < 7.5 ? 5 : 10);
}

static void widen(struct panel *p, double y) {
    if (!isfinite(y))
        return;
    p->y_least = fmin(p->y_least, y);
    p->y_most = fmax(p->y_most, y);
}

/* Room above and below, and a range where all values are one. */
static void round_up(struct panel *p) {
    if (p->y_least > p->y_most)
        p->y_least = 0, p->y_most = 1;
    double range = p->y_most - p->y_least;
    if (range <= 1e-12 * fabs(p->y_most) || range <= 0)
        range = fmax(fabs(p->y_most) * 0.1, 1e-3);
    p->y_least -= 0.05 * range;
    p->y_most += 0.05 * range;
}

static void draw_axes(struct ob_canvas *c, const struct panel *p, const char *title, bool with_rounds) {
    char text[40];
    double y_step = step_for(p->y_most - p->y_least, p->bottom - p->top > 100 ? TICKS : 2);
    ob_canvas_text(c, (struct ob_point){LEFT, p->top - 8}, title, 12, OB_ANCHOR_LEFT, OB_INK_TEXT);
    long y_end = (long)floor(p->y_most / y_step), x_end;
    for (long k = (long)ceil(p->y_least / y_step); k <= y_end; k++) {
        double y = (double)k * y_step;
        struct ob_point line[2] = {{LEFT, y_of(p, y)}, {RIGHT, y_of(p, y)}};
        ob_canvas_line(c, line, 2, OB_INK_FAINT);
        (void)snprintf(text, sizeof text, "%.4g", y);
        ob_canvas_text(c, (struct ob_point){LEFT - 6, y_of(p, y) + 4}, text, SMALL, OB_ANCHOR_RIGHT,
                       OB_INK_TEXT);
    }
    double x_step = fmax(step_for(fmax(p->x_most - p->x_least, 1), TICKS), 1);
    x_end = with_rounds ? (long)floor(p->x_most / x_step) : -1;
    for (long k = (long)ceil(p->x_least / x_step); k <= x_end; k++) {
        double x = (double)k * x_step;
        (void)snprintf(text, sizeof text, "%.0f", x);
        ob_canvas_text(c, (struct ob_point){x_of(p, x), p->bottom + 16}, text, SMALL, OB_ANCHOR_MIDDLE,
                       OB_INK_TEXT);
    }
}

static void draw_series(struct ob_canvas *c, const struct panel *p, struct series *s, enum ob_ink ink) {
    for (size_t i = 0; i < s->count; i++)
        s->points[i] = place(p, s->points[i].x, s->points[i].y);
    if (s->count == 1)
        ob_canvas_mark(c, s->points[0], ink);
    else
        ob_canvas_line(c, s->points, s->count, ink);
}

typedef double (*value_fn)(const struct ob_history_row *row);

static double loss_of(const struct ob_history_row *row) {
    return row->rounds > 0 && isfinite(row->loss) ? row->loss : row->swarm_loss;
}
static double machines_of(const struct ob_history_row *row) {
    return row->machines;
}
static double rate_of(const struct ob_history_row *row) {
    return row->swarm_rate;
}

static void collect(const struct ob_history *history, value_fn value, struct panel *p, struct series *s) {
    s->count = 0;
    for (size_t i = 0; i < ob_history_row_count(history) && s->count < POINTS; i++) {
        const struct ob_history_row *row = ob_history_row_at(history, i);
        double y = value(row);
        if (!isfinite(y))
            continue;
        s->points[s->count++] = (struct ob_point){row->round, y};
        widen(p, y);
    }
}

/* The mean of some points on either side: single rounds are noise. */
static void smooth(struct series *s) {
    size_t reach = s->count / 100;
    struct ob_point *from = calloc(s->count + 1, sizeof *from);
    if (!from || reach == 0) {
        free(from);
        return;
    }
    for (size_t i = 0; i < s->count; i++)
        from[i] = s->points[i];
    for (size_t i = 0; i < s->count; i++) {
        size_t first = i > reach ? i - reach : 0, end = i + reach + 1 < s->count ? i + reach + 1 : s->count;
        double sum = 0;
        for (size_t k = first; k < end; k++)
            sum += from[k].y;
        s->points[i].y = sum / (double)(end - first);
    }
    free(from);
}

/* Held-out loss with one standard error to either side. */
static void draw_held_out(struct ob_canvas *c, const struct panel *p, const struct ob_history *history) {
    size_t count = ob_history_frontier_count(history), n = 0;
    struct ob_point *line = calloc(count + 1, sizeof *line), *band = calloc(2 * count + 1, sizeof *band);
    for (size_t i = 0; line && band && i < count; i++)
        n += ob_history_frontier_at(history, i)->score.items > 0;
    for (size_t i = 0, k = 0; line && band && i < count; i++) {
        const struct ob_history_frontier *f = ob_history_frontier_at(history, i);
        double loss = ob_score_loss(&f->score), error = ob_score_loss_error(&f->score);
        if (f->score.items == 0)
            continue;
        error = isfinite(error) ? error : 0;
        line[k] = place(p, f->round, loss);
        band[k] = place(p, f->round, loss + error);
        band[2 * n - 1 - k] = place(p, f->round, loss - error);
        k++;
    }
    if (line && band) {
        ob_canvas_area(c, band, 2 * n, OB_INK_BAND);
        ob_canvas_line(c, line, n, OB_INK_SECOND);
        for (size_t i = 0; i < n; i++)
            ob_canvas_mark(c, line[i], OB_INK_SECOND);
    }
    free(line);
    free(band);
}

static void draw_losses(struct ob_canvas *c, struct panel *p, const struct ob_history *history,
                        struct series *s) {
    collect(history, loss_of, p, s);
    bool held_out = false;
    for (size_t i = 0; i < ob_history_frontier_count(history); i++) {
        const struct ob_history_frontier *f = ob_history_frontier_at(history, i);
        double error = ob_score_loss_error(&f->score);
        held_out = held_out || f->score.items > 0;
        widen(p, ob_score_loss(&f->score) + (isfinite(error) ? error : 0));
        widen(p, ob_score_loss(&f->score) - (isfinite(error) ? error : 0));
    }
    round_up(p);
    draw_axes(c, p,
              held_out ? "loss (nats): training, held out with its standard error" : "training loss (nats)",
              true);
    if (s->count == 0)
        ob_canvas_text(c, (struct ob_point){0.5 * (LEFT + RIGHT), 0.5 * (p->top + p->bottom)}, "no loss yet",
                       14, OB_ANCHOR_MIDDLE, OB_INK_TEXT);
    smooth(s);
    draw_series(c, p, s, OB_INK_FIRST);
    draw_held_out(c, p, history);
}

static void draw_panel(struct ob_canvas *c, struct panel *p, const struct ob_history *history, value_fn value,
                       const char *title, struct series *s) {
    widen(p, 0);
    collect(history, value, p, s);
    round_up(p);
    p->y_least = 0;
    draw_axes(c, p, title, true);
    draw_series(c, p, s, OB_INK_FIRST);
}

void ob_chart_draw(struct ob_canvas *c, const struct ob_history *history, const char *title) {
    struct series series = {.points = calloc(POINTS, sizeof *series.points)};
    double last = 1;
    size_t rows = ob_history_row_count(history), frontiers = ob_history_frontier_count(history);
    if (!series.points)
        return;
    if (rows > 0)
        last = fmax(last, ob_history_row_at(history, rows - 1)->round);
    if (frontiers > 0)
        last = fmax(last, ob_history_frontier_at(history, frontiers - 1)->round);
    struct panel losses = {60, 320, 0, last, INFINITY, -INFINITY},
                 machines = {370, 430, 0, last, INFINITY, -INFINITY},
                 rate = {480, 540, 0, last, INFINITY, -INFINITY};
    ob_canvas_text(c, (struct ob_point){LEFT, 26}, title, 16, OB_ANCHOR_LEFT, OB_INK_TEXT);
    ob_canvas_text(c, (struct ob_point){RIGHT, 26}, "over rounds", SMALL, OB_ANCHOR_RIGHT, OB_INK_TEXT);
    draw_losses(c, &losses, history, &series);
    draw_panel(c, &machines, history, machines_of, "machines", &series);
    draw_panel(c, &rate, history, rate_of, "samples a second", &series);
    free(series.points);
}
