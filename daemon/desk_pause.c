#include "daemon/desk_pause.h"

#include <malloc.h>
#include <math.h>
#include <time.h>

#include "base/clock.h"

static const enum ob_pause_reason REASONS[] = {
    [OB_DESK_OUTSIDE] = OB_PAUSE_SCHEDULE,
    [OB_DESK_IN_USE] = OB_PAUSE_IN_USE,
    [OB_DESK_ON_BATTERY] = OB_PAUSE_BATTERY,
    [OB_DESK_MEMORY] = OB_PAUSE_MEMORY,
};
_Static_assert(sizeof REASONS / sizeof *REASONS == OB_DESK_REASONS, "each has its reason to pause");

enum ob_pause_reason ob_desk_pause_reason(enum ob_desk_reason reason) {
    return REASONS[reason];
}

static struct ob_desk_rules rules_of(const struct ob_config *config) {
    return (struct ob_desk_rules){.when = config->when,
                                  .idle_s = (int64_t)(config->idle_minutes * 60),
                                  .pause_on_battery = config->pause_on_battery,
                                  .memory_bytes = (uint64_t)config->max_memory_mb * 1000000};
}

static struct ob_desk_sources sources_of(const struct ob_config *config) {
    return (struct ob_desk_sources){.power = config->pause_on_battery ? config->power_folder : NULL,
                                    .devices =
                                        config->when.kind == OB_RUN_IDLE ? config->devices_folder : NULL,
                                    .memory = config->max_memory_mb > 0};
}

static bool any(const struct ob_desk_sources *sources) {
    return sources->power || sources->devices || sources->memory;
}

static enum ob_err judge(const struct ob_config *config, const struct ob_desk_facts *facts,
                         struct ob_error *error) {
    if (config->when.kind == OB_RUN_IDLE && facts->idle_by == OB_DESK_NOBODY)
        return ob_fail(error, OB_EUSAGE,
                       "[desk] run_when = idle: nobody says here whether this machine is in use: logind does "
                       "not answer, and %s has no terminal or input device. Set run_when = always, or times "
                       "such as 22:00-06:00",
                       config->devices_folder);
    return OB_OK;
}

enum ob_err ob_desk_pause_check(const struct ob_config *config, struct ob_error *error) {
    struct ob_desk_sources sources = sources_of(config);
    struct ob_desk_facts facts = ob_desk_look(&sources);
    return judge(config, &facts, error);
}

enum ob_err ob_desk_pause_reload(struct ob_desk_pause *desk, const struct ob_config *config,
                                 struct ob_error *error) {
    struct ob_desk_sources sources = sources_of(config);
    struct ob_desk_watch *watch = NULL;
    struct ob_desk_facts facts = {.idle_s = NAN};
    enum ob_err failed = any(&sources) ? ob_desk_watch_open(&sources, &watch, error) : OB_OK;
    if (failed)
        return failed;
    if (watch)
        facts = ob_desk_watch_facts(watch);
    if ((failed = judge(config, &facts, error))) {
        ob_desk_watch_close(watch);
        return failed;
    }
    ob_desk_watch_close(desk->watch);
    desk->watch = watch;
    desk->facts = facts;
    desk->rules = rules_of(config);
    desk->looked_ns = 0;
    return OB_OK;
}

enum ob_err ob_desk_pause_open(struct ob_desk_pause *desk, const struct ob_config *config,
                               struct ob_error *error) {
    *desk = (struct ob_desk_pause){0};
    return ob_desk_pause_reload(desk, config, error);
}

bool ob_desk_pause_tend(struct ob_desk_pause *desk, uint64_t now_ns, unsigned *ret_gone, unsigned *ret_come) {
    if (desk->looked_ns != 0 && now_ns - desk->looked_ns < OB_SECOND_NS)
        return false;
    desk->looked_ns = now_ns;
    tzset(); /* a machine travels */
    if (desk->watch)
        desk->facts = ob_desk_watch_facts(desk->watch);
    unsigned before = desk->verdict.reasons;
    desk->verdict = ob_desk_decide(&desk->rules, &desk->facts, (int64_t)ob_wall_s());
    *ret_come = desk->verdict.reasons & ~before;
    *ret_gone = before & ~desk->verdict.reasons;
    if (*ret_come & 1u << OB_DESK_MEMORY)
        (void)malloc_trim(0); /* what was freed and is still ours goes back first */
    return *ret_come || *ret_gone;
}

void ob_desk_pause_close(struct ob_desk_pause *desk) {
    ob_desk_watch_close(desk->watch);
    desk->watch = NULL;
}

const char *ob_desk_pause_text(const struct ob_desk_pause *desk, const struct ob_config *config,
                               enum ob_pause_reason reason, char buffer[OB_DESK_TEXT_MAX]) {
    for (size_t i = 0; i < OB_DESK_REASONS; i++)
        if (REASONS[i] == reason)
            return ob_desk_text((enum ob_desk_reason)i, &desk->rules, config->run_when, &desk->facts,
                                (int64_t)ob_wall_s(), buffer);
    return ob_pause_reason_text(reason);
}
