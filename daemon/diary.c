#include "daemon/diary.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/compute.h"
#include "spsa/code.h"

#define EVERY_NS    OB_SECOND_NS
#define IDLE_S      60.0 /* a row without a round, so that time goes on in the curves */
#define FORGET      0.1  /* of a mean over some twenty rounds */
#define ENDED_S     2.0  /* after the last round of all there is no rate */
#define RATE_ROUNDS 64   /* for the time that is left */

enum ob_err ob_diary_open(struct ob_diary *diary, const struct ob_session *session, struct ob_error *error) {
    struct ob_error warning = {0};
    char text[600];
    *diary = (struct ob_diary){.session = session,
                               .loss = NAN,
                               .last_loss = NAN,
                               .swarm_loss = NAN,
                               .start_loss = NAN,
                               .curvature = NAN,
                               .step_rate = NAN,
                               .hook = {.command = session->config->on_event,
                                        .run = session->manifest->name,
                                        .state_dir = session->config->state_dir,
                                        .logger = session->logger},
                               .start_ns = ob_now_ns(),
                               .row_ns = ob_now_ns()};
    enum ob_err failed = ob_history_open(session->config->state_dir, &session->manifest->run, &diary->history,
                                         &warning, error);
    if (!failed && warning.text[0])
        ob_log(session->logger, OB_LOG_WARN, "history", "text=%s",
               ob_logger_quote(warning.text, text, sizeof text));
    return failed;
}

void ob_diary_close(struct ob_diary *diary) {
    for (size_t i = 0; i < OB_DIARY_RECENT; i++) {
        free(diary->recent[i].ends);
        diary->recent[i].ends = NULL;
    }
    ob_history_close(diary->history);
    diary->history = NULL;
}

/* ---- bytes ---- */

void ob_diary_record(struct ob_diary *diary, const struct ob_record *record) {
    const struct ob_spsa_code *code = &diary->session->manifest->rule.code;
    struct ob_diary_bytes *seen = &diary->seen;
    for (uint16_t i = 0; i < record->n; i++) {
        unsigned magnitude = record->bytes[i] & 0x7f;
        seen->abstained += record->bytes[i] == OB_SPSA_ABSTAIN;
        seen->saturated += magnitude >= code->code_max;
        if (magnitude == 0)
            continue;
        seen->sized++;
        seen->size += ((double)magnitude - code->c0) / OB_SPSA_CODES_PER_OCTAVE + record->exponent;
    }
    seen->bytes += record->n;
}

/* ---- rows ---- */

static double learning_rate(const struct ob_manifest *manifest, uint32_t round) {
    const struct ob_spsa_rule *rule = &manifest->rule;
    size_t index = round / rule->rounds_per_rate;
    return ldexp((double)rule->rates[index < rule->rate_count ? index : rule->rate_count - 1], -48);
}

/* What was replayed, sent and received since the last row. */
static void add_work(struct ob_diary *diary, struct ob_history_row *row) {
    struct ob_transport_counters traffic = ob_transport_counters(diary->session->transport);
    struct ob_diary_totals before = diary->totals;
    diary->totals = (struct ob_diary_totals){
        .replay_s = ob_compute_view(diary->session->compute).replay_total_s,
        .sent_bytes = traffic.published_bytes + traffic.sent_bytes,
        .received_bytes = traffic.received_bytes,
    };
    if (row->seconds <= 0)
        return;
    row->replay = fmin((diary->totals.replay_s - before.replay_s) / row->seconds, 1);
    row->sent_rate = (double)(diary->totals.sent_bytes - before.sent_bytes) / row->seconds;
    row->received_rate = (double)(diary->totals.received_bytes - before.received_bytes) / row->seconds;
}

static void add_row(struct ob_diary *diary, uint32_t round, uint32_t rounds, uint16_t samples, double loss,
                    uint16_t live, uint64_t now_ns) {
    struct ob_diary_bytes *seen = &diary->seen;
    double seconds = (double)(now_ns - diary->row_ns) * 1e-9;
    bool finite = isfinite(loss) && fabs(loss) < 1e9;
    struct ob_history_row row = {
        .time_ms = ob_wall_ns() / 1000000,
        .round = round,
        .rounds = rounds,
        .seconds = seconds,
        .samples = samples,
        .loss = finite ? loss : NAN,
        .loss_square = finite ? loss * loss : NAN,
        .lr = isnan(diary->step_rate) ? learning_rate(diary->session->manifest, round) : diary->step_rate,
        .machines = live,
        .swarm_loss = diary->swarm_loss,
        .swarm_rate = diary->swarm_rate,
        .curvature = diary->curvature,
        .bytes = seen->bytes,
        .saturated = seen->saturated,
        .abstained = seen->abstained,
        .size = seen->sized > 0 ? seen->size / (double)seen->sized : NAN,
        .replay = NAN,
        .sent_rate = NAN,
        .received_rate = NAN,
    };
    add_work(diary, &row);
    ob_history_add_row(diary->history, &row);
    *seen = (struct ob_diary_bytes){0};
    diary->row_ns = now_ns;
}

