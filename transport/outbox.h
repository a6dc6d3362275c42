/* outbox - how many bytes wait to be sent: to one machine, and to all.
 *
 * ZeroMQ bounds its queues in messages. What is sent here carries its account with it: ZeroMQ gives a message's memory back
 * when it has encrypted it for the wire, in its own thread, and the account is told.
 *
 * Bounds:  OB_OUTBOX_MAX of one machine, over all of its connections; OB_OUTBOXES_MAX in all, of which one machine gets a
 *          quarter of what is left at most, so that a few who do not read leave room for the others.
 * Owns:    an outbox is counted: it goes when its owner and its last message have let go of it.
 * Threads: any; the functions do not wait. */
#ifndef OB_TRANSPORT_OUTBOX_H
#define OB_TRANSPORT_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OB_OUTBOX_MAX   ((size_t)4 << 20)
#define OB_OUTBOXES_MAX ((size_t)64 << 20)

struct ob_outbox;

struct ob_outbox *ob_outbox_new(void);         /* NULL: out of memory */
void ob_outbox_drop(struct ob_outbox *outbox); /* NULL: nothing */
size_t ob_outbox_bytes(const struct ob_outbox *outbox);

/* False: its machine has not taken what it was sent before, or all together have not. `all` counts those of all machines. */
bool ob_outbox_room(const struct ob_outbox *outbox, const struct ob_outbox *all, size_t bytes);
/* One part, to a ZeroMQ socket, without waiting. False: ZeroMQ does not take it now, or there is no memory. */
bool ob_outbox_post(struct ob_outbox *outbox, struct ob_outbox *all, void *socket, const void *data,
                    size_t bytes);

#endif
