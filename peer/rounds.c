#include "peer/rounds.h"

#include <assert.h>

#include "peer/control.h"
#include "peer/effects.h"
#include "peer/isolation.h"
#include "peer/log.h"
#include "peer/message.h"
#include "peer/pacing.h"
#include "peer/state.h"

static bool own_claimed(const struct ob_peer *peer) {
    return peer->own->fetch.target > peer->own->chain.next;
}

static bool trains_now(const struct ob_peer *peer) {
    return (peer->life == OB_PEER_TRAINING || peer->life == OB_PEER_WAITING) && !peer->options.observer &&
           !peer->rounds.pause && !peer->rounds.leaving && !peer->dispute.open && !peer->own_fork.suspected;
}

static bool no_rounds_left(const struct ob_peer *peer) {
    return peer->rounds.next >= peer->options.bounds.max_rounds ||
           peer->rounds.next > peer->own->standing.last_round;
}

static void finish(struct ob_peer *peer) {
    if (peer->life != OB_PEER_WAITING)
        return;
    ob_life_move(peer, OB_PEER_FINISHED);
    ob_effects_tell(peer, OB_NOTICE_FINISHED, &peer->options.machine,
                    "completed all rounds that the run and our certificate allow");
}

/* A renewed certificate may allow more rounds. */
static void resume(struct ob_peer *peer) {
    if (peer->life != OB_PEER_FINISHED || no_rounds_left(peer))
        return;
    ob_life_move(peer, OB_PEER_WAITING);
    ob_effects_tell(peer, OB_NOTICE_BACK, &peer->options.machine, "our certificate now allows more rounds");
    if (peer->rounds.pause)
        ob_life_move(peer, OB_PEER_PAUSED);
}

void ob_rounds_try_start(struct ob_peer *peer) {
    resume(peer);
    if (!trains_now(peer) || peer->rounds.current.running || !peer->own->standing.certified)
        return;
    if (no_rounds_left(peer)) {
        finish(peer);
        return;
    }
    uint16_t n = peer->options.bounds.samples_per_round;
    if (ob_isolation_holds(peer)) {
        ob_isolation_update(peer);
        return;
    }
    if (own_claimed(peer) || !ob_pacing_may_start(peer) || peer->own->chain.next > OB_SAMPLE_END - n)
        return;
    peer->rounds.current = (struct round_state){
        .running = true,
        .first = peer->own->chain.next,
        .started_ns = peer->now_ns,
        .round = peer->rounds.next,
        .n = n,
        .live = ob_pacing_live(peer),
    };
    peer->rounds.next = peer->rounds.current.round + 1;
    ob_life_move(peer, OB_PEER_TRAINING);
    struct ob_effect *effect = ob_effects_add(peer, OB_EFFECT_START_ROUND);
    effect->machine = peer->options.machine;
    effect->start.first.index = peer->rounds.current.first;
    effect->start.round.index = peer->rounds.current.round;
    effect->start.n = n;
    effect->start.live = peer->rounds.current.live;
}

static void sign_record(struct ob_peer *peer, const struct ob_event *event) {
    const struct ob_peer_options *options = &peer->options;
    uint8_t body[OB_RECORD_BODY_BYTES_MAX], signature[OB_RECORD_SIGNATURE_BYTES];
    struct ob_record record = {
        .machine = options->machine,
        .first = {peer->rounds.current.first},
        .round = {peer->rounds.current.round},
        .live = peer->rounds.current.live,
        .n = (uint16_t)event->bytes,
        .exponent = event->exponent,
        .prev = peer->own->chain.head,
        .bytes = event->data,
        .signature = signature,
    };
    size_t body_bytes = ob_record_body(&options->run, &record, body);
    options->crypto.sign(options->crypto.context, body, body_bytes, signature);
    struct ob_hash hash = ob_record_hash(&options->run, &record);

    uint8_t *data = ob_effects_scratch(peer, OB_MESSAGE_HEADER_BYTES + OB_RECORD_BYTES_MAX);
    assert(data != NULL); /* the first message of its step */
    data[0] = OB_MESSAGE_RECORD;
    data[1] = OB_PROTOCOL_VERSION;
    size_t bytes = ob_record_encode(&record, data + OB_MESSAGE_HEADER_BYTES);
    record.bytes = data + OB_MESSAGE_HEADER_BYTES + OB_RECORD_HEADER_BYTES;
    record.signature = record.bytes + record.n;

    struct ob_effect *persist = ob_effects_add(peer, OB_EFFECT_PERSIST_OWN);
    persist->record = record;
    persist->machine = options->machine;
    ob_effects_publish(peer, data, OB_MESSAGE_HEADER_BYTES + bytes);
    struct ob_effect *apply = ob_effects_add(peer, OB_EFFECT_APPLY);
    apply->record = record;
    apply->machine = options->machine;
    ob_log_extend(peer, peer->own, &record, &hash);
    peer->counters.records_accepted++;
    peer->counters.samples_accepted += record.n;
    ob_pacing_record(peer, peer->own);
}

