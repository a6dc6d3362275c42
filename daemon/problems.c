#include "daemon/problems.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

#define SOON_S   (7.0 * 86400)
#define BEHIND   8    /* rounds */
#define REPLAY_S 5.0  /* of records that are held and are not in the weights yet */
#define SILENT_S 30.0 /* without a record, of a machine that trained */
#define RECENT_S 10.0 /* since a record, of one that trains */

static struct ob_problem *add(struct ob_problems *problems, bool critical, const char *kind,
                              const char *remedy) {
    if (problems->count == OB_PROBLEMS_MAX) {
        problems->left_out++;
        return NULL;
    }
    struct ob_problem *problem = &problems->items[problems->count++];
    *problem = (struct ob_problem){.critical = critical};
    (void)snprintf(problem->kind, sizeof problem->kind, "%s", kind);
    (void)snprintf(problem->remedy, sizeof problem->remedy, "%s", remedy);
    return problem;
}

static void say(struct ob_problem *problem, const char *machine, const char *format, ...) OB_PRINTF(3, 4);
static void say(struct ob_problem *problem, const char *machine, const char *format, ...) {
    va_list arguments;
    if (!problem)
        return;
    (void)snprintf(problem->machine, sizeof problem->machine, "%s", machine);
    va_start(arguments, format);
    (void)vsnprintf(problem->text, sizeof problem->text, format, arguments);
    va_end(arguments);
}

/* ---- this machine ---- */

static void look_at_life(const struct ob_status *s, struct ob_problems *problems) {
    static const struct {
        const char *life, *text, *remedy;
        bool critical;
    } LIVES[] = {
        {"halted", "this machine must no longer sign; its log says why",
         "make a new identity (`onebyte keygen`) and ask for a new certificate", true},
        {"disk-full", "the disk is full; nothing is trained", "free some space; training continues by itself",
         true},
        {"log-locked",
         "the log cannot be written, because another program keeps it locked; nothing is trained",
         "end that program (a backup, `sqlite3`); training continues by itself", true},
        {"log-gone", "the log was removed or replaced; nothing is trained",
         "put log.sqlite back where it was; training continues by itself", true},
        {"replaying", "records that were fetched are applied before it trains", "", false},
        {"rebuilding", "the weights are being verified against the base model and the log", "", false},
        {"fetching", "the manifest is being fetched from a peer", "", false},
        {"recovering", "the log is being read and the weights are prepared", "", false},
        {"reconciling", "other machines are asked which of our records they hold",
         "check that they can be reached; it ends after [swarm] rejoin_wait_s once one has answered", false},
    };
    for (size_t i = 0; i < sizeof LIVES / sizeof *LIVES; i++)
        if (strcmp(s->life, LIVES[i].life) == 0)
            say(add(problems, LIVES[i].critical, LIVES[i].life, LIVES[i].remedy), "", "%s", LIVES[i].text);
}

static void say_paused(struct ob_problem *problem, const char *text) {
    bool says = strncmp(text, "paused", strlen("paused")) == 0;
    say(problem, "", "%s%s", says ? "" : "paused: ", text);
}

/* What the owner of the machine wants is no fault. */
static void look_at_pauses(const struct ob_status *s, struct ob_problems *problems) {
    static const struct {
        bool wanted;
        const char *remedy;
    } PAUSES[OB_PAUSE_COUNT] = {
        [OB_PAUSE_OPERATOR] = {true, ""},
        [OB_PAUSE_JOINING] = {true, ""},
        [OB_PAUSE_SCHEDULE] = {true, "other times: [desk] run_when, then reload the daemon (SIGHUP)"},
        [OB_PAUSE_IN_USE] = {true, "to train in any case: [desk] run_when = always, then reload (SIGHUP)"},
        [OB_PAUSE_BATTERY] = {true, "connect it, or set [desk] pause_on_battery = no and reload (SIGHUP)"},
        [OB_PAUSE_MEMORY] = {true, "restart the daemon, or raise [desk] max_memory_mb"},
    };
    char buffer[OB_DESK_TEXT_MAX];
    for (int i = 0; i < OB_PAUSE_COUNT; i++) {
        enum ob_pause_reason reason = (enum ob_pause_reason)i;
        const char *remedy = PAUSES[i].remedy ? PAUSES[i].remedy : "";
        if (ob_pause_has(&s->pause, reason))
            say_paused(add(problems, !PAUSES[i].wanted, ob_pause_reason_name(reason), remedy),
                       s->desk ? ob_desk_pause_text(s->desk, s->config, reason, buffer)
                               : ob_pause_reason_text(reason));
    }
}

