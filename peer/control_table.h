/* control_table - entries that everybody ends up with, whatever the order in which they arrive: storage,
 * which of two stays, digest. Which entries count is authority.c's to say. Pure; nothing here knows a peer.
 *
 * Place of an entry: its owner (the subject; of a rotation the signer, so that a key has one successor), kind
 * and signer. Of two at one place stays
 *
 *   goodbye, certificate, address, invitation, admission, withdrawal
 *                                   the higher sequence; of equal ones the longer, then the larger bytes
 *   revocation                      the lower keep_below, then as above
 *   rotation                        the lower sequence, then the smaller bytes
 *   evidence                        the lower cut; at equal cuts the one that is there (the digest has the
 *                                   cut only)
 *
 * so that any order of arrival ends with the same table.
 *
 * The bytes lie in one arena, new ones behind the others, and are never moved within a step: effects may
 * point at them. Holes are closed when a step begins and little room is left.
 *
 * Owns:    its arrays, from init to done. */
#ifndef OB_PEER_CONTROL_TABLE_H
#define OB_PEER_CONTROL_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "peer/digest.h"
#include "record/control.h"

struct control_entry {
    uint32_t offset; /* in the arena */
    uint16_t bytes;
};

struct control_table {
    struct control_entry *entries; /* sorted by place */
    struct control_entry **scratch;
    size_t count, capacity;
    uint8_t *arena;
    size_t arena_used, arena_holes, arena_bytes;
    struct digest_tree *digest; /* behind a pointer, so that looking in (const) may fill it */
};

bool ob_control_table_init(struct control_table *table, size_t machines); /* false: no memory */
void ob_control_table_done(struct control_table *table);                  /* half-built ones too */

struct ob_hash ob_control_table_digest(const struct control_table *table);
const struct ob_hash *ob_control_table_leaves(const struct control_table *table); /* OB_LEAVES */
/* Positions of one owner's entries are neighbours, sorted by kind: from _first on while _get_of is true. */
size_t ob_control_table_first(const struct control_table *table, const struct ob_machine_id *owner);
bool ob_control_table_get(const struct control_table *table, size_t position, struct ob_control *ret_control);
bool ob_control_table_get_of(const struct control_table *table, size_t position,
                             const struct ob_machine_id *owner, struct ob_control *ret_control);
/* The first of this kind. Of a rotation the owner is its signer. */
bool ob_control_table_find(const struct control_table *table, enum ob_control_kind kind,
                           const struct ob_machine_id *owner, struct ob_control *ret_control);
bool ob_control_table_holds(const struct control_table *table, const uint8_t *data, size_t bytes);
/* The machines that this invitation's key has signed. */
void ob_control_table_each_admission(const struct control_table *table, const struct ob_machine_id *key,
                                     void (*see)(void *context, const struct ob_machine_id *machine),
                                     void *context);
/* The i-th entry whose owner's key begins with the byte `leaf`, or NULL. */
const uint8_t *ob_control_table_data(const struct control_table *table, uint8_t leaf, size_t i,
                                     size_t *ret_bytes);

/* TAKEN: it is in the table now; KEPT: the one at its place stays; FULL: there is no room. */
enum control_put { CONTROL_TAKEN, CONTROL_KEPT, CONTROL_FULL };
/* Verified by the caller. ret_data (may be NULL): where it lies now, until the next step. */
enum control_put ob_control_table_put(struct control_table *table, const struct ob_control *control,
                                      const uint8_t *data, size_t bytes, const uint8_t **ret_data);
/* Removes what does not count. Returns how many. */
size_t ob_control_table_purge(struct control_table *table,
                              bool (*counts)(const void *context, const struct ob_control *control),
                              const void *context);
void ob_control_table_tidy(struct control_table *table); /* when a step begins */
void ob_control_table_each(const struct control_table *table,
                           void (*see)(void *context, const void *data, size_t bytes), void *context);

#endif
