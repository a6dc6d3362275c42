#include "daemon/watch.h"

#include <math.h>
#include <stdio.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "daemon/names.h"
#include "daemon/step.h"

#define SOON_S        (7 * 86400ull) /* a certificate that expires soon */
#define LOW_BYTES     (1ull << 30)   /* a disk that is nearly full: less than this … */
#define LOW_PART      0.02           /* … and than this part of it */
#define LATELY_NS     (3600 * OB_SECOND_NS)
#define SILENT_NS     (10 * OB_SECOND_NS)
#define SETTLED_NS    (30 * OB_SECOND_NS) /* after a pause; longer than what the health looks back at */
#define SLOW_EVERY_NS (60 * OB_SECOND_NS)

static size_t disagreeing(const struct ob_peer *peer) {
    size_t count = 0;
    for (size_t i = 0; i < ob_peer_count(peer); i++) {
        struct ob_peer_machine machine = ob_peer_machine(peer, i);
        count += machine.paced && machine.compared && !machine.agrees;
    }
    return count;
}

/* Machines that trained lately and of which nothing is heard; one that is idle, has said goodbye or has done all `rounds`, is heard
 * or gone. */
static size_t silent(const struct ob_peer *peer, const struct ob_machine_id *own, uint32_t rounds,
                     uint64_t now_ns) {
    size_t count = 0;
    for (size_t i = 0; i < ob_peer_count(peer); i++) {
        struct ob_peer_machine m = ob_peer_machine(peer, i);
        bool lately = m.last_record_ns > 0 && now_ns - m.last_record_ns < LATELY_NS;
        bool done = m.has_records && m.head_round.index + 1 >= rounds;
        bool belongs =
            !ob_machine_equal(&m.machine, own) && m.admitted && !m.revoked && !m.forked && !m.left && !done;
        count += lately && belongs && m.has_records && !m.paced && now_ns - m.last_heard_ns > SILENT_NS &&
                 now_ns - m.last_record_ns > SILENT_NS;
    }
    return count;
}

/* Of the time of our threads, what the owner of the machine wants left to others. */
static double rest_of(const struct ob_daemon *daemon) {
    double threads = ob_pool_threads(daemon->session.replica->pool);
    double share = daemon->session.config->max_cpu / 100 * ob_processors() / threads;
    return share < 1 ? 1 - share : 0;
}

struct ob_health_facts ob_watch_facts(const struct ob_daemon *daemon, uint64_t now_ns, char name[static 64]) {
    const struct ob_peer *peer = daemon->session.peer;
    struct ob_peer_view view = ob_peer_view(peer);
    bool lives = view.life == OB_PEER_TRAINING || view.life == OB_PEER_WAITING;
    struct ob_health_facts facts = {
        .finished = view.life == OB_PEER_FINISHED,
        .trains = lives && !daemon->session.config->observer && !ob_pause_any(&daemon->pause) &&
                  now_ns - daemon->resumed_ns > SETTLED_NS,
        .rest = rest_of(daemon),
        .sample_seconds = ob_compute_view(daemon->session.compute).sample_seconds,
        .since_round_s = daemon->diary.round_ns == 0 ? NAN : (double)(now_ns - daemon->diary.round_ns) * 1e-9,
        .live = view.live,
        .silent =
            silent(peer, &daemon->identity.machine, daemon->session.manifest->bounds.max_rounds, now_ns),
        .before = daemon->diary.health.shown.kind,
        .isolated = view.life == OB_PEER_ISOLATED,
        .disagree = disagreeing(peer),
        .loss_finite = (daemon->diary.round_ns == 0 || isfinite(daemon->diary.last_loss)) &&
                       !daemon->held_out.not_finite,
    };
    if (view.waits)
        facts.waits_for = ob_machine_name(daemon->session.config, peer, &view.waits_for, name);
    return facts;
}

/* What a change of the verdict means for an operator. */
static void tell_verdict(struct ob_daemon *daemon) {
    struct ob_diary *diary = &daemon->diary;
    const struct ob_health *verdict = &diary->health.shown;
    char text[600];
    if (verdict->kind == diary->before)
        return;
    bool bad = verdict->kind == OB_HEALTH_DIVERGING || verdict->kind == OB_HEALTH_SPLIT;
    bool poor = verdict->kind == OB_HEALTH_IS_SATURATED || verdict->kind == OB_HEALTH_IS_STARVED;
    ob_log(&daemon->logger, bad ? OB_LOG_WARN : OB_LOG_INFO, "verdict", "now=%s before=%s text=%s",
           ob_health_name(verdict->kind), ob_health_name(diary->before),
           ob_logger_quote(verdict->sentence, text, sizeof text));
    if (bad || poor)
        ob_diary_event(diary, ob_health_name(verdict->kind), "", verdict->sentence);
    if (verdict->kind == OB_HEALTH_DIVERGING && daemon->session.config->pause_when_diverging)
        ob_daemon_pause(daemon, OB_PAUSE_DIVERGING, true);
    diary->before = verdict->kind;
}

static void look_at_certificate(struct ob_daemon *daemon) {
    const struct ob_membership *m = &daemon->membership;
    uint64_t expiry = m->has_certificate ? m->certificate.certificate.expiry_s : 0, now = ob_wall_s();
    char text[128];
    bool soon = expiry > 0 && now > 0 && expiry < now + SOON_S;
    if (soon && !daemon->told_expiry) {
        double days = ((double)expiry - (double)now) / 86400;
        (void)snprintf(text, sizeof text,
                       days > 0 ? "this machine's certificate expires in %.1f days"
                                : "this machine's certificate has expired",
                       days);
        ob_diary_event(&daemon->diary, "expires", "", text);
    }
    daemon->told_expiry = soon;
}

static void look_at_disk(struct ob_daemon *daemon) {
    struct statvfs info;
    char text[128];
    if (statvfs(daemon->session.config->state_dir, &info) != 0 || info.f_blocks == 0)
        return;
    double left = (double)info.f_bavail * (double)info.f_frsize;
    bool low = left < (double)LOW_BYTES && (double)info.f_bavail < LOW_PART * (double)info.f_blocks;
    if (low && !daemon->told_disk) {
        (void)snprintf(text, sizeof text, "%.0f MB are left on the disk of the state directory", left * 1e-6);
        ob_log(&daemon->logger, OB_LOG_WARN, "disk", "text=\"%s\"", text);
        ob_diary_event(&daemon->diary, "disk", "", text);
    }
    daemon->told_disk = low;
}

enum ob_err ob_watch_tend(struct ob_daemon *daemon, uint64_t now_ns, struct ob_error *error) {
    char name[64];
    struct ob_event event;
    ob_hook_tend(&daemon->diary.hook, now_ns);
    if (!ob_diary_due(&daemon->diary, now_ns))
        return OB_OK;
    struct ob_health_facts facts = ob_watch_facts(daemon, now_ns, name);
    ob_diary_tend(&daemon->diary, &facts, now_ns, &event);
    tell_verdict(daemon);
    if (daemon->slow_ns == 0 || now_ns - daemon->slow_ns >= SLOW_EVERY_NS) {
        daemon->slow_ns = now_ns;
        look_at_certificate(daemon);
        look_at_disk(daemon);
    }
    return ob_daemon_step(daemon, &event, error);
}
