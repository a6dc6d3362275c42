/* control_put - a control entry goes into the table, to the store and to everybody; and entries that only we
 * may sign. What follows from an entry is admission.c's to find out. */
#ifndef OB_PEER_CONTROL_PUT_H
#define OB_PEER_CONTROL_PUT_H

#include <stdbool.h>
#include <stddef.h>

#include "peer/message.h"
#include "record/control.h"

#define OB_CONTROL_LIST_HEADER_BYTES (OB_MESSAGE_HEADER_BYTES + OB_HASH_BYTES + 4)

/* A message of control entries in the caller's storage: start, add entries until it returns false (full), end. */
struct ob_writer ob_control_list_start(const struct ob_run_id *run, void *buffer, size_t capacity);
bool ob_control_list_add(struct ob_writer *writer, const void *entry, size_t bytes);
void ob_control_list_end(struct ob_writer *writer, uint32_t count);

struct ob_peer;

/* Verified by the caller. False: it is not new, or there is no room (told). */
bool ob_control_put(struct ob_peer *peer, const struct ob_control *control, const uint8_t *data, size_t bytes,
                    bool onwards);
/* Signs an entry of our own, after the one that is in the table, and puts it there. False: we have no
 * certificate (yet), or it was refused (told); ret_control is what was put. */
bool ob_control_put_own(struct ob_peer *peer, enum ob_control_kind kind, const uint8_t *payload, size_t bytes,
                        struct ob_control *ret_control);

#endif
