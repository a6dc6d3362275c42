#include "peer/evaluation.h"

#include <assert.h>

#include "peer/admission.h"
#include "peer/effects.h"
#include "peer/machines.h"
#include "peer/state.h"

#define EVALUATION_EVERY_NS (15 * SECONDS)

static_assert(sizeof OB_EVALUATION_LABEL - 1 == 16, "the label's length is part of the format");
static_assert(OB_EVALUATION_BYTES <= OB_SMALL_MESSAGE_BYTES_MAX, "small messages");

/* ---- on the wire ---- */

static void write_evaluation(struct ob_writer *writer, const struct ob_evaluation *evaluation) {
    const struct ob_score *score = &evaluation->score;
    ob_write_bytes(writer, evaluation->run.hash.bytes, OB_HASH_BYTES);
    ob_write_bytes(writer, evaluation->machine.key, OB_KEY_BYTES);
    ob_write_u32(writer, evaluation->below.index);
    ob_write_bytes(writer, evaluation->log.bytes, OB_HASH_BYTES);
    ob_write_u64(writer, score->items);
    ob_write_u64(writer, score->units);
    ob_write_u64(writer, score->choices);
    ob_write_u64(writer, score->right);
    ob_write_f64(writer, score->loss);
    ob_write_f64(writer, score->loss_square);
    ob_write_f64(writer, score->loss_units);
    ob_write_f64(writer, score->units_square);
}

size_t ob_evaluation_body(const struct ob_evaluation *evaluation,
                          uint8_t ret_body[static OB_EVALUATION_BODY_BYTES]) {
    struct ob_writer writer = ob_writer_init(ret_body, OB_EVALUATION_BODY_BYTES);
    ob_write_bytes(&writer, OB_EVALUATION_LABEL, sizeof OB_EVALUATION_LABEL - 1);
    write_evaluation(&writer, evaluation);
    assert(!writer.failed && writer.used == OB_EVALUATION_BODY_BYTES);
    return writer.used;
}

size_t ob_evaluation_encode(const struct ob_evaluation *evaluation,
                            uint8_t ret_data[static OB_EVALUATION_BYTES]) {
    struct ob_writer writer = ob_writer_init(ret_data, OB_EVALUATION_BYTES);
    ob_write_u8(&writer, OB_MESSAGE_EVALUATION);
    ob_write_u8(&writer, OB_PROTOCOL_VERSION);
    write_evaluation(&writer, evaluation);
    ob_write_bytes(&writer, evaluation->signature, 64);
    assert(!writer.failed && writer.used == OB_EVALUATION_BYTES);
    return writer.used;
}

bool ob_evaluation_decode(struct ob_reader reader, struct ob_evaluation *ret_evaluation) {
    struct ob_evaluation evaluation = {0};
    struct ob_score *score = &evaluation.score;
    ob_read_bytes(&reader, evaluation.run.hash.bytes, OB_HASH_BYTES);
    ob_read_bytes(&reader, evaluation.machine.key, OB_KEY_BYTES);
    evaluation.below.index = ob_read_u32(&reader);
    ob_read_bytes(&reader, evaluation.log.bytes, OB_HASH_BYTES);
    score->items = ob_read_u64(&reader);
    score->units = ob_read_u64(&reader);
    score->choices = ob_read_u64(&reader);
    score->right = ob_read_u64(&reader);
    score->loss = ob_read_f64(&reader);
    score->loss_square = ob_read_f64(&reader);
    score->loss_units = ob_read_f64(&reader);
    score->units_square = ob_read_f64(&reader);
    evaluation.signature = ob_read_view(&reader, 64);
    if (!ob_message_read(&reader) || !ob_score_plausible(score))
        return false;
    *ret_evaluation = evaluation;
    return true;
}

/* ---- remembering ---- */

static struct evaluated *find(struct machine_evaluation *of, const struct ob_hash *log) {
    size_t kept = of->count < EVALUATIONS ? of->count : EVALUATIONS;
    for (size_t i = 0; i < kept; i++)
        if (ob_hash_equal(&of->last[i].log, log))
            return &of->last[i];
    return NULL;
}

static void remember(struct ob_peer *peer, struct machine *machine, uint32_t below, const struct ob_hash *log,
                     const struct ob_score *score) {
    struct machine_evaluation *of = &machine->evaluation;
    of->last[of->count++ % EVALUATIONS] =
        (struct evaluated){.below = below, .log = *log, .score = *score, .heard_ns = peer->now_ns};
    of->highest = below > of->highest || of->count == 1 ? below : of->highest;
}

