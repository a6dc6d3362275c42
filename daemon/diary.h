/* diary - what a daemon writes into the history of its run (history/history.h), and what it concludes from it: rows when own
 * rounds end (and once in DIARY_IDLE_S without any), frontiers with their digests and held-out scores, events; once a second
 * the verdict. Nothing here fails the daemon.
 *
 * Owns:    the history.
 * Threads: the network thread. */
#ifndef OB_DAEMON_DIARY_H
#define OB_DAEMON_DIARY_H

#include "daemon/hook.h"
#include "daemon/session.h"
#include "history/health.h"

#define OB_DIARY_RECENT   4    /* frontiers whose scores may still come in */
#define OB_DIARY_RECENT_S 30.0 /* what others told before says nothing of now */

/* Of the records that came in since the last row. */
struct ob_diary_bytes {
    uint64_t bytes, saturated, abstained, sized;
    double size; /* sum of log2 |estimate| over `sized` of them */
};

/* Totals at the last row. */
struct ob_diary_totals {
    double replay_s;
    uint64_t sent_bytes, received_bytes;
};

struct ob_diary_frontier {
    uint32_t below;
    struct ob_hash log;
    struct ob_history_end *ends; /* owned */
    size_t count;
};

struct ob_diary {
    const struct ob_session *session; /* borrowed */
    struct ob_history *history;
    struct ob_hook hook; /* hears of each event */
    struct ob_diary_bytes seen;
    struct ob_diary_totals totals;
    struct ob_diary_frontier recent[OB_DIARY_RECENT];
    size_t recent_count;                          /* ever added */
    uint64_t start_ns, row_ns, round_ns, tend_ns; /* of the last row, own round and tending; 0: none */
    uint64_t round_samples;
    double loss;                   /* training loss, a mean that forgets over some twenty rounds; NaN: none */
    double last_loss;              /* of the last round */
    double rate;                   /* own samples a second, lately */
    double swarm_loss, swarm_rate; /* of all that tell, ours included */
    double start_loss;             /* of the oldest row of the history; NaN: none */
    double rounds_per_s;
    double curvature; /* that steps meet, when it stands out of its error; NaN: not known */
    double
        step_rate; /* learning rate of a sample, as schedule, combination and machines make it; NaN: not known */
    struct ob_health_view health;
    enum ob_health_kind before; /* that was told */
};

OB_MUST_USE enum ob_err ob_diary_open(struct ob_diary *diary, const struct ob_session *session,
                                      struct ob_error *error);
void ob_diary_close(struct ob_diary *diary);

/* A record counts now, our own or another's. */
void ob_diary_record(struct ob_diary *diary, const struct ob_record *record);
/* An own round ended; `view` is of before that. */
void ob_diary_round(struct ob_diary *diary, const struct ob_peer_view *view, double loss, uint16_t samples);
/* A weights digest of this frontier is being made; OB_ROUNDS_ALL: of the whole log. Returns the round that it is below. */
uint32_t ob_diary_frontier(struct ob_diary *diary, uint32_t below, const struct ob_hash *log);
void ob_diary_digest(struct ob_diary *diary, const struct ob_hash *log, const struct ob_hash *weights);
/* Records of this round and later ones are taken out again. */
void ob_diary_cut(struct ob_diary *diary, struct ob_round round);
/* machine: a name; "": none. */
void ob_diary_event(struct ob_diary *diary, const char *kind, const char *machine, const char *text);
/* Once a second it is due: ret_event is what the peer is to be told of us. `facts` are the caller's. */
bool ob_diary_due(const struct ob_diary *diary, uint64_t now_ns);
void ob_diary_tend(struct ob_diary *diary, const struct ob_health_facts *facts, uint64_t now_ns,
                   struct ob_event *ret_event);

#endif
