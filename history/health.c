#include "history/health.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define POINTS_MIN      8  /* of a trend in the training loss */
#define HELD_OUT_MIN    3  /* of one in the held-out loss; with two, their own errors count */
#define HELD_OUT_POINTS 12 /* at most: the last ones */
#define BYTES_MIN       200
#define ERRORS_TO_LEARN 2.0
#define BEYOND_DOUBT    2.0 /* so many times what it takes to be said needs no second look */
#define GOES_ON         0.5 /* a word that is shown goes on until half of what it took … */
#define GOES_ON_NEAR    0.8 /* … or, of what is measured well, four fifths */
#define POINTS_TO_RISE  16
#define ERRORS_TO_RISE  5.0
#define BUSY_SECONDS    20.0

static const char *const NAMES[] = {
    [OB_HEALTH_STARTING] = "starting",   [OB_HEALTH_LEARNING] = "learning",
    [OB_HEALTH_FLAT] = "flat",           [OB_HEALTH_NOISE] = "noise",
    [OB_HEALTH_DIVERGING] = "diverging", [OB_HEALTH_IS_SATURATED] = "saturated",
    [OB_HEALTH_IS_STARVED] = "starved",  [OB_HEALTH_SPLIT] = "split",
    [OB_HEALTH_FINISHED] = "finished",
};

const char *ob_health_name(enum ob_health_kind kind) {
    return NAMES[kind];
}

/* ---- a line ---- */

struct sums {
    size_t points;
    double w, x, y, xx, xy, yy, ww;
    uint32_t first, last;
};

static void add(struct sums *s, uint32_t round, double x, double y, double weight) {
    s->first = s->points == 0 ? round : s->first;
    s->last = round;
    s->points++;
    s->w += weight;
    s->x += weight * x;
    s->y += weight * y;
    s->xx += weight * x * x;
    s->xy += weight * x * y;
    s->yy += weight * y * y;
    s->ww += weight * weight;
}

/* Weighted least squares; the residuals' variance is that of a point of weight one. */
static struct ob_trend line(const struct sums *s, double x_first, double x_last) {
    struct ob_trend trend = {.points = s->points,
                             .first_round = s->first,
                             .last_round = s->last,
                             .first = NAN,
                             .last = NAN,
                             .change = NAN,
                             .error = NAN,
                             .level_error = NAN};
    if (s->points == 0)
        return trend;
    double mx = s->x / s->w, my = s->y / s->w;
    double sxx = s->xx - s->w * mx * mx, sxy = s->xy - s->w * mx * my, syy = s->yy - s->w * my * my;
    trend.first = trend.last = my;
    if (s->points < 3 || sxx <= 0)
        return trend;
    double slope = sxy / sxx, rest = syy - slope * sxy;
    double variance = rest > 0 ? rest / (double)(s->points - 2) : 0;
    trend.first = my + slope * (x_first - mx);
    trend.last = my + slope * (x_last - mx);
    trend.change = slope * (x_last - x_first);
    trend.error = sqrt(variance / sxx) * (x_last - x_first);
    trend.level_error = sqrt(variance / s->w * (double)s->points);
    return trend;
}

/* ---- windows ---- */

static double loss_of(const struct ob_history_row *row) {
    return row->rounds > 0 && !isnan(row->loss) ? row->loss : row->swarm_loss;
}

/* Index of the first row of the window; by rounds. */
static size_t window_start(const struct ob_history *history) {
    size_t count = ob_history_row_count(history), first = count;
    uint64_t all = 0, seen = 0;
    for (size_t i = 0; i < count; i++)
        all += ob_history_row_at(history, i)->rounds;
    uint64_t wanted = all / 4 > OB_HEALTH_ROUNDS ? all / 4 : OB_HEALTH_ROUNDS;
    while (first > 0 && (seen < wanted || count - first < POINTS_MIN))
        seen += ob_history_row_at(history, --first)->rounds;
    return first;
}

