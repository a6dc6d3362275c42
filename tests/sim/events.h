/* events - what will happen in a simulation, in the order of its time (a binary heap). */
#ifndef OB_SIM_EVENTS_H
#define OB_SIM_EVENTS_H

#include <stddef.h>
#include <stdint.h>

enum sim_event_kind {
    SIM_DELIVER,
    SIM_TICK,
    SIM_ROUND_DONE,
    SIM_LINK_UP,
    SIM_LINK_DOWN,
    SIM_SYNC,
    SIM_DIGEST,
    SIM_REBUILT,
    SIM_KNOCK,
    SIM_RESTART,
    SIM_ATTACK, /* an attacker's next record */
    SIM_BEGIN,  /* of an entry of the plan, number `node` … */
    SIM_END     /* … and when it is over */
};

/* A message's bytes, shared by its copies. */
struct sim_buffer {
    size_t references, bytes;
    uint32_t hops; /* from the signer, when it is a record that is published */
    uint8_t data[];
};

struct sim_event {
    uint64_t time_ns, number; /* number: events of one time keep their order */
    enum sim_event_kind kind;
    uint32_t node, from;
    uint64_t incarnation; /* of node: events of an earlier life are dropped */
    struct sim_buffer *buffer;
};

struct sim_events {
    struct sim_event *heap;
    size_t count, capacity;
    uint64_t pushed;
};

void sim_events_push(struct sim_events *events, struct sim_event event);
struct sim_event sim_events_pop(struct sim_events *events);
void sim_events_done(struct sim_events *events);

struct sim_buffer *sim_buffer_new(const void *data, size_t bytes); /* no references yet */
void sim_buffer_release(struct sim_buffer *buffer);

#endif
