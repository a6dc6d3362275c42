/* effects - the list of this step's effects, and moving from one life to another. */
#ifndef OB_PEER_EFFECTS_H
#define OB_PEER_EFFECTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "peer/events.h"
#include "peer/life.h"

struct ob_peer;
struct machine;

bool ob_effects_init(struct ob_peer *peer); /* false: no memory */
void ob_effects_done(struct ob_peer *peer);
void ob_effects_begin(struct ob_peer *peer); /* a step: the list is empty */

bool ob_effects_room(const struct ob_peer *peer); /* for another record */
struct ob_effect *ob_effects_add(struct ob_peer *peer, enum ob_effect_kind kind);
uint8_t *ob_effects_scratch(struct ob_peer *peer, size_t bytes); /* NULL: none left in this step */
bool ob_effects_texts_left(const struct ob_peer *peer);          /* for what is told if there is room */
/* Messages from ob_effects_scratch; their version is written here, as spoken.h has it … */
void ob_effects_publish(struct ob_peer *peer, uint8_t *data, size_t bytes);
void ob_effects_send(struct ob_peer *peer, const struct machine *to, uint8_t *data, size_t bytes);
/* … or is there already. */
void ob_effects_send_as(struct ob_peer *peer, const struct machine *to, const uint8_t *data, size_t bytes);
void ob_effects_tell(struct ob_peer *peer, enum ob_notice notice, const struct ob_machine_id *about,
                     const char *format, ...) OB_PRINTF(4, 5);
/* OB_NOTICE_REFUSED about a machine, not more than one in TELL_EVERY_NS. */
void ob_effects_refuse(struct ob_peer *peer, struct machine *sender, const char *format, ...) OB_PRINTF(3, 4);
void ob_effects_halt(struct ob_peer *peer, const char *format, ...) OB_PRINTF(2, 3);
/* A table is full: counted, and told now and then. */
void ob_effects_full(struct ob_peer *peer, const struct ob_machine_id *about, const char *what);
/* Moves to another life; asserts that the move is allowed. */
void ob_life_move(struct ob_peer *peer, enum ob_peer_life life);

#endif
