#include "peer/patience.h"

#include "peer/state.h"

#define PATIENCE_SHARE 3 /* of four: slower than a quarter */
#define PATIENCE_PAIR  15
#define PATIENCE_REST  4
#define DOUBLINGS_MAX  8

static double passed_on(double value, double passed_ns, double forget_ns) {
    return passed_ns < forget_ns ? value - value * passed_ns / forget_ns : 0;
}

void ob_patience_account(struct ob_peer *peer, struct machine *waits_for, uint64_t forget_ns) {
    struct pacing *pacing = &peer->pacing;
    uint64_t passed_ns = pacing->accounted_ns == 0 ? 0 : peer->now_ns - pacing->accounted_ns;
    pacing->accounted_ns = peer->now_ns;
    if (passed_ns == 0)
        return;
    double passed = (double)passed_ns, forget = (double)forget_ns;
    pacing->worked_ns = passed_on(pacing->worked_ns, passed, forget);
    for (size_t i = 0; i < peer->machines.count; i++) {
        struct machine_pacing *theirs = &peer->machines.order[i]->pacing;
        if (theirs->waited_ns > 0)
            theirs->waited_ns = passed_on(theirs->waited_ns, passed, forget);
    }
    if (waits_for != NULL)
        waits_for->pacing.waited_ns += passed;
    else if (peer->rounds.current.running)
        pacing->worked_ns += passed;
}

bool ob_patience_used_up(const struct ob_peer *peer, const struct machine *machine, uint64_t least_ns,
                         size_t others, size_t ahead) {
    double share = others == 0 ? PATIENCE_PAIR : PATIENCE_SHARE;
    return machine->pacing.waited_ns >= (double)least_ns &&
           machine->pacing.waited_ns > share * peer->pacing.worked_ns && 2 * ahead > others + 1;
}

void ob_patience_rest(struct ob_peer *peer, struct machine *machine) {
    struct machine_pacing *theirs = &machine->pacing;
    uint64_t rest_ns = (uint64_t)(PATIENCE_REST * theirs->waited_ns);
    bool good_for_long = theirs->rest_until_ns != 0 && peer->now_ns - theirs->rest_until_ns > theirs->rest_ns;
    if (good_for_long)
        theirs->strikes = 0;
    theirs->rest_ns = rest_ns << theirs->strikes;
    theirs->rest_until_ns = peer->now_ns + theirs->rest_ns;
    theirs->strikes += theirs->strikes < DOUBLINGS_MAX;
    theirs->waited_ns = 0;
}

bool ob_patience_rests(const struct ob_peer *peer, const struct machine *machine) {
    return machine->pacing.rest_until_ns > peer->now_ns;
}