void ob_diary_round(struct ob_diary *diary, const struct ob_peer_view *view, double loss, uint16_t samples) {
    uint64_t now_ns = ob_now_ns();
    if (samples == 0)
        return;
    diary->last_loss = loss;
    if (isfinite(loss))
        diary->loss = isnan(diary->loss) ? loss : diary->loss + FORGET * (loss - diary->loss);
    double seconds = (double)(now_ns - diary->row_ns) * 1e-9, rate = seconds > 0 ? samples / seconds : 0;
    diary->rate = diary->round_ns == 0 ? rate : diary->rate + FORGET * (rate - diary->rate);
    diary->round_ns = now_ns;
    add_row(diary, view->round.index, 1, samples, loss, view->live, now_ns);
}

/* ---- frontiers ---- */

static void add_end(void *context, const struct ob_machine_id *machine, uint64_t next) {
    struct ob_diary_frontier *frontier = context;
    frontier->ends[frontier->count++] = (struct ob_history_end){*machine, next};
}

/* All of the log; returns the round that it is below. */
static uint32_t add_all_ends(const struct ob_peer *peer, struct ob_diary_frontier *frontier) {
    uint32_t end = 0;
    for (size_t i = 0; i < ob_peer_count(peer); i++) {
        struct ob_peer_machine machine = ob_peer_machine(peer, i);
        if (!machine.has_records)
            continue;
        end = machine.head_round.index + 1 > end ? machine.head_round.index + 1 : end;
        if (frontier->ends)
            add_end(frontier, &machine.machine, machine.next.index);
    }
    return end;
}

uint32_t ob_diary_frontier(struct ob_diary *diary, uint32_t below, const struct ob_hash *log) {
    const struct ob_peer *peer = diary->session->peer;
    struct ob_diary_frontier *frontier = &diary->recent[diary->recent_count++ % OB_DIARY_RECENT];
    free(frontier->ends);
    *frontier = (struct ob_diary_frontier){
        .below = below, .log = *log, .ends = calloc(ob_peer_count(peer) + 1, sizeof *frontier->ends)};
    if (below == OB_ROUNDS_ALL)
        frontier->below = add_all_ends(peer, frontier);
    else if (frontier->ends)
        (void)ob_peer_ends_below(peer, below, add_end, frontier);
    return frontier->below;
}

/* What is known of it now, when that is more than is written. */
static void put_frontier(struct ob_diary *diary, const struct ob_diary_frontier *frontier,
                         const struct ob_hash *weights) {
    const struct ob_history_frontier *before = ob_history_frontier_of(diary->history, frontier->below);
    bool same = before && ob_hash_equal(&before->log, &frontier->log);
    struct ob_history_frontier now =
        same ? *before : (struct ob_history_frontier){.round = frontier->below, .log = frontier->log};
    struct ob_score score;
    size_t machines = ob_peer_score(diary->session->peer, &frontier->log, &score);
    bool news = !same || weights || machines > now.machines;
    if (!news || (!same && !weights && machines == 0))
        return;
    now.time_ms = same && now.time_ms > 0 ? now.time_ms : ob_wall_ns() / 1000000;
    if (weights)
        now.weights = *weights;
    if (machines > now.machines && ob_score_plausible(&score)) {
        now.score = score;
        now.machines = (uint32_t)machines;
    }
    ob_history_put_frontier(diary->history, &now, frontier->ends, frontier->count);
}

void ob_diary_digest(struct ob_diary *diary, const struct ob_hash *log, const struct ob_hash *weights) {
    static const struct ob_hash NONE;
    size_t kept = diary->recent_count < OB_DIARY_RECENT ? diary->recent_count : OB_DIARY_RECENT;
    for (size_t i = 0; i < kept; i++)
        if (ob_hash_equal(&diary->recent[i].log, log) && !ob_hash_equal(weights, &NONE))
            put_frontier(diary, &diary->recent[i], weights);
}

