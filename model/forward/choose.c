#include "model/forward/choose.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define DIRECTIONS     4
#define DIRECTIONS_MAX 16

/* ---- measuring ---- */

struct estimates {
    double g[DIRECTIONS_MAX]; /* up to a factor that all ways share */
};

/* Every direction once, after one for the caches and what is packed at the first use; the least time. */
static enum ob_err measure(const struct ob_choose_job *job, struct ob_choice *choice,
                           struct estimates *ret_estimates, struct ob_error *error) {
    double losses[2];
    enum ob_err failed = job->use(job->context, choice->products, error);
    if (!failed)
        failed = job->losses(job->context, 0, losses, error);
    for (unsigned i = 0; i < job->directions && !failed; i++) {
        uint64_t start = job->now_ns();
        failed = job->losses(job->context, i, losses, error);
        double seconds = (double)(job->now_ns() - start) * 1e-9;
        if (!choice->measured || seconds < choice->seconds)
            choice->seconds = seconds;
        choice->measured = true;
        ret_estimates->g[i] = losses[0] - losses[1];
    }
    return failed;
}

static double error_of(const struct ob_choose_job *job, const struct estimates *exact,
                       const struct estimates *rough) {
    double square = 0, difference = 0;
    for (unsigned i = 0; i < job->directions; i++) {
        square += exact->g[i] * exact->g[i];
        difference += (rough->g[i] - exact->g[i]) * (rough->g[i] - exact->g[i]);
    }
    if (difference == 0)
        return 0;
    return square > 0 ? sqrt(difference / square) : (double)INFINITY;
}

static void judge(struct ob_choice *choice, const struct ob_choice *plain) {
    if (!(choice->error <= OB_CHOOSE_ERROR_MAX))
        (void)snprintf(choice->why, sizeof choice->why, "estimates differ by %.2g", choice->error);
    else if (!(choice->seconds < OB_CHOOSE_GAIN * plain->seconds))
        (void)snprintf(choice->why, sizeof choice->why, "not faster");
    else
        choice->passes = true;
}

static void try_way(const struct ob_choose_job *job, struct ob_choice *choice,
                    const struct estimates *exact) {
    struct estimates rough;
    struct ob_error error = {0};
    const char *why;
    if (!ob_products_available(choice->products, &why)) {
        (void)snprintf(choice->why, sizeof choice->why, "%s", why);
    } else if (measure(job, choice, &rough, &error)) {
        (void)snprintf(choice->why, sizeof choice->why, "%.*s", (int)sizeof choice->why - 1, error.text);
        choice->measured = false;
    } else {
        choice->error = error_of(job, exact, &rough);
    }
}

enum ob_err ob_choose(const struct ob_choose_job *job, struct ob_choices *ret_choices,
                      struct ob_error *error) {
    assert(job->way_count >= 1 && job->way_count <= OB_CHOICES_MAX && job->directions >= 1 &&
           job->directions <= DIRECTIONS_MAX);
    struct ob_choices choices = {.count = job->way_count};
    struct estimates exact;
    for (size_t i = 0; i < choices.count; i++)
        choices.list[i].products = job->ways[i];
    struct ob_choice *plain = &choices.list[0];
    enum ob_err failed = measure(job, plain, &exact, error);
    for (size_t i = 1; i < choices.count && !failed; i++)
        try_way(job, &choices.list[i], &exact);
    if (!failed && choices.count > 1) /* again: the machine may have been busy the first time */
        failed = measure(job, plain, &exact, error);
    if (failed)
        return failed;
    plain->passes = true;
    for (size_t i = 1; i < choices.count; i++) {
        if (choices.list[i].measured)
            judge(&choices.list[i], plain);
        if (choices.list[i].passes && choices.list[i].seconds < choices.list[choices.chosen].seconds)
            choices.chosen = i;
    }
    failed = job->use(job->context, choices.list[choices.chosen].products, error);
    if (!failed)
        *ret_choices = choices;
    return failed;
}

