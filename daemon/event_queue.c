#include "daemon/event_queue.h"

#include <assert.h>

void ob_event_queue_push(struct ob_event_queue *queue, enum ob_event_kind kind) {
    assert(kind == OB_EVENT_PAUSE || kind == OB_EVENT_RESUME || kind == OB_EVENT_BUSY ||
           kind == OB_EVENT_FREE || kind == OB_EVENT_LEAVE);
    assert(queue->count < OB_EVENT_QUEUE_MAX);
    queue->kinds[(queue->first + queue->count++) % OB_EVENT_QUEUE_MAX] = kind;
}

bool ob_event_queue_take(struct ob_event_queue *queue, struct ob_event *ret_event) {
    if (queue->count == 0)
        return false;
    *ret_event = (struct ob_event){.kind = queue->kinds[queue->first]};
    queue->first = (queue->first + 1) % OB_EVENT_QUEUE_MAX;
    queue->count--;
    return true;
}
