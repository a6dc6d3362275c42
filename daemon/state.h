/* state - everything that a daemon is made of. Opened and closed by daemon/open.c, worked by daemon/daemon.c, shown by
 * daemon/status.c. The parts themselves do not see it: they get the session.
 *
 * Threads: the network thread; `leave_wanted` and `reload_wanted` may be set by any. */
#ifndef OB_DAEMON_STATE_H
#define OB_DAEMON_STATE_H

#include <stdatomic.h>

#include "daemon/answers.h"
#include "daemon/audit.h"
#include "daemon/catch_up.h"
#include "daemon/company.h"
#include "daemon/desk_pause.h"
#include "daemon/diary.h"
#include "daemon/event_queue.h"
#include "daemon/finish.h"
#include "daemon/held_out.h"
#include "daemon/line_limit.h"
#include "daemon/membership.h"
#include "daemon/mend.h"
#include "daemon/pause.h"
#include "daemon/perform.h"
#include "daemon/reach.h"
#include "daemon/round_log.h"
#include "daemon/service.h"
#include "daemon/session.h"
#include "snapshot/join.h"
#include "snapshot/serve.h"
#include "snapshot/writer.h"
#include "transfer/serve.h"
#include "web/server.h"

#define OB_DAEMON_SHARES 80

/* Where the configuration came from, for reading it again. */
struct ob_daemon_source {
    const char *path;
    const char *const *overrides;
    size_t override_count;
};

struct ob_daemon {
    const struct ob_daemon_source *source;
    struct ob_session session;
    struct ob_logger logger;
    struct ob_line_limit lines; /* about what others do */
    struct ob_movements movements;
    struct ob_identity identity;
    struct ob_tokenizer *tokenizer;
    struct ob_corpus *corpus;

    struct ob_snapshots snapshots;
    struct ob_snapshot_context snapshot_context;
    struct ob_snapshot_writer writer;
    struct ob_snapshot_server server;
    struct ob_snapshot_join join;
    bool join_from_base; /* the weights are the base: the log is replayed when the join is over */
    uint64_t snapshot_malformed;

    struct ob_share shares[OB_DAEMON_SHARES]; /* files that members may fetch by their names */
    size_t share_count;
    struct ob_transfer_server file_server;

    struct ob_diary diary;
    struct ob_held_out held_out;
    struct ob_audit audit;
    bool told_expiry, told_disk; /* daemon/watch.c */
    uint64_t slow_ns;

    struct ob_membership membership;
    struct ob_catch_up catch_up;
    struct ob_pause pause;
    uint64_t resumed_ns; /* when the last pause ended; 0: there was none */
    struct ob_desk_pause desk;
    struct ob_reach_watch reach;
    struct ob_company_watch company;
    struct ob_disk_full disk;
    struct ob_mend mend;
    struct ob_performer performer;
    struct ob_event_queue queue;
    struct ob_answers answers;
    struct ob_service service;
    struct ob_web *web; /* NULL: no page is served */

    atomic_bool leave_wanted, reload_wanted; /* set by the thread of signals */
    struct ob_finish finish;
    struct ob_round_log round_log;
    bool leaving, stepping;
    uint64_t started_ns, leaving_ns, last_tick_ns, last_flush_ns;
    uint64_t heard_s;   /* when a frame of another machine came last; 0: never */
    uint64_t address_s; /* when our own address was looked for last */
    uint64_t own_rounds, own_samples;
    uint32_t first_round; /* when it started */
    double loss;          /* of the last own round */
    bool has_digest;      /* of a whole log: */
    struct ob_hash digest_log, weights_digest;
    uint8_t event_data[OB_MESSAGE_MAX]; /* of the event that is being carried out */
};

#endif