/* ---- the ways of this build ---- */

struct door {
    struct ob_forward *forward;
    ob_choose_losses_fn losses;
    void *context;
};

static enum ob_err use(void *context, const struct ob_products *products, struct ob_error *error) {
    const struct door *door = context;
    return ob_forward_use(door->forward, products, error);
}

static enum ob_err losses_of(void *context, unsigned direction, double ret_losses[2],
                             struct ob_error *error) {
    const struct door *door = context;
    return door->losses(door->context, direction, ret_losses, error);
}

static enum ob_err time_layers(struct door *door, uint32_t layers, double *ret_seconds,
                               struct ob_error *error) {
    double losses[2];
    ob_forward_limit_layers(door->forward, layers);
    enum ob_err failed = door->losses(door->context, 0, losses, error);
    uint64_t start = ob_now_ns();
    if (!failed)
        failed = door->losses(door->context, 0, losses, error);
    *ret_seconds = ob_seconds_since(start);
    return failed;
}

/* So many layers that all samples of all ways take about OB_CHOOSE_SECONDS, if float32 is as fast as any. */
static enum ob_err fit_layers(struct door *door, size_t ways, struct ob_error *error) {
    double one = 0, two = 0;
    enum ob_err failed = time_layers(door, 1, &one, error);
    if (!failed)
        failed = time_layers(door, 2, &two, error);
    if (failed)
        return failed;
    double layer = two > one ? two - one : 1e-9;
    double each = OB_CHOOSE_SECONDS / (double)((DIRECTIONS + 1) * (ways + 1));
    double layers = each > one ? 1 + (each - one) / layer : 1;
    ob_forward_limit_layers(door->forward, layers < 1e6 ? (uint32_t)layers : 0);
    return OB_OK;
}

enum ob_err ob_forward_choose(struct ob_forward *forward, ob_choose_losses_fn losses, void *context,
                              struct ob_choices *ret_choices, struct ob_error *error) {
    const struct ob_products *ways[OB_CHOICES_MAX];
    size_t count = 0;
    while (count < OB_CHOICES_MAX && ob_products_at(count)) {
        ways[count] = ob_products_at(count);
        count++;
    }
    assert(count > 0);
    struct door door = {.forward = forward, .losses = losses, .context = context};
    struct ob_choose_job job = {.context = &door,
                                .use = use,
                                .losses = losses_of,
                                .now_ns = ob_now_ns,
                                .ways = ways,
                                .way_count = count,
                                .directions = DIRECTIONS};
    enum ob_err failed = ob_forward_use(forward, ways[0], error);
    if (!failed && count > 1)
        failed = fit_layers(&door, count, error);
    if (!failed)
        failed = ob_choose(&job, ret_choices, error);
    ob_forward_limit_layers(forward, 0);
    return failed;
}

const char *ob_choices_text(const struct ob_choices *choices, char ret_text[static OB_CHOICES_TEXT_MAX]) {
    size_t used = 0;
    ret_text[0] = 0;
    for (size_t i = 0; i < choices->count && used < OB_CHOICES_TEXT_MAX; i++) {
        const struct ob_choice *c = &choices->list[i];
        char *to = ret_text + used;
        size_t room = OB_CHOICES_TEXT_MAX - used;
        const char *gap = i > 0 ? "; " : "";
        int wrote = !c->measured ? snprintf(to, room, "%s%s: %s", gap, c->products->name, c->why)
                    : i == 0     ? snprintf(to, room, "%s 1.00", c->products->name)
                                 : snprintf(to, room, "%s%s %.2f (error %.2g%s%s)", gap, c->products->name,
                                            c->seconds / choices->list[0].seconds, c->error,
                                        c->why[0] ? ": " : "", c->why);
        used += wrote > 0 ? (size_t)wrote : 0;
    }
    return ret_text;
}
