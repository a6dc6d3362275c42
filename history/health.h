/* health - is a run healthy, in one word and one sentence with the figures behind it. docs/health.md has the experiments that
 * set each threshold.
 *
 *   starting    too little was seen to say anything
 *   learning    the held-out loss, else (or while that is lost in noise) the training loss, falls by more than twice its standard
 *               error and by OB_HEALTH_LEAST
 *   flat        it does not, and a change of OB_HEALTH_SMALL of it would have shown
 *   noise       it does not, and could not have been seen: the error is larger than that
 *   diverging   it rises by more than five standard errors and by OB_HEALTH_RISE, losses are not finite, or the learning rate
 *               times the curvature is beyond what is stable
 *   saturated   it does not learn, and more than OB_HEALTH_SATURATED of the bytes stand at the code's end: steps are cut off
 *   starved     this machine waits for others, which there are, more than half of its time
 *   split       half or more of the machines that trained lately are silent, or have other weights; or we are isolated
 *   finished    all rounds are done
 *
 * Of several that hold, the first of: diverging, split, starved, finished; then the trend.
 *
 * A trend is a line through the points of a window, weighted by rounds; its error comes from their scatter about the line, so
 * that it needs no model of the noise; of few points, more errors are asked for, so that a run that stands still is as seldom
 * said to move (Student's t). Window: the last quarter of the run, at least OB_HEALTH_ROUNDS rounds.
 *
 * Threads: pure functions. */
#ifndef OB_HISTORY_HEALTH_H
#define OB_HISTORY_HEALTH_H

#include "history/history.h"

#define OB_HEALTH_ROUNDS       200
#define OB_HEALTH_SMALL        0.01   /* of the loss */
#define OB_HEALTH_LEAST        0.0005 /* of the loss: what falls by less is not called learning */
#define OB_HEALTH_RISE         0.02   /* of the loss */
#define OB_HEALTH_SATURATED    0.25   /* of the bytes */
#define OB_HEALTH_ABSTAINED    0.25   /* of the bytes: losses that are not finite */
#define OB_HEALTH_STARVED      0.5    /* of the time at work, from below … */
#define OB_HEALTH_FED          0.65   /* … until there is more than this */
#define OB_HEALTH_RATE         2.0    /* learning rate times curvature */
#define OB_HEALTH_HOLD         5 /* evaluations in a row, which come once a second, until another word is shown */
#define OB_HEALTH_SENTENCE_MAX 320

enum ob_health_kind {
    OB_HEALTH_STARTING,
    OB_HEALTH_LEARNING,
    OB_HEALTH_FLAT,
    OB_HEALTH_NOISE,
    OB_HEALTH_DIVERGING,
    OB_HEALTH_IS_SATURATED,
    OB_HEALTH_IS_STARVED,
    OB_HEALTH_SPLIT,
    OB_HEALTH_FINISHED
};

/* What the history alone does not say. */
struct ob_health_facts {
    bool finished;
    bool trains;           /* it is meant to, and has been for a while: not paused, not an observer */
    double rest;           /* share of the time in which it is meant to rest; 0: none */
    double sample_seconds; /* to evaluate a sample here; 0: not known */
    double since_round_s;  /* since our last round ended; NaN: none yet */
    const char *waits_for; /* name of the machine that we wait for now; NULL: none */
    size_t live, silent; /* machines that train now, we among them; that trained lately and now are silent */
    enum ob_health_kind before; /* what is shown: it goes on until its bounds are passed by a margin */
    bool isolated;              /* too few machines hold our records: training is paused */
    size_t disagree;            /* machines with other weights for the same records */
    bool loss_finite;           /* of the last round */
};

/* A line through the points of a window. NaN: not known. */
struct ob_trend {
    size_t points;
    uint32_t first_round, last_round;
    double first, last;   /* the line's ends */
    double change, error; /* last - first, and its standard error */
    double level_error;   /* standard error of one point */
};

struct ob_health {
    enum ob_health_kind kind;
    char sentence[OB_HEALTH_SENTENCE_MAX];
    struct ob_trend loss, held_out; /* training loss, own or, for an observer, the swarm's */
    double saturated, abstained;    /* shares of the bytes in the window; NaN: none */
    double busy; /* share of the time in the last rounds that this machine computed; NaN: not known */
    double rate_times_curvature; /* NaN: not measured */
};

/* What is shown and told. Zeros: nothing was seen yet. */
struct ob_health_view {
    struct ob_health shown;
    enum ob_health_kind next; /* what the last evaluations said instead … */
    unsigned times;           /* … so many of them in a row; 0: none */
};

const char *ob_health_name(enum ob_health_kind kind);
void ob_health_of(const struct ob_history *history, const struct ob_health_facts *facts,
                  struct ob_health *ret_verdict);
/* A word is shown once OB_HEALTH_HOLD evaluations in a row say it, with its sentence until the next is. At once: the first word,
 * `diverging`, `finished`, and `learning` where no trend was shown and the fall is twice what it takes. The figures are those of
 * `now`. */
void ob_health_show(struct ob_health_view *view, const struct ob_health *now);

/* The losses of the last rounds in `count` parts of equal length, oldest first, NaN where there are none; for a sparkline. */
void ob_health_curve(const struct ob_history *history, double *ret_losses, size_t count);

#endif
