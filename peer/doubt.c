#include "peer/doubt.h"

#define SECONDS          1000000000ull
#define DOUBT_FIRST_NS   (2 * SECONDS)
#define DOUBT_LONGEST_NS (64 * SECONDS)

static struct doubt *doubt_of(struct doubts *source, const struct ob_machine_id *of) {
    for (size_t i = 0; i < DOUBTS; i++)
        if (source->list[i].strikes > 0 && ob_machine_equal(&source->list[i].of, of))
            return &source->list[i];
    return NULL;
}

/* A free place, or the one whose doubt ends (or ended) first. */
static struct doubt *place(struct doubts *source) {
    struct doubt *first = &source->list[0];
    for (size_t i = 1; i < DOUBTS && first->strikes > 0; i++)
        if (source->list[i].strikes == 0 || source->list[i].until_ns < first->until_ns)
            first = &source->list[i];
    return first;
}

static uint64_t rest_ns(unsigned strikes) {
    uint64_t rest = DOUBT_FIRST_NS;
    for (unsigned i = 1; i < strikes && rest < DOUBT_LONGEST_NS; i++)
        rest *= 2;
    return rest < DOUBT_LONGEST_NS ? rest : DOUBT_LONGEST_NS;
}

void ob_doubt_bad(struct doubts *source, const struct ob_machine_id *of, uint64_t now_ns) {
    struct doubt *doubt = doubt_of(source, of);
    if (doubt != NULL && now_ns < doubt->until_ns)
        return; /* of one answer, or not asked for */
    if (doubt == NULL) {
        doubt = place(source);
        /* a source that is bad for ever more chains does not begin anew with each */
        bool all = doubt->strikes > 0 && now_ns < doubt->until_ns;
        *doubt = (struct doubt){.of = *of, .strikes = all ? doubt->strikes : 0};
    }
    doubt->strikes++;
    doubt->until_ns = now_ns + rest_ns(doubt->strikes);
}

void ob_doubt_good(struct doubts *source, const struct ob_machine_id *of) {
    struct doubt *doubt = doubt_of(source, of);
    if (doubt != NULL)
        *doubt = (struct doubt){0};
}

bool ob_doubted(const struct doubts *source, const struct ob_machine_id *of, uint64_t now_ns) {
    size_t active = 0;
    for (size_t i = 0; i < DOUBTS; i++) {
        const struct doubt *doubt = &source->list[i];
        if (doubt->strikes == 0 || now_ns >= doubt->until_ns)
            continue;
        if (ob_machine_equal(&doubt->of, of))
            return true;
        active++;
    }
    return active == DOUBTS;
}
