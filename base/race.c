#include "base/race.h"

#include <assert.h>
#include <stdio.h>

static void run_round(const struct ob_race_job *job, struct ob_race *race, bool timed) {
    for (size_t i = 0; i < race->count; i++) {
        if (!race->list[i].available)
            continue;
        uint64_t start = timed ? job->now_ns() : 0;
        job->run(job->context, i);
        uint64_t took = timed ? job->now_ns() - start : UINT64_MAX;
        if (took < race->list[i].least_ns)
            race->list[i].least_ns = took;
    }
}

void ob_race_run(const struct ob_race_job *job, struct ob_race *race) {
    assert(race->count > 0 && race->count <= OB_RACE_MAX && job->rounds > 0);
    for (size_t i = 0; i < race->count; i++)
        race->list[i].least_ns = UINT64_MAX;
    run_round(job, race, false);
    uint64_t start = job->now_ns();
    for (unsigned round = 0; round < job->rounds && (round == 0 || job->now_ns() - start < job->limit_ns);
         round++)
        run_round(job, race, true);
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < race->count; i++)
        if (race->list[i].available && race->list[i].least_ns <= least) {
            least = race->list[i].least_ns;
            race->fastest = i;
        }
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
