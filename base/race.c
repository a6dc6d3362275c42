#include "base/race.h"

#include <assert.h>
#include <stdio.h>

static uint64_t least_of(const struct ob_race *race) {
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < race->count; i++)
        if (race->list[i].available && race->list[i].least_ns < least)
            least = race->list[i].least_ns;
    return least;
}

static void run_round(const struct ob_race_job *job, struct ob_race *race, unsigned round) {
    for (size_t i = 0; i < race->count; i++) {
        struct ob_racer *racer = &race->list[i];
        if (!racer->available || racer->left)
            continue;
        uint64_t start = round > 0 ? job->now_ns() : 0;
        racer->available = job->run(job->context, i, round);
        uint64_t took = round > 0 ? job->now_ns() - start : UINT64_MAX;
        if (took < racer->least_ns)
            racer->least_ns = took;
    }
}

static void let_leave(const struct ob_race_job *job, struct ob_race *race) {
    double most = job->behind * (double)least_of(race);
    for (size_t i = 0; i < race->count; i++) {
        struct ob_racer *racer = &race->list[i];
        if (racer->available && !racer->stays && (double)racer->least_ns > most)
            racer->left = true;
    }
}

void ob_race_run(const struct ob_race_job *job, struct ob_race *race) {
    assert(race->count > 0 && race->count <= OB_RACE_MAX && job->rounds > 0 && job->heats > 0);
    for (size_t i = 0; i < race->count; i++)
        race->list[i].least_ns = UINT64_MAX;
    run_round(job, race, 0);
    uint64_t start = job->now_ns();
    for (unsigned round = 1; round <= job->rounds; round++) {
        if (round > job->heats && job->now_ns() - start >= job->limit_ns)
            break;
        run_round(job, race, round);
        if (round >= job->heats && job->behind > 0)
            let_leave(job, race);
    }
    uint64_t least = least_of(race);
    for (size_t i = 0; i < race->count; i++)
        if (race->list[i].available && race->list[i].least_ns == least)
            race->fastest = i;
}

const char *ob_race_text(const struct ob_race *race, char ret_text[static OB_RACE_TEXT_MAX]) {
    size_t used = 0;
    ret_text[0] = 0;
    for (size_t i = 0; i < race->count && used < OB_RACE_TEXT_MAX; i++) {
        const struct ob_racer *r = &race->list[i];
        uint64_t least = race->list[race->fastest].least_ns;
        double ratio = (double)r->least_ns / (double)(least ? least : 1);
        char *to = ret_text + used;
        size_t room = OB_RACE_TEXT_MAX - used;
        const char *gap = i > 0 ? "; " : "";
        int wrote = r->available ? snprintf(to, room, "%s%s %.2f", gap, r->name, ratio)
                                 : snprintf(to, room, "%s%s: not on this processor", gap, r->name);
        used += wrote > 0 ? (size_t)wrote : 0;
    }
    return ret_text;
}
