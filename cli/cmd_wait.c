#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/ask.h"
#include "cli/command.h"

struct arguments {
    struct ob_cli_at at;
    const char *what;
    int64_t timeout_s;
};

#define POLL_NS 250000000L

static const struct ob_operand OPERANDS[] = {OB_OPERAND_STATE_DIR(struct arguments)};
static const struct ob_option OPTIONS[] = {
    {"for", "WHAT",
     "finished (all rounds are done, and no machine that this one hears trains any more), round=N (this "
     "machine has come "
     "that far), or loss<X (of its last round)",
     OB_ARGUMENT(struct arguments, what), .fallback = "finished"},
    {"timeout", "SECONDS", "give up after so long, with exit code 3; default: never",
     OB_ARGUMENT(struct arguments, timeout_s), .low = 1, .high = 1000000000},
    OB_OPTION_RUN(struct arguments),
};

struct condition {
    bool finished;
    double round; /* NaN: not asked for */
    double loss;
};

static enum ob_err read_condition(const char *text, struct condition *ret_condition, struct ob_error *error) {
    struct condition c = {.round = NAN, .loss = NAN};
    char *end = NULL;
    if (strcmp(text, "finished") == 0)
        c.finished = true;
    else if (strncmp(text, "round=", 6) == 0)
        c.round = strtod(text + 6, &end);
    else if (strncmp(text, "loss<", 5) == 0)
        c.loss = strtod(text + 5, &end);
    bool number =
        end && *end == 0 && end != strpbrk(text, "=<") + 1 && isfinite(isnan(c.round) ? c.loss : c.round);
    if (!c.finished && !number)
        return ob_fail(error, OB_EUSAGE, "--for is \"%s\"; expected finished, round=N or loss<X (in quotes)",
                       text);
    *ret_condition = c;
    return OB_OK;
}

static bool word_is(const json_t *object, const char *key, const char *word) {
    const char *text = json_string_value(json_object_get(object, key));
    return text && strcmp(text, word) == 0;
}

/* This machine has done all rounds, or one that an observer follows, and no other that it hears is still training: the weights do
 * not change any more. */
static bool run_is_finished(const json_t *status) {
    const json_t *machine;
    size_t i, finished = 0;
    json_array_foreach(json_object_get(status, "machines"), i, machine) {
        if (!json_is_true(json_object_get(machine, "self")) &&
            json_is_true(json_object_get(machine, "training")) && !word_is(machine, "state", "finished"))
            return false;
        finished += word_is(machine, "state", "finished");
    }
    bool observer = json_is_true(json_object_get(status, "observer"));
    return word_is(status, "life", "finished") || (observer && finished > 0);
}

static bool holds(const struct condition *c, const json_t *status) {
    const json_t *loss = json_object_get(status, "loss");
    if (c->finished)
        return run_is_finished(status);
    if (word_is(status, "life", "finished") && !isnan(c->round))
        return true;
    if (!isnan(c->round))
        return json_number_value(json_object_get(status, "round")) >= c->round;
    return !isnan(c->loss) && json_is_number(loss) &&
           json_number_value(json_object_get(status, "own_rounds")) > 0 && json_number_value(loss) < c->loss;
}

static int wait_for(const void *arguments) {
    const struct arguments *a = arguments;
    struct ob_error error = {0};
    struct ob_cli_place place;
    struct condition condition = {.round = NAN, .loss = NAN};
    uint64_t started_s = ob_now_s();
    enum ob_err failed = read_condition(a->what, &condition, &error);
    if (!failed)
        failed = ob_cli_find(&a->at, OB_NEED_STATE_DIR, &place, &error);
    for (bool done = false; !failed && !done;) {
        json_t *status = NULL;
        failed = ob_cli_ask_command(place.state_dir, "status", &status, &error);
        done = !failed && holds(&condition, status);
        if (!failed && !done && word_is(status, "life", "halted"))
            failed = ob_fail(&error, OB_ESTATE, "the daemon has halted: `onebyte status` says why");
        json_decref(status);
        if (failed || done)
            break;
        if (a->timeout_s != OB_NOT_GIVEN && ob_now_s() - started_s >= (uint64_t)a->timeout_s) {
            fprintf(stderr, "onebyte: %s did not hold within %lld s\n", a->what, (long long)a->timeout_s);
            return OB_EXIT_CHECK;
        }
        (void)nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    }
    return failed ? ob_cli_fail(&error) : OB_EXIT_DONE;
}

const struct ob_command OB_COMMAND_WAIT = {
    .name = "wait",
    .summary = "wait until the run has come so far",
    .details = "Ends with 0 when it holds, with 1 when no daemon is running or it halts, with 3 after "
               "--timeout. For "
               "scripts: `onebyte wait && onebyte export --out tuned`.",
    OB_OPERANDS(OPERANDS),
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .run = wait_for,
};