size_t ob_evaluation_sum(const struct ob_peer *peer, const struct ob_hash *log, struct ob_score *ret_score) {
    struct ob_score sum = {0};
    size_t count = 0;
    for (size_t i = 0; i < peer->machines.count; i++) {
        struct machine *machine = peer->machines.order[i];
        const struct evaluated *said = find(&machine->evaluation, log);
        const struct standing *standing = &machine->standing;
        bool belongs = standing->certified && !standing->revoked && !standing->forked;
        if (said == NULL || !(machine == peer->own || peer->options.open || belongs))
            continue;
        ob_score_add(&sum, &said->score);
        count++;
    }
    *ret_score = sum;
    return count;
}

/* ---- saying ---- */

static void publish(struct ob_peer *peer, const struct evaluated *own) {
    uint8_t *data = ob_effects_scratch(peer, OB_SMALL_MESSAGE_BYTES_MAX);
    if (data == NULL)
        return;
    struct ob_evaluation evaluation = {.run = peer->options.run,
                                       .machine = peer->options.machine,
                                       .below = {own->below},
                                       .log = own->log,
                                       .score = own->score};
    uint8_t body[OB_EVALUATION_BODY_BYTES], signature[64];
    size_t bytes = ob_evaluation_body(&evaluation, body);
    peer->options.crypto.sign(peer->options.crypto.context, body, bytes, signature);
    evaluation.signature = signature;
    ob_effects_publish(peer, data, ob_evaluation_encode(&evaluation, data));
    peer->report.evaluation_told_ns = peer->now_ns;
}

void ob_evaluation_set(struct ob_peer *peer, const struct ob_event *event) {
    struct machine_evaluation *own = &peer->own->evaluation;
    if (event->score == NULL || !ob_score_plausible(event->score) || find(own, &event->log) != NULL)
        return;
    remember(peer, peer->own, event->below, &event->log, event->score);
    if (peer->options.share_metrics && peer->life != OB_PEER_RECOVERING)
        publish(peer, find(own, &event->log));
}

void ob_evaluation_tick(struct ob_peer *peer) {
    const struct machine_evaluation *own = &peer->own->evaluation;
    if (!peer->options.share_metrics || own->count == 0 ||
        peer->now_ns - peer->report.evaluation_told_ns < EVALUATION_EVERY_NS)
        return;
    publish(peer, &own->last[(own->count - 1) % EVALUATIONS]);
}

/* ---- hearing ---- */

void ob_receive_evaluation(struct ob_peer *peer, struct machine *sender, struct ob_reader body) {
    const struct ob_peer_crypto *crypto = &peer->options.crypto;
    struct ob_evaluation evaluation;
    uint8_t signed_body[OB_EVALUATION_BODY_BYTES];
    if (!ob_evaluation_decode(body, &evaluation)) {
        ob_effects_refuse(peer, sender, "a malformed evaluation");
        return;
    }
    if (!ob_hash_equal(&evaluation.run.hash, &peer->options.run.hash)) {
        ob_effects_refuse(peer, sender, "an evaluation of another run");
        return;
    }
    if (evaluation.below.index > peer->options.bounds.max_rounds) {
        ob_effects_refuse(peer, sender, "an evaluation beyond the run's rounds");
        return;
    }
    struct machine *machine = ob_machines_find(peer, &evaluation.machine);
    if (machine == NULL || machine == peer->own || find(&machine->evaluation, &evaluation.log) != NULL)
        return;
    bool old =
        machine->evaluation.count >= EVALUATIONS && evaluation.below.index < machine->evaluation.highest;
    if (old) /* an echo that must not push out what is newer */
        return;
    size_t bytes = ob_evaluation_body(&evaluation, signed_body);
    if (!crypto->verify(crypto->context, &evaluation.machine, signed_body, bytes, evaluation.signature)) {
        peer->counters.bad_signatures++;
        ob_effects_refuse(peer, sender, "an evaluation with a bad signature");
        return;
    }
    remember(peer, machine, evaluation.below.index, &evaluation.log, &evaluation.score);
    uint8_t *data = peer->options.relay ? ob_effects_scratch(peer, OB_SMALL_MESSAGE_BYTES_MAX) : NULL;
    if (data != NULL)
        ob_effects_publish(peer, data, ob_evaluation_encode(&evaluation, data));
}