static struct ob_trend loss_trend(const struct ob_history *history, size_t first) {
    struct sums sums = {0};
    double x_first = 0, x_last = 0;
    for (size_t i = first; i < ob_history_row_count(history); i++) {
        const struct ob_history_row *row = ob_history_row_at(history, i);
        double loss = loss_of(row), weight = row->rounds > 0 ? row->rounds : 1;
        /* in seconds for an observer, whose rows have no rounds */
        double x = row->rounds > 0 ? row->round
                                   : 1e-3 * (double)row->time_ms -
                                         1e-3 * (double)ob_history_row_at(history, first)->time_ms;
        if (!isfinite(loss))
            continue;
        x_first = sums.points == 0 ? x : x_first;
        x_last = x;
        add(&sums, row->round, x, loss, weight);
    }
    return line(&sums, x_first, x_last);
}

static bool counts(const struct ob_history_frontier *f, uint32_t most) {
    return f->score.items > 0 && 2 * (uint64_t)f->machines >= most;
}

/* Frontiers that enough machines evaluated, the last ones. */
static struct ob_trend held_out_trend(const struct ob_history *history) {
    size_t count = ob_history_frontier_count(history), kept = 0, first = count;
    uint32_t most = 0;
    struct sums sums = {0};
    double x_first = 0, x_last = 0, errors[2] = {NAN, NAN};
    for (size_t i = 0; i < count; i++)
        if (ob_history_frontier_at(history, i)->score.items > 0 &&
            ob_history_frontier_at(history, i)->machines > most)
            most = ob_history_frontier_at(history, i)->machines;
    while (first > 0 && kept < HELD_OUT_POINTS)
        kept += counts(ob_history_frontier_at(history, --first), most);
    for (size_t i = first; i < count; i++) {
        const struct ob_history_frontier *f = ob_history_frontier_at(history, i);
        if (!counts(f, most))
            continue;
        x_first = sums.points == 0 ? f->round : x_first;
        x_last = f->round;
        if (sums.points < 2)
            errors[sums.points] = ob_score_loss_error(&f->score);
        add(&sums, f->round, f->round, ob_score_loss(&f->score), 1);
    }
    struct ob_trend trend = line(&sums, x_first, x_last);
    if (sums.points == 2) { /* the errors of the two are all that is known */
        double a = 0, b = 0;
        for (size_t i = first, seen = 0; i < count; i++)
            if (counts(ob_history_frontier_at(history, i), most)) {
                double loss = ob_score_loss(&ob_history_frontier_at(history, i)->score);
                if (seen++ == 0)
                    a = loss;
                else
                    b = loss;
            }
        trend.first = a;
        trend.last = b;
        trend.change = b - a;
        trend.error = hypot(errors[0], errors[1]);
    }
    return trend;
}

static void shares(const struct ob_history *history, size_t first, struct ob_health *verdict) {
    uint64_t bytes = 0, saturated = 0, abstained = 0;
    for (size_t i = first; i < ob_history_row_count(history); i++) {
        const struct ob_history_row *row = ob_history_row_at(history, i);
        bytes += row->bytes;
        saturated += row->saturated;
        abstained += row->abstained;
    }
    verdict->saturated = bytes >= BYTES_MIN ? (double)saturated / (double)bytes : NAN;
    verdict->abstained = bytes >= BYTES_MIN ? (double)abstained / (double)bytes : NAN;
}

/* Of the time since some rounds ago, the part in which samples were evaluated. */
static double busy_share(const struct ob_history *history, const struct ob_health_facts *facts) {
    double seconds = isnan(facts->since_round_s) ? 0 : facts->since_round_s, work = 0;
    for (size_t i = ob_history_row_count(history); i-- > 0 && seconds < BUSY_SECONDS;) {
        const struct ob_history_row *row = ob_history_row_at(history, i);
        seconds += row->seconds;
        work += (double)row->samples * facts->sample_seconds;
    }
    return facts->sample_seconds > 0 && seconds >= BUSY_SECONDS ? fmin(work / seconds, 1) : NAN;
}

