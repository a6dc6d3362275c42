#include "snapshot/join.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cursor.h"

#define ASKING_NS      (5 * OB_SECOND_NS)  /* since the first question */
#define LINKED_NS      (10 * OB_SECOND_NS) /* until somebody is linked, when records wait for it */
#define OFFERS_NS      OB_SECOND_NS        /* others may offer the same */
#define ASK_AGAIN_NS   (OB_SECOND_NS / 4) /* an answer is dropped while we do not know its sender as a member */
#define LOOK_EVERY_NS  (OB_SECOND_NS / 4)
#define LOG_WHOLE_NS   (10 * OB_SECOND_NS)  /* nothing is missing, and the frontier is not reached */
#define ASSUMED_RATE   (16.0 * 1024 * 1024) /* bytes a second, until some have come */
#define MEASURED_BYTES (1u << 20)

const char *ob_join_state_name(enum ob_join_state state) {
    static const char *const NAMES[] = {
        [OB_JOIN_OFF] = "off",         [OB_JOIN_ASKING] = "asking",     [OB_JOIN_FETCHING] = "fetching",
        [OB_JOIN_WAITING] = "waiting", [OB_JOIN_CHECKING] = "checking", [OB_JOIN_REPLAYING] = "replaying",
    };
    return (size_t)state < sizeof NAMES / sizeof *NAMES ? NAMES[state] : "unknown";
}

bool ob_snapshot_join_puts_off(struct ob_snapshot_join *join) {
    bool off = join->state >= OB_JOIN_ASKING && join->state <= OB_JOIN_WAITING;
    join->put_off += off;
    return off;
}

bool ob_snapshot_join_behind(const struct ob_snapshot_join *join) {
    return join->put_off > 0;
}

/* ---- asking ---- */

static void ask(struct ob_snapshot_join *join, const struct ob_machine_id *machine) {
    uint8_t data[OB_SNAPSHOT_MESSAGE_MAX];
    struct ob_snapshot_message message = {.kind = OB_MESSAGE_OFFER_ASK, .run = join->context->manifest->run};
    (void)ob_transport_send(join->context->transport, machine, data,
                            ob_snapshot_message_encode(&message, data));
}

void ob_snapshot_join_linked(struct ob_snapshot_join *join, const struct ob_machine_id *machine) {
    if (join->state != OB_JOIN_ASKING && join->state != OB_JOIN_FETCHING)
        return;
    if (join->asked_ns == 0)
        join->asked_ns = ob_now_ns();
    join->holds_training = true; /* a round would end it before anybody could answer */
    ask(join, machine);
}

/* What our weights hold as we begin: what store and peer hold, or nothing yet. */
static enum ob_err remember_frontier(struct ob_snapshot_join *join, struct ob_error *error) {
    size_t machines = join->from_base ? 0 : ob_peer_count(join->context->peer), count = 0;
    struct ob_snapshot_machine *list = calloc(machines + 1, sizeof *list);
    if (!list)
        return ob_fail(error, OB_ENOMEM, "not enough memory for a frontier");
    for (size_t i = 0; i < machines; i++) {
        struct ob_peer_machine m = ob_peer_machine(join->context->peer, i);
        if (m.has_records)
            list[count++] = (struct ob_snapshot_machine){m.machine, m.next, m.head};
    }
    enum ob_err failed = ob_snapshot_new(join->context->manifest, list, count, &join->had, error);
    free(list);
    return failed;
}

enum ob_err ob_snapshot_join_start(struct ob_snapshot_join *join, const struct ob_snapshot_context *context,
                                   bool from_base, struct ob_error *error) {
    *join = (struct ob_snapshot_join){
        .context = context, .from_base = from_base, .started_ns = ob_now_ns(), .fetch = {.descriptor = -1}};
    if (context->mode == OB_SNAPSHOT_NEVER)
        return OB_OK;
    struct ob_store_counts counts = {0};
    enum ob_err failed = remember_frontier(join, error);
    if (!failed && from_base)
        failed = ob_store_counts(context->store, &counts, error);
    if (failed)
        return failed;
    join->state = OB_JOIN_ASKING;
    join->holds_training = from_base; /* a round must not be evaluated at the base */
    join->put_off = counts.records;
    return OB_OK;
}