static const char *why_unusable(const struct ob_peer *peer, const struct ob_event *event) {
    if (event->bytes > peer->rounds.current.n || (event->bytes > 0 && event->data == NULL))
        return "it has more bytes than samples";
    if (event->exponent < peer->options.bounds.exponent_min ||
        event->exponent > peer->options.bounds.exponent_max)
        return "its exponent is outside the run's bounds";
    if (peer->rounds.current.first != peer->own->chain.next || own_claimed(peer))
        return "our chain advanced meanwhile: other peers hold records of ours that we had lost";
    if (peer->own_fork.suspected)
        return "another record of our key for the same sample was seen";
    if (peer->dispute.open)
        return "our weights are being verified";
    return NULL;
}

void ob_rounds_done(struct ob_peer *peer, const struct ob_event *event) {
    if (!peer->rounds.current.running) {
        ob_effects_refuse(peer, peer->own, "a result for a round that was not started");
        return;
    }
    peer->rounds.current.running = false;
    if (peer->life == OB_PEER_TRAINING)
        ob_life_move(peer, OB_PEER_WAITING);
    const char *reason = why_unusable(peer, event);
    if (reason != NULL) {
        ob_effects_refuse(peer, peer->own, "discarded a round's result: %s", reason);
    } else if (event->bytes > 0) {
        ob_pacing_round_took(peer, peer->now_ns - peer->rounds.current.started_ns);
        sign_record(peer, event);
    }
    ob_pacing_update(peer);
    if (peer->rounds.leaving)
        ob_rounds_leave(peer);
    else if (event->bytes > 0) /* a round that did not happen is started again by the next step */
        ob_rounds_try_start(peer);
}

void ob_rounds_leave(struct ob_peer *peer) {
    bool reconciled = peer->life != OB_PEER_RECOVERING && peer->life != OB_PEER_RECONCILING;
    if (!peer->rounds.leaving) {
        peer->rounds.leaving = true;
        peer->rounds.signs_goodbye = reconciled && !peer->options.observer;
        if (peer->life != OB_PEER_RECOVERING)
            ob_life_move(peer, OB_PEER_LEAVING);
    }
    if (peer->rounds.current.running)
        return;
    if (peer->rounds.signs_goodbye)
        ob_control_goodbye(peer);
    if (peer->life != OB_PEER_HALTED) /* in this very step we learned that we are cut */
        ob_life_move(peer, OB_PEER_LEFT);
    struct ob_effect *left = ob_effects_add(peer, OB_EFFECT_LEFT);
    left->machine = peer->options.machine;
}

void ob_rounds_pause(struct ob_peer *peer, bool pause) {
    peer->rounds.pause = pause;
    if (pause &&
        (peer->life == OB_PEER_TRAINING || peer->life == OB_PEER_WAITING || peer->life == OB_PEER_ISOLATED)) {
        if (peer->life == OB_PEER_TRAINING)
            ob_life_move(peer, OB_PEER_WAITING);
        ob_life_move(peer, OB_PEER_PAUSED);
    }
    if (!pause && peer->life == OB_PEER_PAUSED) {
        ob_life_move(peer, OB_PEER_WAITING);
        if (peer->rounds.current.running) /* the round that ran when it was paused still runs */
            ob_life_move(peer, OB_PEER_TRAINING);
        ob_pacing_update(peer);
    }
}