static double rate_times_curvature(const struct ob_history *history, size_t first) {
    double sum = 0, weight = 0, lr = NAN;
    for (size_t i = first; i < ob_history_row_count(history); i++) {
        const struct ob_history_row *row = ob_history_row_at(history, i);
        if (isnan(row->curvature))
            continue;
        sum += row->curvature * row->rounds;
        weight += row->rounds;
        lr = row->lr;
    }
    return weight > 0 ? lr * sum / weight : NAN;
}

/* ---- the word ---- */

/* So many errors of a normal deviate, for a line through so few points: the error is itself an estimate. Student's t at the
 * two-sided probability of two deviations (4.55 %), by points - 2. */
static double errors_for(size_t points, double errors) {
    static const double TWO[] = {13.97, 4.53, 3.31, 2.87, 2.65, 2.52, 2.43, 2.37, 2.32, 2.28};
    size_t freedom = points > 2 ? points - 2 : 0;
    double two = freedom == 0                          ? 2
                 : freedom <= sizeof TWO / sizeof *TWO ? TWO[freedom - 1]
                                                       : 2 + 2.8 / (double)freedom;
    return errors * two / 2;
}

/* What was found to rise goes on to do so until the trend says otherwise. */
static bool rises(const struct ob_trend *t, size_t points, bool before) {
    if (before)
        return t->points >= points && t->change > t->error;
    return t->points >= points && t->change > errors_for(t->points, ERRORS_TO_RISE) * t->error &&
           t->change > OB_HEALTH_RISE * fabs(t->first);
}

/* By a part of what it takes. */
static bool falls_by(const struct ob_trend *t, size_t points, double part) {
    return t->points >= points && t->change < -part * errors_for(t->points, ERRORS_TO_LEARN) * t->error &&
           t->change < -part * OB_HEALTH_LEAST * fabs(t->first);
}

static bool falls(const struct ob_trend *t, size_t points) {
    return falls_by(t, points, 1);
}

static double part_of(const struct ob_health_facts *facts, enum ob_health_kind kind, double part) {
    return facts->before == kind ? part : 1;
}

static bool diverges(const struct ob_health_facts *facts, struct ob_health *v) {
    double part = part_of(facts, OB_HEALTH_DIVERGING, GOES_ON_NEAR);
    if (!facts->loss_finite || v->abstained > part * OB_HEALTH_ABSTAINED)
        (void)snprintf(v->sentence, sizeof v->sentence,
                       "losses are not finite (%.0f %% of the samples abstain): the learning rate is too "
                       "high, or a weight overflowed",
                       isnan(v->abstained) ? 100.0 : 100 * v->abstained);
    else if (rises(&v->held_out, HELD_OUT_MIN, facts->before == OB_HEALTH_DIVERGING))
        (void)snprintf(v->sentence, sizeof v->sentence,
                       "the held-out loss rises, %.4g to %.4g (+%.2g ± %.1g) between rounds %u and %u: lower "
                       "the learning rate",
                       v->held_out.first, v->held_out.last, v->held_out.change, v->held_out.error,
                       v->held_out.first_round, v->held_out.last_round);
    else if (rises(&v->loss, POINTS_TO_RISE, facts->before == OB_HEALTH_DIVERGING) &&
             !falls(&v->held_out, HELD_OUT_MIN))
        (void)snprintf(v->sentence, sizeof v->sentence,
                       "the training loss rises, %.4g to %.4g (+%.2g ± %.1g) between rounds %u and %u: lower "
                       "the learning rate",
                       v->loss.first, v->loss.last, v->loss.change, v->loss.error, v->loss.first_round,
                       v->loss.last_round);
    else if (v->rate_times_curvature > part * OB_HEALTH_RATE)
        (void)snprintf(v->sentence, sizeof v->sentence,
                       "the learning rate times the curvature is %.2g, beyond %.2g steps grow instead of "
                       "shrinking: lower the learning rate",
                       v->rate_times_curvature, OB_HEALTH_RATE);
    else
        return false;
    return true;
}