static void take_offer(struct ob_snapshot_join *join, const struct ob_machine_id *from,
                       const struct ob_snapshot_message *message) {
    for (size_t i = 0; i < join->offer_count; i++)
        if (ob_machine_equal(&join->offers[i].machine, from))
            return; /* one is enough */
    if (join->offer_count == OB_SNAPSHOT_SOURCES)
        return;
    struct ob_join_offer *offer = &join->offers[join->offer_count++];
    *offer = (struct ob_join_offer){.machine = *from};
    if (!message->header || ob_snapshot_table_bytes(join->context->manifest, message->header) == 0)
        return;
    offer->any = true;
    offer->name = message->name;
    memcpy(offer->header, message->header, sizeof offer->header);
    if (join->state == OB_JOIN_FETCHING && ob_hash_equal(&offer->name, &join->fetch.name))
        ob_snapshot_fetch_from(&join->fetch, from);
}

void ob_snapshot_join_take(struct ob_snapshot_join *join, const struct ob_machine_id *from,
                           const struct ob_snapshot_message *message) {
    if (message->kind == OB_MESSAGE_OFFER &&
        (join->state == OB_JOIN_ASKING || join->state == OB_JOIN_FETCHING))
        take_offer(join, from, message);
    else if (message->kind == OB_MESSAGE_PIECE && join->state == OB_JOIN_FETCHING)
        ob_snapshot_fetch_take(&join->fetch, from, message, ob_now_ns());
}

/* ---- deciding ---- */

static uint64_t samples_of(const struct ob_join_offer *offer) {
    return ob_load_u64(offer->header + 48);
}

static size_t offered_alike(const struct ob_snapshot_join *join, const struct ob_join_offer *offer) {
    size_t count = 0;
    for (size_t i = 0; i < join->offer_count; i++)
        count += join->offers[i].any && ob_hash_equal(&join->offers[i].name, &offer->name);
    return count;
}

/* The one that most offer; of these the newest. NULL: none is ahead of us. */
static const struct ob_join_offer *best_offer(const struct ob_snapshot_join *join) {
    const struct ob_join_offer *best = NULL;
    for (size_t i = 0; i < join->offer_count; i++) {
        const struct ob_join_offer *offer = &join->offers[i];
        if (!offer->any || samples_of(offer) <= join->had->samples)
            continue;
        size_t alike = offered_alike(join, offer), best_alike = best ? offered_alike(join, best) : 0;
        if (alike > best_alike || (alike == best_alike && samples_of(offer) > samples_of(best)))
            best = offer;
    }
    return best;
}

static bool always(const struct ob_snapshot_join *join) {
    return join->context->mode == OB_SNAPSHOT_ALWAYS;
}

static double replay_left_s(const struct ob_snapshot_join *join, uint64_t samples) {
    return samples <= join->had->samples ? 0 : (double)(samples - join->had->samples) * join->replay_seconds;
}

static double weights_bytes(const struct ob_snapshot_join *join) {
    double bytes = 0;
    for (size_t i = 0; i < join->context->manifest->tensor_count; i++)
        bytes += 4.0 * (double)join->context->manifest->tensors[i].layout.elements;
    return bytes;
}

static bool worth(const struct ob_snapshot_join *join, const struct ob_join_offer *offer) {
    double replay_s = replay_left_s(join, samples_of(offer));
    return always(join) ||
           (replay_s >= OB_SNAPSHOT_WORTH_S && replay_s >= 2 * weights_bytes(join) / ASSUMED_RATE);
}

static enum ob_err submit(struct ob_snapshot_join *join, struct ob_join_work *work,
                          struct ob_join_work **place, struct ob_error *error) {
    enum ob_err failed = join->context->submit(join->context->owner, ob_join_work_run, work, error);
    if (failed)
        ob_join_work_free(work);
    else
        *place = work;
    return failed;
}

