#include "daemon/pause.h"

#include <assert.h>

static const struct {
    const char *name, *text;
} REASONS[] = {
    [OB_PAUSE_OPERATOR] = {"operator", "paused by the operator; run `onebyte resume` to continue"},
    [OB_PAUSE_OVERRANGE] =
        {"overrange",
         "a weight is beyond half its range; training continues once the records that caused it are revoked"},
    [OB_PAUSE_JOINING] = {"joining",
                          "the weights come from a snapshot; training continues once it is verified"},
    [OB_PAUSE_ALONE] = {"alone", "the log is empty and no peer has been reached yet; training continues once "
                                 "one is reached. To start a run alone, set [swarm] solo = yes"},
    [OB_PAUSE_ISOLATED] =
        {"isolated", "too few machines hold our records; training continues once they can be reached again"},
    [OB_PAUSE_DIVERGING] = {"diverging",
                            "the run diverges ([training] pause_when_diverging); lower the learning rate, "
                            "or run `onebyte resume` to continue"},
    [OB_PAUSE_SCHEDULE] = {"schedule",
                           "outside the times of [desk] run_when; training continues at the next one"},
    [OB_PAUSE_IN_USE] = {"in-use", "in use; training continues when nobody uses this machine"},
    [OB_PAUSE_BATTERY] = {"battery", "on battery; training continues on mains power"},
    [OB_PAUSE_MEMORY] = {"memory", "above [desk] max_memory_mb; training continues below it"},
};
_Static_assert(sizeof REASONS / sizeof *REASONS == OB_PAUSE_COUNT, "every reason has its texts");

bool ob_pause_set(struct ob_pause *pause, enum ob_pause_reason reason, bool on) {
    assert(reason < OB_PAUSE_COUNT);
    bool was = ob_pause_any(pause);
    pause->reasons = on ? pause->reasons | 1u << reason : pause->reasons & ~(1u << reason);
    return was != ob_pause_any(pause);
}

bool ob_pause_has(const struct ob_pause *pause, enum ob_pause_reason reason) {
    return (pause->reasons & 1u << reason) != 0;
}

bool ob_pause_any(const struct ob_pause *pause) {
    return pause->reasons != 0;
}

const char *ob_pause_reason_name(enum ob_pause_reason reason) {
    return REASONS[reason].name;
}

const char *ob_pause_reason_text(enum ob_pause_reason reason) {
    return REASONS[reason].text;
}