static bool is_split(const struct ob_health_facts *facts, struct ob_health *v) {
    if (facts->disagree > 0 && 2 * facts->disagree >= facts->live)
        (void)snprintf(v->sentence, sizeof v->sentence,
                       "%zu of %zu machines have other weights for the same records", facts->disagree,
                       facts->live);
    else if (facts->isolated)
        (void)snprintf(
            v->sentence, sizeof v->sentence,
            "fewer than half of the machines hold our latest records: training pauses until they do");
    else if (!facts->finished && facts->silent > 0 && facts->silent >= facts->live)
        (void)snprintf(
            v->sentence, sizeof v->sentence,
            "%zu of the %zu machines that trained lately are silent: they stopped, or the network is divided",
            facts->silent, facts->silent + facts->live);
    else
        return false;
    return true;
}

static bool goes_on_falling(const struct ob_health_facts *facts, const struct ob_trend *t) {
    return falls_by(t, 2, part_of(facts, OB_HEALTH_LEARNING, GOES_ON));
}

/* A change of OB_HEALTH_SMALL would have been seen. */
static bool would_show(const struct ob_health_facts *facts, const struct ob_trend *t) {
    double reach = errors_for(t->points, ERRORS_TO_LEARN) * t->error;
    return reach * part_of(facts, OB_HEALTH_FLAT, GOES_ON_NEAR) <=
           OB_HEALTH_SMALL * part_of(facts, OB_HEALTH_NOISE, GOES_ON_NEAR) * fabs(t->last);
}

static void say_trend(struct ob_health *v, const struct ob_health_facts *facts, const struct ob_trend *t,
                      const char *what) {
    if (goes_on_falling(facts, t)) {
        v->kind = OB_HEALTH_LEARNING;
        (void)snprintf(v->sentence, sizeof v->sentence,
                       "the %s loss falls, %.4g to %.4g (%.2g ± %.1g) between rounds %u and %u", what,
                       t->first, t->last, t->change, t->error, t->first_round, t->last_round);
        return;
    }
    bool seen = would_show(facts, t);
    v->kind = seen ? OB_HEALTH_FLAT : OB_HEALTH_NOISE;
    (void)snprintf(
        v->sentence, sizeof v->sentence,
        seen ? "the %s loss stays at %.4g (%+.2g ± %.1g) between rounds %u and %u"
             : "the %s loss is %.4g; its change (%+.2g ± %.1g) between rounds %u and %u is lost in noise",
        what, t->last, t->change, t->error, t->first_round, t->last_round);
}

/* The held-out loss, unless it says nothing yet and the training loss does. */
static void judge_trend(struct ob_health *v, const struct ob_health_facts *facts) {
    const struct ob_trend *h = &v->held_out, *t = &v->loss;
    bool held_out = (h->points >= HELD_OUT_MIN || (h->points == 2 && falls(h, 2))) && isfinite(h->error);
    bool training = t->points >= POINTS_MIN && isfinite(t->error);
    bool says = held_out && (goes_on_falling(facts, h) || would_show(facts, h));
    if (held_out && (says || !training || !falls(t, POINTS_MIN)))
        say_trend(v, facts, h, "held-out");
    else if (training)
        say_trend(v, facts, t, "training");
    else
        (void)snprintf(v->sentence, sizeof v->sentence, "too few rounds were seen to say more");
}

static void say_saturated(struct ob_health *v) {
    v->kind = OB_HEALTH_IS_SATURATED;
    (void)snprintf(v->sentence, sizeof v->sentence,
                   "%.1f %% of the bytes stand at the end of the code, so that steps are cut off, and the "
                   "run does not learn: "
                   "raise [training] exponent by one if the run allows it, or lower the learning rate",
                   100 * v->saturated);
}