static enum ob_err measure(struct ob_snapshot_join *join, struct ob_error *error) {
    struct ob_join_work *work = NULL;
    enum ob_err failed = ob_join_work_new(OB_JOIN_MEASURE, join->context->replica, &work, error);
    return failed ? failed : submit(join, work, &join->measuring, error);
}

/* ---- ending ---- */

/* From here on records are applied as they come, after the work, which sees the log as it is now. */
static enum ob_err hand_over(struct ob_snapshot_join *join, enum ob_join_work_kind kind,
                             struct ob_error *error) {
    struct ob_store_options options = {.state_dir = join->context->state_dir,
                                       .run = join->context->manifest->run,
                                       .bounds = join->context->manifest->bounds};
    struct ob_join_work *work = NULL;
    enum ob_err failed = ob_store_flush(join->context->store, error);
    if (!failed)
        failed = ob_join_work_new(kind, join->context->replica, &work, error);
    if (!failed && !(failed = ob_store_open(&options, &work->store, error)))
        failed = ob_store_hold(work->store, error);
    if (failed) {
        ob_join_work_free(work);
        return failed;
    }
    work->had = join->had;
    work->folder = join->context->snapshots->folder;
    ob_snapshots_path(join->context->snapshots, "incoming", work->incoming);
    if (kind == OB_JOIN_CHECK)
        ob_snapshots_path_of(join->context->snapshots, join->fetch.table, work->path);
    join->state = kind == OB_JOIN_CHECK ? OB_JOIN_CHECKING : OB_JOIN_REPLAYING;
    join->put_off = 0;
    return submit(join, work, &join->work, error);
}

static void off(struct ob_snapshot_join *join) {
    join->state = OB_JOIN_OFF;
    join->holds_training = false;
    ob_snapshot_free(join->had);
    join->had = NULL;
    if (join->fetch.snapshots)
        ob_snapshot_fetch_done(&join->fetch);
}

enum ob_err ob_snapshot_join_end(struct ob_snapshot_join *join, const char *why, struct ob_error *error) {
    char text[600];
    if (join->state == OB_JOIN_OFF || join->state >= OB_JOIN_CHECKING)
        return OB_OK;
    /* on a full disk nothing has happened yet, and the caller tries again */
    enum ob_err failed = join->put_off > 0 ? ob_store_flush(join->context->store, error) : OB_OK;
    if (failed)
        return failed;
    char path[OB_PATH_MAX];
    ob_snapshots_path(join->context->snapshots, "incoming", path);
    (void)unlink(path); /* nothing goes on there */
    if (join->state > OB_JOIN_ASKING || join->put_off > 0)
        ob_log(join->context->logger, OB_LOG_INFO, "snapshot-join", "state=replaying records=%llu text=%s",
               (unsigned long long)join->put_off, ob_logger_quote(why, text, sizeof text));
    if (join->put_off > 0)
        return hand_over(join, OB_JOIN_REPLAY, error);
    off(join);
    return OB_OK;
}

/* The sources of one that is not what it says. */
static void name_sources(struct ob_snapshot_join *join, const char *why) {
    char name[64], text[600];
    join->refused++;
    for (size_t i = 0; i < join->fetch.source_count; i++)
        ob_log(join->context->logger, OB_LOG_ERROR, "snapshot-lie", "machine=%s text=%s",
               join->context->name_of(join->context->owner, &join->fetch.sources[i].machine, name),
               ob_logger_quote(why, text, sizeof text));
}

static enum ob_err refuse(struct ob_snapshot_join *join, const char *why, struct ob_error *error) {
    enum ob_err failed = ob_store_flush(join->context->store, error);
    if (failed)
        return failed;
    name_sources(join, why);
    ob_snapshots_set_aside(join->context->snapshots, join->fetch.path, why);
    return ob_snapshot_join_end(join, why, error);
}

/* ---- from one state to the next ---- */

