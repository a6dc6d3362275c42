/* choose - measures which way to multiply (products.h) is the fastest here.
 *
 * Each way evaluates the run's own samples, on the run's own rows and shapes, on as many of the model's
 * layers, from the first trained one on, as fit into the time. They take turns (base/race.h), so that a machine that is busy for a while disturbs all
 * of them, and the least time of each counts. After OB_CHOOSE_HEATS directions those that are far behind leave, and the
 * rest of the time goes to the others.
 * A way is skipped if this processor lacks what it needs, if its estimates differ from those in float32 by more than
 * OB_CHOOSE_ERROR_MAX (rms of the differences over rms of g, over the directions of its turns), or if it is not faster
 * than float32, which is the default.
 * Nothing is measured where this processor has no other way than float32.
 * Few directions are measured: `onebyte probe` tells a way's error exactly.
 * Errors:  those of the losses in float32. An error in another way only rules that way out.
 * Threads: one call at a time for a forward. */
#ifndef OB_MODEL_FORWARD_CHOOSE_H
#define OB_MODEL_FORWARD_CHOOSE_H

#include "model/forward/forward.h"

#define OB_CHOICES_MAX      8
#define OB_CHOOSE_ERROR_MAX 0.05
#define OB_CHOOSE_GAIN      0.97 /* of float32's time: a way must take less */
#define OB_CHOOSE_HEATS     4    /* directions that every way evaluates */
#define OB_CHOOSE_TURNS     32   /* directions at most */
#define OB_CHOOSE_BEHIND    2.0  /* times the fastest's time: a way that takes more leaves after the heats */
#define OB_CHOOSE_SECONDS   1.0  /* for all ways together, about */
#define OB_CHOICES_TEXT_MAX 512

struct ob_choice {
    const struct ob_products *products;
    bool measured, passes;
    double seconds; /* of one sample at its best, of the layers that were measured */
    double error;   /* of its estimates */
    char why[128];  /* why it was skipped; "": it was not */
};

struct ob_choices {
    size_t count, chosen;
    struct ob_choice list[OB_CHOICES_MAX]; /* float32 is the first */
};

/* What to measure. Tests pass their own `ways`; the daemon calls ob_forward_choose. */
struct ob_choose_job {
    void *context;
    enum ob_err (*use)(void *context, const struct ob_products *products, struct ob_error *error);
    /* Losses on both sides of direction number `direction`, computed in the way in use. */
    enum ob_err (*losses)(void *context, unsigned direction, double ret_losses[2], struct ob_error *error);
    uint64_t (*now_ns)(void);
    const struct ob_products *const *ways; /* float32 first */
    size_t way_count;
};

/* On success the chosen way is in use. */
OB_MUST_USE enum ob_err ob_choose(const struct ob_choose_job *job, struct ob_choices *ret_choices,
                                  struct ob_error *error);

typedef enum ob_err (*ob_choose_losses_fn)(void *context, unsigned direction, double ret_losses[2],
                                           struct ob_error *error);
/* Every way of this build, with `losses` of `forward`. */
OB_MUST_USE enum ob_err ob_forward_choose(struct ob_forward *forward, ob_choose_losses_fn losses,
                                          void *context, struct ob_choices *ret_choices,
                                          struct ob_error *error);

/* One line: each way with its time relative to float32's and its error, or why it was skipped. */
const char *ob_choices_text(const struct ob_choices *choices, char ret_text[static OB_CHOICES_TEXT_MAX]);

#endif