static void look_at_wait(const struct ob_status *s, struct ob_problems *problems) {
    if (strcmp(s->life, "waiting") == 0 && s->waiting_for && s->since_round_s > 5)
        say(add(problems, false, "waiting", "it is no longer waited for once it is silent for three rounds"),
            s->waiting_for, "this machine waits for %s (%.0f s since our last round)", s->waiting_for,
            s->since_round_s);
    if (s->catch_up_s != 0 && s->peer.samples_known > s->peer.samples_held + 1000)
        say(add(problems, false, "catching-up", ""), "", "catching up: %llu of %llu samples, %.0f a second",
            (unsigned long long)s->peer.samples_held, (unsigned long long)s->peer.samples_known,
            s->peer.samples_per_s);
    double replay_s = (double)s->work.waiting_samples * s->work.replay_seconds;
    if (replay_s > REPLAY_S)
        say(add(problems, false, "replaying", ""), "",
            "the weights are %llu samples behind the log: about %.0f s of replay, between this machine's own "
            "samples",
            (unsigned long long)s->work.waiting_samples, replay_s);
}

static void look_at_health(const struct ob_status *s, struct ob_problems *problems) {
    static const char DIVERGING[] =
        "pause the machines, keep the best weights (`onebyte export --best`), and go on "
        "from them in a new run with a lower rate";
    static const char *const REMEDIES[OB_HEALTH_FINISHED + 1] = {
        [OB_HEALTH_DIVERGING] = DIVERGING,
        [OB_HEALTH_SPLIT] = "check that the others are running, and check the network between you",
        [OB_HEALTH_IS_STARVED] = "use smaller mini-batches on the machine that the others wait for",
        [OB_HEALTH_IS_SATURATED] = "",
    };
    enum ob_health_kind kind = s->health->kind;
    bool bad = kind == OB_HEALTH_DIVERGING || kind == OB_HEALTH_SPLIT;
    if (bad || kind == OB_HEALTH_IS_SATURATED || kind == OB_HEALTH_IS_STARVED)
        say(add(problems, bad, ob_health_name(kind), REMEDIES[kind]), "", "%s", s->health->sentence);
    else if (kind != OB_HEALTH_FINISHED && s->health->saturated > OB_HEALTH_SATURATED)
        say(add(problems, false, "saturated",
                "raise [training] exponent by one if the run allows it; `run create --lr auto` measures how "
                "large estimates are"),
            "", "%.0f %% of the bytes stand at the end of the code: larger estimates are cut off",
            100 * s->health->saturated);
}

static void look_at_certificate(const struct ob_status *s, uint64_t wall_s, struct ob_problems *problems) {
    static const char REMEDY[] = "the run's authority renews it (`onebyte renew`)";
    double left = (double)s->expires_s - (double)wall_s;
    if (!s->peer.certified)
        say(add(problems, true, "no-certificate", "ask the run's authority for one (`onebyte invite`)"), "",
            "no valid certificate: this machine's records do not count");
    else if (s->expires_s > 0 && left < SOON_S)
        say(add(problems, left <= 0, "expires", REMEDY), "", "this machine's certificate %s %.1f days%s",
            left > 0 ? "expires in" : "expired", fabs(left) / 86400, left > 0 ? "" : " ago");
}

/* ---- the others ---- */

static bool expired(const struct ob_status_machine *m, uint64_t wall_s) {
    return m->peer.expiry_s > 0 && wall_s > 0 && m->peer.expiry_s <= wall_s;
}

const char *ob_machine_state(const struct ob_status *s, const struct ob_status_machine *m, uint64_t wall_s) {
    if (m->self)
        return s->life;
    if (m->peer.revoked)
        return "revoked";
    if (m->peer.forked)
        return "forked";
    if (m->peer.left)
        return "left";
    if (expired(m, wall_s))
        return "expired";
    if (m->peer.compared && !m->peer.agrees)
        return "disagrees";
    if (m->peer.has_records && s->max_rounds > 0 && m->peer.head_round.index + 1 >= s->max_rounds)
        return "finished";
    if (m->trains)
        return m->behind > BEHIND ? "behind" : "training";
    if (!m->peer.has_records || isnan(m->last_record_s))
        return !m->linked && m->why ? "unreachable" : !m->peer.has_records ? "new" : "silent";
    if (m->peer.slow)
        return "slow";
    if (m->last_record_s < RECENT_S &&
        m->behind > BEHIND) /* it trains, and is too far behind to be waited for */
        return "behind";
    return !isnan(m->last_heard_s) && m->last_heard_s < 5 ? "idle" : "silent";
}

static void say_silent(const struct ob_status_machine *m, struct ob_problems *problems) {
    struct ob_problem *problem =
        add(problems, false, "silent", "check that it is running, and check its network");
    char link[OB_DURATION_MAX + 32] = "", since[OB_DURATION_MAX];
    if (!m->linked && !isnan(m->link_s))
        (void)snprintf(link, sizeof link, ", link down for %s", ob_duration_text(m->link_s, since));
    else if (!m->linked)
        (void)snprintf(link, sizeof link, ", not linked");
    if (isnan(m->last_record_s))
        say(problem, m->name, "%s: no record since our start%s", m->name, link);
    else
        say(problem, m->name, "%s: no record for %s%s", m->name, ob_duration_text(m->last_record_s, since),
            link);
}

