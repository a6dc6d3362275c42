#include "tests/sim/events.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int before(const struct sim_event *a, const struct sim_event *b) {
    return a->time_ns != b->time_ns ? a->time_ns < b->time_ns : a->number < b->number;
}

void sim_events_push(struct sim_events *events, struct sim_event event) {
    if (events->count == events->capacity) {
        events->capacity = events->capacity == 0 ? 1024 : 2 * events->capacity;
        events->heap = realloc(events->heap, events->capacity * sizeof *events->heap);
        if (events->heap == NULL)
            abort();
    }
    event.number = events->pushed++;
    if (event.buffer != NULL)
        event.buffer->references++;
    size_t at = events->count++;
    for (; at > 0 && before(&event, &events->heap[(at - 1) / 2]); at = (at - 1) / 2)
        events->heap[at] = events->heap[(at - 1) / 2];
    events->heap[at] = event;
}

struct sim_event sim_events_pop(struct sim_events *events) {
    assert(events->count > 0);
    struct sim_event first = events->heap[0], last = events->heap[--events->count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= events->count)
            break;
        if (child + 1 < events->count && before(&events->heap[child + 1], &events->heap[child]))
            child++;
        if (!before(&events->heap[child], &last))
            break;
        events->heap[at] = events->heap[child];
        at = child;
    }
    events->heap[at] = last;
    return first;
}

void sim_events_done(struct sim_events *events) {
    for (size_t i = 0; i < events->count; i++)
        if (events->heap[i].buffer != NULL)
            sim_buffer_release(events->heap[i].buffer);
    free(events->heap);
}

struct sim_buffer *sim_buffer_new(const void *data, size_t bytes) {
    struct sim_buffer *buffer = malloc(sizeof *buffer + bytes);
    if (buffer == NULL)
        abort();
    *buffer = (struct sim_buffer){.bytes = bytes};
    memcpy(buffer->data, data, bytes);
    return buffer;
}

void sim_buffer_release(struct sim_buffer *buffer) {
    assert(buffer->references > 0);
    if (--buffer->references == 0)
        free(buffer);
}
