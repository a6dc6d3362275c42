#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "peer/state.h"

bool ob_effects_room(const struct ob_peer *peer) {
    return peer->effects_count + EFFECTS_SPARE <= EFFECTS_MAX;
}

struct ob_effect *ob_effects_add(struct ob_peer *peer, enum ob_effect_kind kind) {
    assert(peer->effects_count < EFFECTS_MAX);
    struct ob_effect *effect = &peer->effects[peer->effects_count++];
    *effect = (struct ob_effect){.kind = kind};
    return effect;
}

uint8_t *ob_effects_scratch(struct ob_peer *peer, size_t bytes) {
    if (bytes > SCRATCH_BYTES - peer->scratch_used || peer->effects_count + 8 > EFFECTS_MAX)
        return NULL;
    uint8_t *place = peer->scratch + peer->scratch_used;
    peer->scratch_used += bytes;
    return place;
}

void ob_effects_publish(struct ob_peer *peer, const uint8_t *data, size_t bytes) {
    assert(bytes <= OB_MESSAGE_MAX);
    struct ob_effect *effect = ob_effects_add(peer, OB_EFFECT_PUBLISH);
    effect->data = data;
    effect->bytes = bytes;
}

void ob_effects_send(struct ob_peer *peer, const struct machine *to, const uint8_t *data, size_t bytes) {
    assert(bytes <= OB_MESSAGE_MAX);
    struct ob_effect *effect = ob_effects_add(peer, OB_EFFECT_SEND);
    effect->machine = to->id;
    effect->data = data;
    effect->bytes = bytes;
}

/* The text lives until the next step; a step that says too much says less at its end. */
OB_PRINTF(2, 0) static const char *write_text(struct ob_peer *peer, const char *format, va_list arguments) {
    if (peer->texts_used == TEXTS_MAX)
        return "(more happened in this step than is told)";
    char *text = peer->texts[peer->texts_used++];
    (void)vsnprintf(text, TEXT_BYTES, format, arguments);
    return text;
}

OB_PRINTF(4, 0)
static void tell(struct ob_peer *peer, enum ob_notice notice, const struct ob_machine_id *about,
                 const char *format, va_list arguments) {
    if (peer->effects_count + 8 > EFFECTS_MAX)
        return;
    struct ob_effect *effect = ob_effects_add(peer, OB_EFFECT_TELL);
    effect->notice = notice;
    effect->machine = *about;
    effect->text = write_text(peer, format, arguments);
}

void ob_effects_tell(struct ob_peer *peer, enum ob_notice notice, const struct ob_machine_id *about,
                     const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    tell(peer, notice, about, format, arguments);
    va_end(arguments);
}

void ob_effects_refuse(struct ob_peer *peer, struct machine *sender, const char *format, ...) {
    peer->counters.refused++;
    if (sender->told_refused_ns != 0 && peer->now_ns - sender->told_refused_ns < TELL_EVERY_NS)
        return;
    sender->told_refused_ns = peer->now_ns;
    va_list arguments;
    va_start(arguments, format);
    tell(peer, OB_NOTICE_REFUSED, &sender->id, format, arguments);
    va_end(arguments);
}

void ob_effects_halt(struct ob_peer *peer, const char *format, ...) {
    ob_life_move(peer, OB_PEER_HALTED);
    struct ob_effect *effect = ob_effects_add(peer, OB_EFFECT_HALT);
    va_list arguments;
    va_start(arguments, format);
    effect->machine = peer->options.machine;
    effect->text = write_text(peer, format, arguments);
    va_end(arguments);
}

void ob_effects_full(struct ob_peer *peer, const struct ob_machine_id *about, const char *what) {
    peer->counters.refused++;
    if (peer->told_full_ns != 0 && peer->now_ns - peer->told_full_ns < TELL_EVERY_NS)
        return;
    peer->told_full_ns = peer->now_ns;
    ob_effects_tell(peer, OB_NOTICE_REFUSED, about, "%s (%zu machines): what it says cannot be taken in",
                    what, peer->capacity);
}

#define MOVE(life) (1u << OB_PEER_##life)

/* What each life may become. */
static const unsigned MOVES[] = {
    [OB_PEER_RECOVERING] = MOVE(RECONCILING) | MOVE(LEFT),
    [OB_PEER_RECONCILING] = MOVE(WAITING) | MOVE(PAUSED) | MOVE(LEAVING) | MOVE(HALTED),
    [OB_PEER_TRAINING] = MOVE(WAITING) | MOVE(PAUSED) | MOVE(LEAVING) | MOVE(HALTED),
    [OB_PEER_WAITING] =
        MOVE(TRAINING) | MOVE(PAUSED) | MOVE(ISOLATED) | MOVE(FINISHED) | MOVE(LEAVING) | MOVE(HALTED),
    [OB_PEER_PAUSED] = MOVE(WAITING) | MOVE(LEAVING) | MOVE(HALTED),
    [OB_PEER_ISOLATED] = MOVE(WAITING) | MOVE(PAUSED) | MOVE(LEAVING) | MOVE(HALTED),
    [OB_PEER_FINISHED] = MOVE(WAITING) | MOVE(LEAVING) | MOVE(HALTED),
    [OB_PEER_LEAVING] = MOVE(LEFT) | MOVE(HALTED),
    [OB_PEER_LEFT] = 0,
    [OB_PEER_HALTED] = 0,
};

bool ob_life_may_move(enum ob_peer_life from, enum ob_peer_life to) {
    return (MOVES[from] >> to & 1) != 0;
}

void ob_life_move(struct ob_peer *peer, enum ob_peer_life life) {
    assert(ob_life_may_move(peer->life, life));
    peer->life = life;
}