void ob_diary_cut(struct ob_diary *diary, struct ob_round round) {
    ob_history_forget_above(diary->history, round.index);
}

/* ---- events ---- */

void ob_diary_event(struct ob_diary *diary, const char *kind, const char *machine, const char *text) {
    struct ob_history_event event = {.time_ms = ob_wall_ns() / 1000000};
    (void)snprintf(event.kind, sizeof event.kind, "%s", kind);
    (void)snprintf(event.machine, sizeof event.machine, "%s", machine);
    (void)snprintf(event.text, sizeof event.text, "%s", text);
    ob_history_add_event(diary->history, &event);
    ob_hook_push(&diary->hook, &event, ob_now_ns());
}

/* ---- once a second ---- */

static void gather_swarm(struct ob_diary *diary, uint64_t now_ns) {
    const struct ob_peer *peer = diary->session->peer;
    double rate = diary->rate, loss = 0, weight = 0;
    if (!isnan(diary->loss) && diary->rate > 0) {
        loss = diary->loss * diary->rate;
        weight = diary->rate;
    }
    for (size_t i = 0; i < ob_peer_count(peer); i++) {
        struct ob_peer_machine machine = ob_peer_machine(peer, i);
        bool recent =
            machine.report_ns > 0 && (double)(now_ns - machine.report_ns) * 1e-9 < OB_DIARY_RECENT_S;
        if (!recent || !machine.admitted || machine.left)
            continue;
        rate += machine.reported_rate;
        if (isnan(machine.reported_loss) || machine.reported_rate <= 0)
            continue;
        loss += machine.reported_loss * machine.reported_rate;
        weight += machine.reported_rate;
    }
    diary->swarm_rate = rate;
    diary->swarm_loss = weight > 0 ? loss / weight : NAN;
}

/* Own rounds, or those of the run when others are ahead. */
static void measure_pace(struct ob_diary *diary) {
    const struct ob_history *history = diary->history;
    double seconds = 0;
    uint64_t rounds = 0;
    for (size_t i = ob_history_row_count(history); i-- > 0 && rounds < RATE_ROUNDS;) {
        seconds += ob_history_row_at(history, i)->seconds;
        rounds += ob_history_row_at(history, i)->rounds;
    }
    diary->rounds_per_s = seconds > 0 ? (double)rounds / seconds : 0;
    diary->start_loss = NAN;
    for (size_t i = 0; i < ob_history_row_count(history) && isnan(diary->start_loss); i++)
        diary->start_loss = ob_history_row_at(history, i)->loss;
}

static void flush(struct ob_diary *diary) {
    struct ob_error error = {0};
    char text[600];
    if (!ob_history_flush(diary->history, &error) && error.text[0])
        ob_log(diary->session->logger, OB_LOG_WARN, "history", "text=%s",
               ob_logger_quote(error.text, text, sizeof text));
}

bool ob_diary_due(const struct ob_diary *diary, uint64_t now_ns) {
    return now_ns - diary->tend_ns >= EVERY_NS;
}

void ob_diary_tend(struct ob_diary *diary, const struct ob_health_facts *facts, uint64_t now_ns,
                   struct ob_event *ret_event) {
    size_t kept = diary->recent_count < OB_DIARY_RECENT ? diary->recent_count : OB_DIARY_RECENT;
    diary->tend_ns = now_ns;
    double since_s = diary->round_ns > 0 ? (double)(now_ns - diary->round_ns) * 1e-9 : 0;
    if (since_s > (facts->finished ? ENDED_S : OB_DIARY_RECENT_S))
        diary->rate = 0;
    gather_swarm(diary, now_ns);
    if ((double)(now_ns - diary->row_ns) * 1e-9 >= IDLE_S) {
        struct ob_peer_view view = ob_peer_view(diary->session->peer);
        add_row(diary, view.round.index, 0, 0, NAN, view.live, now_ns);
    }
    for (size_t i = 0; i < kept; i++)
        put_frontier(diary, &diary->recent[i], NULL);
    measure_pace(diary);
    struct ob_health now;
    ob_health_of(diary->history, facts, &now);
    ob_health_show(&diary->health, &now);
    flush(diary);
    *ret_event = (struct ob_event){.kind = OB_EVENT_REPORT, .loss = diary->loss, .rate = diary->rate};
}