static enum ob_err begin_fetch(struct ob_snapshot_join *join, const struct ob_join_offer *best,
                               struct ob_error *error) {
    enum ob_err failed = ob_snapshot_fetch_start(&join->fetch, join->context->snapshots,
                                                 join->context->transport, &best->name, best->header, error);
    if (failed)
        return failed;
    for (size_t i = 0; i < join->offer_count; i++)
        if (join->offers[i].any && ob_hash_equal(&join->offers[i].name, &best->name))
            ob_snapshot_fetch_from(&join->fetch, &join->offers[i].machine);
    join->state = OB_JOIN_FETCHING;
    join->fetch_ns = ob_now_ns();
    ob_log(join->context->logger, OB_LOG_INFO, "snapshot-join",
           "state=fetching samples=%llu bytes=%.0f peers=%zu replay_s=%.1f text=\"provisional\"",
           (unsigned long long)samples_of(best), weights_bytes(join), join->fetch.source_count,
           replay_left_s(join, samples_of(best)));
    join->holds_training = true;
    return OB_OK;
}

/* Asks those who are linked and have not answered. Returns how many these are; *ret_absent: of how many others we know who
 * may be linked in a moment. */
static size_t ask_again(struct ob_snapshot_join *join, size_t *ret_absent) {
    uint64_t now = ob_now_ns();
    bool due = now - join->asked_again_ns >= ASK_AGAIN_NS;
    size_t machines = ob_peer_count(join->context->peer), silent = 0;
    *ret_absent = 0;
    for (size_t i = 0; i < machines; i++) {
        struct ob_peer_machine m = ob_peer_machine(join->context->peer, i);
        bool answered = !m.linked || ob_machine_equal(&m.machine, &join->context->machine);
        for (size_t k = 0; k < join->offer_count && !answered; k++)
            answered = ob_machine_equal(&join->offers[k].machine, &m.machine);
        *ret_absent += !m.linked && !m.left && !m.revoked && !m.forked &&
                       !ob_machine_equal(&m.machine, &join->context->machine);
        silent += !answered;
        if (!answered && due && join->offer_count < OB_SNAPSHOT_SOURCES)
            ask(join, &m.machine);
    }
    if (due)
        join->asked_again_ns = now;
    return silent;
}

static enum ob_err tend_asking(struct ob_snapshot_join *join, struct ob_error *error) {
    uint64_t now = ob_now_ns();
    if (join->asked_ns == 0 && join->put_off > 0 && now - join->started_ns >= LINKED_NS)
        return ob_snapshot_join_end(join, "no peer is connected", error);
    if (join->asked_ns == 0 || join->measuring)
        return OB_OK;
    size_t absent = 0;
    bool all = ask_again(join, &absent) == 0 && join->offer_count > 0;
    if ((!all || absent > 0) && now - join->asked_ns < OFFERS_NS)
        return OB_OK;
    const struct ob_join_offer *best = best_offer(join);
    if (best && !always(join) && join->replay_seconds == 0)
        return measure(join, error);
    if (best && worth(join, best))
        return begin_fetch(join, best, error);
    if (all || now - join->asked_ns >= ASKING_NS)
        return ob_snapshot_join_end(join, best ? "replaying is cheaper" : "no peer offers a snapshot", error);
    return OB_OK;
}

static double rate_of(const struct ob_snapshot_join *join, uint64_t now) {
    return join->fetch.bytes_here < MEASURED_BYTES
               ? ASSUMED_RATE
               : (double)join->fetch.bytes_here / (1e-9 * (double)(now - join->fetch_ns) + 1e-6);
}

static enum ob_err tend_fetching(struct ob_snapshot_join *join, struct ob_error *error) {
    struct ob_error why = {0};
    uint64_t now = ob_now_ns();
    bool whole = false;
    size_t absent;
    (void)ask_again(join, &absent); /* more sources of the same one */
    if (ob_snapshot_fetch_tend(&join->fetch, now, &whole, &why))
        return ob_snapshot_join_end(join, why.text, error);
    if (whole) {
        join->state = OB_JOIN_WAITING;
        join->waiting_ns = now;
        ob_log(join->context->logger, OB_LOG_INFO, "snapshot-join", "state=waiting bytes=%llu seconds=%.1f",
               (unsigned long long)join->fetch.bytes_here, 1e-9 * (double)(now - join->fetch_ns));
        return OB_OK;
    }
    if (always(join) || !join->fetch.table)
        return OB_OK;
    double left = (double)(join->fetch.table->file_bytes - join->fetch.bytes_have);
    if (left / rate_of(join, now) > replay_left_s(join, join->fetch.table->samples))
        return ob_snapshot_join_end(join, "the transfer would take longer than replaying", error);
    return OB_OK;
}