/* Neither understands the other. */
static void look_at_protocol(const struct ob_status *s, const struct ob_status_machine *m,
                             struct ob_problems *problems) {
    bool said = m->peer.protocol_highest > 0;
    unsigned lowest = said ? m->peer.protocol_lowest : m->peer.protocol_last;
    unsigned highest = said ? m->peer.protocol_highest : m->peer.protocol_last;
    bool newer = highest > s->peer.protocol_highest;
    if (m->linked && m->peer.protocol == 0 && highest > 0)
        say(add(problems, true, "version",
                newer ? "upgrade onebyte on this machine" : "upgrade onebyte there"),
            m->name, "%s: speaks versions %u to %u of the protocol, this machine %u to %u", m->name, lowest,
            highest, s->peer.protocol_lowest, s->peer.protocol_highest);
}

/* What the pacing and the comparison of weights have found out about it. */
static void look_at_conduct(const struct ob_status_machine *m, struct ob_problems *problems) {
    if (m->peer.slow)
        say(add(problems, false, "slow", "nothing is lost: it trains on, and is waited for again later"),
            m->name, "%s: not waited for, because most of our time went by in waiting for it", m->name);
    if (m->peer.false_alarms > 0 && !m->peer.revoked)
        say(add(problems, false, "wrong", "its operator verifies its weights (`onebyte verify`), or it lies"),
            m->name, "%s: said %u times that our weights are wrong, and base and log proved them right",
            m->name, m->peer.false_alarms);
}

/* Whoever is revoked is dealt with. */
static void look_at_movement(const struct ob_status_machine *m, struct ob_problems *problems) {
    char audit[120] = "";
    if (!m->movement || !m->movement->outlier || m->peer.revoked)
        return;
    if (m->audit.below > 0)
        (void)snprintf(audit, sizeof audit, "; held-out loss at round %u: %.4f with them, %.4f without",
                       m->audit.below, m->audit.loss, m->audit.loss_without);
    say(add(problems, true, "outlier",
            ob_audit_is_worse(&m->audit) ? "use `onebyte quarantine`"
                                         : "look at `onebyte audit`, then `onebyte quarantine`"),
        m->name,
        "%s: from sample %llu on its estimates were %.1f times as large as is typical for the others%s",
        m->name, (unsigned long long)m->movement->outlier_from, m->movement->times, audit);
}

static void look_at_machine(const struct ob_status *s, const struct ob_status_machine *m, uint64_t wall_s,
                            struct ob_problems *problems) {
    const char *state = ob_machine_state(s, m, wall_s);
    double left = (double)m->peer.expiry_s - (double)wall_s;
    if (strcmp(state, "disagrees") == 0)
        say(add(problems, true, "disagrees",
                "one of both is wrong: each verifies its weights against base and log by itself"),
            m->name, "%s: other weights for the same records", m->name);
    else if (strcmp(state, "forked") == 0)
        say(add(problems, false, "forked",
                "its operator makes a new identity; a copied state directory is the usual cause"),
            m->name, "%s: its key was used twice; its later records do not count", m->name);
    else if (strcmp(state, "silent") == 0 && !(m->last_record_s <= SILENT_S))
        say_silent(m, problems);
    else if (strcmp(state, "unreachable") == 0)
        say(add(problems, false, "unreachable", "check its address and its network"), m->name,
            "%s: cannot be reached: %s", m->name, m->why);
    else if (strcmp(state, "slow") == 0)
        say(add(problems, false, "slow", "give it smaller mini-batches or fewer samples a round"), m->name,
            "%s: several times slower than the others; no longer waited for", m->name);
    else if (strcmp(state, "behind") == 0)
        say(add(problems, false, "behind", "others wait at most [swarm] max_staleness rounds for it"),
            m->name, "%s: %u rounds behind", m->name, m->behind);
    if (!m->self && m->peer.admitted && m->peer.expiry_s > 0 && left > 0 && left < SOON_S)
        say(add(problems, false, "expires", "the run's authority renews it (`onebyte renew`)"), m->name,
            "%s: its certificate expires in %.1f days", m->name, left / 86400);
    look_at_protocol(s, m, problems);
    look_at_conduct(m, problems);
    look_at_movement(m, problems);
}

void ob_problems_of(const struct ob_status *s, uint64_t wall_s, struct ob_problems *ret_problems) {
    *ret_problems = (struct ob_problems){0};
    look_at_life(s, ret_problems);
    look_at_pauses(s, ret_problems);
    look_at_wait(s, ret_problems);
    look_at_health(s, ret_problems);
    look_at_certificate(s, wall_s, ret_problems);
    for (size_t i = 0; i < s->machine_count; i++)
        if (!s->machines[i].self)
            look_at_machine(s, &s->machines[i], wall_s, ret_problems);
}