void ob_health_of(const struct ob_history *history, const struct ob_health_facts *facts,
                  struct ob_health *ret_verdict) {
    struct ob_health v = {.kind = OB_HEALTH_STARTING};
    size_t first = window_start(history);
    v.loss = loss_trend(history, first);
    v.held_out = held_out_trend(history);
    shares(history, first, &v);
    v.busy = busy_share(history, facts);
    v.rate_times_curvature = rate_times_curvature(history, first);
    if (diverges(facts, &v)) {
        v.kind = OB_HEALTH_DIVERGING;
    } else if (is_split(facts, &v)) {
        v.kind = OB_HEALTH_SPLIT;
    } else if (facts->trains && !facts->finished && facts->live > 1 &&
               v.busy < (facts->before == OB_HEALTH_IS_STARVED ? OB_HEALTH_FED : OB_HEALTH_STARVED) *
                            (1 - facts->rest)) {
        v.kind = OB_HEALTH_IS_STARVED;
        (void)snprintf(v.sentence, sizeof v.sentence, "this machine computes %.0f %% of its time%s%s",
                       100 * v.busy, facts->waits_for ? "; it waits for " : ": it waits for others",
                       facts->waits_for ? facts->waits_for : "");
    } else {
        judge_trend(&v, facts);
        if (v.kind != OB_HEALTH_LEARNING &&
            v.saturated > OB_HEALTH_SATURATED * part_of(facts, OB_HEALTH_IS_SATURATED, GOES_ON_NEAR))
            say_saturated(&v);
        if (facts->finished)
            v.kind = OB_HEALTH_FINISHED;
    }
    *ret_verdict = v;
}

void ob_health_show(struct ob_health_view *view, const struct ob_health *now) {
    struct ob_health before = view->shown;
    bool first = before.kind == OB_HEALTH_STARTING;
    bool trend = before.kind == OB_HEALTH_FLAT || before.kind == OB_HEALTH_NOISE ||
                 before.kind == OB_HEALTH_IS_SATURATED;
    bool no_doubt = falls_by(&now->held_out, HELD_OUT_MIN, BEYOND_DOUBT) ||
                    falls_by(&now->loss, POINTS_MIN, BEYOND_DOUBT);
    bool at_once = first || now->kind == OB_HEALTH_DIVERGING || now->kind == OB_HEALTH_FINISHED ||
                   (trend && now->kind == OB_HEALTH_LEARNING && no_doubt);
    bool same = now->kind == before.kind;
    view->times = same ? 0 : view->times > 0 && now->kind == view->next ? view->times + 1 : 1;
    view->next = now->kind;
    view->shown = *now;
    if (same || at_once || view->times >= OB_HEALTH_HOLD) {
        view->times = 0;
        return;
    }
    view->shown.kind = before.kind;
    memcpy(view->shown.sentence, before.sentence, sizeof before.sentence);
}

void ob_health_curve(const struct ob_history *history, double *ret_losses, size_t count) {
    size_t rows = ob_history_row_count(history);
    uint64_t all = 0, seen = 0;
    for (size_t i = 0; i < rows; i++)
        all += ob_history_row_at(history, i)->rounds;
    for (size_t i = 0; i < count; i++)
        ret_losses[i] = NAN;
    double sum = 0, weight = 0;
    size_t part = 0;
    for (size_t i = 0; i < rows && all > 0; i++) {
        const struct ob_history_row *row = ob_history_row_at(history, i);
        size_t of = (size_t)(count * seen / all);
        seen += row->rounds;
        if (of != part) {
            sum = weight = 0;
            part = of;
        }
        if (row->rounds == 0 || !isfinite(row->loss))
            continue;
        sum += row->loss * row->rounds;
        weight += row->rounds;
        ret_losses[part < count ? part : count - 1] = sum / weight;
    }
}