static bool log_reaches(const struct ob_snapshot_join *join, const struct ob_snapshot *table) {
    for (size_t i = 0; i < table->machine_count; i++) {
        struct ob_peer_machine m;
        if (!ob_peer_find(join->context->peer, &table->machines[i].machine, &m) ||
            m.next.index < table->machines[i].next.index)
            return false;
    }
    return true;
}

static enum ob_err tend_waiting(struct ob_snapshot_join *join, struct ob_error *error) {
    uint64_t now = ob_now_ns();
    if (now - join->looked_ns < LOOK_EVERY_NS)
        return OB_OK;
    join->looked_ns = now;
    struct ob_peer_view view = ob_peer_view(join->context->peer);
    if (view.samples_known > view.samples_held)
        join->waiting_ns = now;
    if (!log_reaches(join, join->fetch.table))
        return now - join->waiting_ns < LOG_WHOLE_NS
                   ? OB_OK
                   : refuse(join, "it contains samples that no peer serves", error);
    struct ob_error why = {0};
    enum ob_err failed = ob_store_flush(join->context->store, error);
    if (failed)
        return failed;
    if (ob_snapshot_in_log("the snapshot", join->fetch.table, join->context->manifest, join->context->store,
                           &why))
        return refuse(join, why.text, error);
    ob_log(join->context->logger, OB_LOG_INFO, "snapshot-join", "state=checking leaves=%d",
           OB_SNAPSHOT_CHECKED);
    return hand_over(join, OB_JOIN_CHECK, error);
}

enum ob_err ob_snapshot_join_tend(struct ob_snapshot_join *join, struct ob_error *error) {
    switch (join->state) {
    case OB_JOIN_ASKING:
        return tend_asking(join, error);
    case OB_JOIN_FETCHING:
        return tend_fetching(join, error);
    case OB_JOIN_WAITING:
        return tend_waiting(join, error);
    default:
        return OB_OK;
    }
}

/* ---- the work is done ---- */

static void tell_outcome(struct ob_snapshot_join *join, const struct ob_join_work *work) {
    if (work->kind != OB_JOIN_CHECK)
        return;
    if (!work->used) {
        name_sources(join, work->text);
        ob_snapshots_set_aside(join->context->snapshots, work->incoming, work->text);
        return;
    }
    join->used_samples = join->fetch.table->samples;
    ob_log(join->context->logger, OB_LOG_INFO, "snapshot-join",
           "state=off used_samples=%llu checked_leaves=%zu replayed_samples=%llu",
           (unsigned long long)join->used_samples, work->checked,
           (unsigned long long)atomic_load(&work->samples));
    if (work->path[0])
        ob_snapshots_add(join->context->snapshots, work->path);
}

enum ob_err ob_snapshot_join_done(struct ob_snapshot_join *join, const void *task, const struct ob_error *how,
                                  bool *ret_ours, struct ob_error *error) {
    *ret_ours = task && (task == join->measuring || task == join->work);
    if (!*ret_ours)
        return OB_OK;
    if (how->code)
        return ob_fail(error, how->code, "%s", how->text);
    if (task == join->measuring) {
        join->replay_seconds = join->measuring->replay_seconds;
        ob_join_work_free(join->measuring);
        join->measuring = NULL;
        return OB_OK;
    }
    tell_outcome(join, join->work);
    ob_join_work_free(join->work);
    join->work = NULL;
    off(join);
    return OB_OK;
}

void ob_snapshot_join_hurry(struct ob_snapshot_join *join) {
    if (join->work)
        atomic_store(&join->work->stop, true);
}

void ob_snapshot_join_free(struct ob_snapshot_join *join) {
    ob_join_work_free(join->measuring);
    ob_join_work_free(join->work);
    join->measuring = join->work = NULL;
    off(join);
}
