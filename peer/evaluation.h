/* evaluation - what held-out rows say of the weights at a named frontier: each machine that has such rows evaluates its part
 * and publishes the sums (record/score.h). Sums of one frontier add up, each machine's once; what "one frontier" is the log
 * digest says, not the round.
 *
 * Published when it is made and again every EVALUATION_EVERY_NS while it is the latest, unless options.share_metrics is off;
 * signed, so that a relay may hand it on. Of each machine the last EVALUATIONS frontiers are remembered; of two that it signed
 * for one frontier, the first. Only machines with a certificate count. */
#ifndef OB_PEER_EVALUATION_H
#define OB_PEER_EVALUATION_H

#include "base/cursor.h"
#include "peer/events.h"
#include "peer/message.h"
#include "record/score.h"

#define OB_EVALUATION_LABEL        "onebyte/evaluat1"
#define OB_EVALUATION_FIELDS_BYTES (3 * OB_HASH_BYTES + 4 + 4 * 8 + 4 * 8)
#define OB_EVALUATION_BODY_BYTES   (16 + OB_EVALUATION_FIELDS_BYTES)
#define OB_EVALUATION_BYTES        (OB_MESSAGE_HEADER_BYTES + OB_EVALUATION_FIELDS_BYTES + 64)

struct ob_evaluation {
    struct ob_run_id run;
    struct ob_machine_id machine;
    struct ob_round below; /* the records of earlier rounds … */
    struct ob_hash log;    /* … with this log digest */
    struct ob_score score;
    const uint8_t *signature; /* 64 bytes */
};
/* The signed body: label ‖ the fields. Returns OB_EVALUATION_BODY_BYTES. */
size_t ob_evaluation_body(const struct ob_evaluation *evaluation,
                          uint8_t ret_body[static OB_EVALUATION_BODY_BYTES]);
size_t ob_evaluation_encode(const struct ob_evaluation *evaluation,
                            uint8_t ret_data[static OB_EVALUATION_BYTES]);
/* The score is plausible, else false. */
bool ob_evaluation_decode(struct ob_reader reader, struct ob_evaluation *ret_evaluation);

struct ob_peer;
struct machine;

void ob_evaluation_set(struct ob_peer *peer, const struct ob_event *event); /* OB_EVENT_EVALUATED */
void ob_evaluation_tick(struct ob_peer *peer);
void ob_receive_evaluation(struct ob_peer *peer, struct machine *sender, struct ob_reader body);
/* The sums of all machines for this frontier; returns how many. */
size_t ob_evaluation_sum(const struct ob_peer *peer, const struct ob_hash *log, struct ob_score *ret_score);

#endif
