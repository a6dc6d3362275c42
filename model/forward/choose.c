#include "model/forward/choose.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/race.h"

/* ---- measuring ---- */

struct measuring {
    const struct ob_choose_job *job;
    struct ob_choices *choices;
    double g[OB_CHOICES_MAX][OB_CHOOSE_TURNS]; /* up to a factor that all ways share */
    unsigned turns[OB_CHOICES_MAX];            /* of each: directions [0, turns) */
    enum ob_err failed;                        /* float32 did */
    struct ob_error *error;
};

/* One direction in one way; round 0 is for the caches and for what is packed at the first use. */
static bool take_turn(void *context, size_t way, unsigned round) {
    struct measuring *m = context;
    struct ob_choice *choice = &m->choices->list[way];
    struct ob_error own = {0}, *error = way == 0 ? m->error : &own;
    double losses[2];
    enum ob_err failed = m->failed ? m->failed : m->job->use(m->job->context, choice->products, error);
    if (!failed)
        failed = m->job->losses(m->job->context, round > 0 ? round - 1 : 0, losses, error);
    if (failed && way == 0)
        m->failed = failed;
    else if (failed)
        (void)snprintf(choice->why, sizeof choice->why, "%.*s", (int)sizeof choice->why - 1, own.text);
    else if (round > 0)
        m->g[way][m->turns[way]++] = losses[0] - losses[1];
    return way == 0 || !failed;
}

static double error_of(const struct measuring *m, size_t way) {
    double square = 0, difference = 0;
    for (unsigned i = 0; i < m->turns[way]; i++) {
        double exact = m->g[0][i], off = m->g[way][i] - exact;
        square += exact * exact;
        difference += off * off;
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

static struct ob_race line_up(struct ob_choices *choices) {
    struct ob_race race = {.count = choices->count};
    for (size_t i = 0; i < race.count; i++) {
        struct ob_choice *choice = &choices->list[i];
        const char *why;
        bool available = ob_products_available(choice->products, &why);
        race.list[i] = (struct ob_racer){
            .name = choice->products->name, .available = available || i == 0, .stays = i == 0};
        if (!available)
            (void)snprintf(choice->why, sizeof choice->why, "%s", why);
    }
    return race;
}

/* What the race has shown: the fastest of those whose estimates pass. */
static void take_fastest(struct ob_choices *choices, const struct ob_race *race, const struct measuring *m) {
    for (size_t i = 0; i < choices->count; i++) {
        struct ob_choice *choice = &choices->list[i];
        choice->measured = race->list[i].available;
        if (!choice->measured)
            continue;
        choice->seconds = (double)race->list[i].least_ns * 1e-9;
        choice->error = error_of(m, i);
        choice->passes = i == 0;
        if (i > 0)
            judge(choice, &choices->list[0]);
        if (choice->passes && choice->seconds < choices->list[choices->chosen].seconds)
            choices->chosen = i;
    }
}

/* Does this processor have another way than float32? */
static bool is_a_choice(const struct ob_products *const *ways, size_t count) {
    for (size_t i = 1; i < count; i++)
        if (ob_products_available(ways[i], NULL))
            return true;
    return false;
}

enum ob_err ob_choose(const struct ob_choose_job *job, struct ob_choices *ret_choices,
                      struct ob_error *error) {
    assert(job->way_count >= 1 && job->way_count <= OB_CHOICES_MAX);
    struct ob_choices choices = {.count = job->way_count};
    struct measuring m = {.job = job, .choices = &choices, .error = error};
    for (size_t i = 0; i < choices.count; i++)
        choices.list[i].products = job->ways[i];
    struct ob_race race = line_up(&choices);
    if (!is_a_choice(job->ways, job->way_count)) {
        choices.list[0].passes = true;
        (void)snprintf(choices.list[0].why, sizeof choices.list[0].why, "the only way here");
        *ret_choices = choices;
        return job->use(job->context, job->ways[0], error);
    }
    struct ob_race_job turns = {.run = take_turn,
                                .context = &m,
                                .now_ns = job->now_ns,
                                .rounds = OB_CHOOSE_TURNS,
                                .limit_ns = (uint64_t)(OB_CHOOSE_SECONDS * 1e9),
                                .heats = OB_CHOOSE_HEATS,
                                .behind = OB_CHOOSE_BEHIND};
    ob_race_run(&turns, &race);
    if (m.failed)
        return m.failed;
    take_fastest(&choices, &race, &m);
    enum ob_err failed = job->use(job->context, choices.list[choices.chosen].products, error);
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

/* So many layers that the heats take half of OB_CHOOSE_SECONDS, if float32 is as fast as any. */
static enum ob_err fit_layers(struct door *door, size_t ways, struct ob_error *error) {
    double one = 0, two = 0;
    enum ob_err failed = time_layers(door, 1, &one, error);
    if (!failed)
        failed = time_layers(door, 2, &two, error);
    if (failed)
        return failed;
    double layer = two > one ? two - one : 1e-9;
    double each = 0.5 * OB_CHOOSE_SECONDS / (double)((OB_CHOOSE_HEATS + 1) * ways);
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
                                .way_count = count};
    enum ob_err failed = ob_forward_use(forward, ways[0], error);
    if (!failed && is_a_choice(ways, count))
        failed = fit_layers(&door, count, error);
    ob_forward_keep_ways(forward, true);
    if (!failed)
        failed = ob_choose(&job, ret_choices, error);
    ob_forward_keep_ways(forward, false);
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
