#include "peer/effects.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peer/spoken.h"
#include "peer/state.h"
#include "record/wire.h"

#define EFFECTS_SPARE 128 /* left for what follows the records of a message */

bool ob_effects_init(struct ob_peer *peer) {
    struct effects *effects = &peer->effects;
    effects->items = calloc(EFFECTS_MAX, sizeof *effects->items);
    effects->scratch = malloc(SCRATCH_BYTES);
    effects->texts = calloc(TEXTS_MAX, sizeof *effects->texts);
    return effects->items && effects->scratch && effects->texts;
}

void ob_effects_done(struct ob_peer *peer) {
    free(peer->effects.items);
    free(peer->effects.scratch);
    free(peer->effects.texts);
}

void ob_effects_begin(struct ob_peer *peer) {
    peer->effects.count = peer->effects.scratch_used = peer->effects.texts_used = 0;
}

bool ob_effects_texts_left(const struct ob_peer *peer) {
    return peer->effects.texts_used < TEXTS_MAX / 2;
}

bool ob_effects_room(const struct ob_peer *peer) {
    return peer->effects.count + EFFECTS_SPARE <= EFFECTS_MAX;
}

struct ob_effect *ob_effects_add(struct ob_peer *peer, enum ob_effect_kind kind) {
    assert(peer->effects.count < EFFECTS_MAX);
    struct ob_effect *effect = &peer->effects.items[peer->effects.count++];
    *effect = (struct ob_effect){.kind = kind};
    return effect;
}

uint8_t *ob_effects_scratch(struct ob_peer *peer, size_t bytes) {
    if (bytes > SCRATCH_BYTES - peer->effects.scratch_used || peer->effects.count + 8 > EFFECTS_MAX)
        return NULL;
    uint8_t *place = peer->effects.scratch + peer->effects.scratch_used;
    peer->effects.scratch_used += bytes;
    return place;
}

static void publish_as(struct ob_peer *peer, uint8_t version, uint8_t *data, size_t bytes) {
    struct ob_effect *effect = ob_effects_add(peer, OB_EFFECT_PUBLISH);
    data[1] = version;
    effect->data = data;
    effect->bytes = bytes;
}

void ob_effects_publish(struct ob_peer *peer, uint8_t *data, size_t bytes) {
    assert(bytes >= OB_MESSAGE_HEADER_BYTES && bytes <= OB_MESSAGE_MAX);
    uint8_t version = ob_spoken_published(peer, 0), *copy;
    publish_as(peer, version, data, bytes);
    while ((version = ob_spoken_published(peer, version)) > 0 && (copy = ob_effects_scratch(peer, bytes)))
        publish_as(peer, version, memcpy(copy, data, bytes), bytes);
}

void ob_effects_send_as(struct ob_peer *peer, const struct machine *to, const uint8_t *data, size_t bytes) {
    assert(bytes <= OB_MESSAGE_MAX);
    struct ob_effect *effect = ob_effects_add(peer, OB_EFFECT_SEND);
    effect->machine = to->id;
    effect->data = data;
    effect->bytes = bytes;
}

void ob_effects_send(struct ob_peer *peer, const struct machine *to, uint8_t *data, size_t bytes) {
    assert(bytes >= OB_MESSAGE_HEADER_BYTES);
    data[1] = ob_spoken_to(peer, to);
    ob_effects_send_as(peer, to, data, bytes);
}

/* The text lives until the next step; a step that says too much says less at its end. */
OB_PRINTF(2, 0) static const char *write_text(struct ob_peer *peer, const char *format, va_list arguments) {
    if (peer->effects.texts_used == TEXTS_MAX)
        return "(further messages omitted)";
    char *text = peer->effects.texts[peer->effects.texts_used++];
    (void)vsnprintf(text, TEXT_BYTES, format, arguments);
    return text;
}

OB_PRINTF(4, 0)
static void tell(struct ob_peer *peer, enum ob_notice notice, const struct ob_machine_id *about,
                 const char *format, va_list arguments) {
    if (peer->effects.count + 8 > EFFECTS_MAX)
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
    if (sender->contact.told_refused_ns != 0 &&
        peer->now_ns - sender->contact.told_refused_ns < TELL_EVERY_NS)
        return;
    sender->contact.told_refused_ns = peer->now_ns;
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
    if (peer->effects.told_full_ns != 0 && peer->now_ns - peer->effects.told_full_ns < TELL_EVERY_NS)
        return;
    peer->effects.told_full_ns = peer->now_ns;
    ob_effects_tell(peer, OB_NOTICE_REFUSED, about, "%s (%zu machines): message dropped", what,
                    peer->machines.capacity);
}

void ob_life_move(struct ob_peer *peer, enum ob_peer_life life) {
    assert(ob_life_may_move(peer->life, life));
    peer->life = life;
}
