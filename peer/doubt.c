/* doubt - who sent records of a chain whose signatures are bad is not asked for that chain again for a while:
 * DOUBT_FIRST_NS after the first time, twice as long after each further one, at most DOUBT_LONGEST_NS. What
 * it claims of that chain is not believed meanwhile. One good record of the chain from it ends the doubt.
 *
 * Only answers that no honest machine gives are counted: frames are authenticated, so a bad signature was
 * sent by the source itself (or its disk is damaged, which one good record mends). Silence and loss are not
 * doubted (repair.c lets such a claim rest). A source remembers DOUBTS of its chains; when each of them is in
 * doubt, so is everything from that source. */
#include "peer/state.h"

static struct doubt *doubt_of(struct machine *source, const struct ob_machine_id *of) {
    for (size_t i = 0; i < DOUBTS; i++)
        if (source->doubts[i].strikes > 0 && ob_machine_equal(&source->doubts[i].of, of))
            return &source->doubts[i];
    return NULL;
}

/* A free place, or the one whose doubt ends (or ended) first. */
static struct doubt *place(struct machine *source) {
    struct doubt *first = &source->doubts[0];
    for (size_t i = 1; i < DOUBTS && first->strikes > 0; i++)
        if (source->doubts[i].strikes == 0 || source->doubts[i].until_ns < first->until_ns)
            first = &source->doubts[i];
    return first;
}

static uint64_t rest_ns(unsigned strikes) {
    uint64_t rest = DOUBT_FIRST_NS;
    for (unsigned i = 1; i < strikes && rest < DOUBT_LONGEST_NS; i++)
        rest *= 2;
    return rest < DOUBT_LONGEST_NS ? rest : DOUBT_LONGEST_NS;
}

void ob_doubt_bad(struct ob_peer *peer, struct machine *source, const struct ob_machine_id *of) {
    struct doubt *doubt = doubt_of(source, of);
    peer->counters.bad_answers++;
    if (doubt != NULL && peer->now_ns < doubt->until_ns)
        return; /* of one answer, or not asked for */
    if (doubt == NULL) {
        doubt = place(source);
        /* a source that is bad for ever more chains does not begin anew with each */
        bool all = doubt->strikes > 0 && peer->now_ns < doubt->until_ns;
        *doubt = (struct doubt){.of = *of, .strikes = all ? doubt->strikes : 0};
    }
    doubt->strikes++;
    doubt->until_ns = peer->now_ns + rest_ns(doubt->strikes);
}

void ob_doubt_good(struct machine *source, const struct ob_machine_id *of) {
    struct doubt *doubt = doubt_of(source, of);
    if (doubt != NULL)
        *doubt = (struct doubt){0};
}

bool ob_doubted(const struct ob_peer *peer, const struct machine *source, const struct ob_machine_id *of) {
    size_t active = 0;
    for (size_t i = 0; i < DOUBTS; i++) {
        const struct doubt *doubt = &source->doubts[i];
        if (doubt->strikes == 0 || peer->now_ns >= doubt->until_ns)
            continue;
        if (ob_machine_equal(&doubt->of, of))
            return true;
        active++;
    }
    return active == DOUBTS;
}
