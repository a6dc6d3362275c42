/* report - aggregates that a machine tells of itself beside its heartbeats, for people: the training loss of its last
 * rounds, samples a second, the version of its program. Nothing that counts depends on them.
 *
 * Published every REPORT_EVERY_NS, unless options.share_metrics is off; signed, so that a relay may hand it on. What others say
 * is bounded here, and believed no further than it is shown beside their name. */
#ifndef OB_PEER_REPORT_H
#define OB_PEER_REPORT_H

#include "base/cursor.h"
#include "peer/events.h"
#include "peer/message.h"

#define OB_REPORT_LABEL       "onebyte/report/1"
#define OB_REPORT_VERSION_MAX 31
#define OB_REPORT_BODY_MAX    (16 + 2 * OB_HASH_BYTES + 8 + 8 + 8 + 8 + 1 + OB_REPORT_VERSION_MAX)
#define OB_REPORT_BYTES_MAX   (OB_MESSAGE_HEADER_BYTES + OB_REPORT_BODY_MAX - 16 + 64)

struct ob_report {
    struct ob_run_id run;
    struct ob_machine_id machine;
    uint64_t instance, sequence;             /* a later one replaces an earlier one */
    double loss;                             /* nats; NaN: none yet */
    double rate;                             /* samples a second */
    char version[OB_REPORT_VERSION_MAX + 1]; /* printable ASCII */
    const uint8_t *signature;                /* 64 bytes */
};
/* The signed body: label ‖ the fields. Returns its length. */
size_t ob_report_body(const struct ob_report *report, uint8_t ret_body[static OB_REPORT_BODY_MAX]);
size_t ob_report_encode(const struct ob_report *report, uint8_t ret_data[static OB_REPORT_BYTES_MAX]);
bool ob_report_decode(struct ob_reader reader, struct ob_report *ret_report);

struct ob_peer;
struct machine;

void ob_report_set(struct ob_peer *peer, const struct ob_event *event); /* OB_EVENT_REPORT */
void ob_report_tick(struct ob_peer *peer);
void ob_receive_report(struct ob_peer *peer, struct machine *sender, struct ob_reader body);

#endif
