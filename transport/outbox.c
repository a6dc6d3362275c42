#include "transport/outbox.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

struct ob_outbox {
    atomic_size_t bytes, holders;
};

/* A message's memory. */
struct parcel {
    struct ob_outbox *of, *all;
    size_t bytes;
    atomic_bool posted; /* orders what is written here before the release by libzmq's thread */
    uint8_t data[];
};

struct ob_outbox *ob_outbox_new(void) {
    struct ob_outbox *outbox = malloc(sizeof *outbox);
    if (!outbox)
        return NULL;
    atomic_init(&outbox->bytes, 0);
    atomic_init(&outbox->holders, 1);
    return outbox;
}

void ob_outbox_drop(struct ob_outbox *outbox) {
    if (outbox && atomic_fetch_sub(&outbox->holders, 1) == 1)
        free(outbox);
}

size_t ob_outbox_bytes(const struct ob_outbox *outbox) {
    return atomic_load(&outbox->bytes);
}

static void add(struct ob_outbox *outbox, size_t bytes) {
    atomic_fetch_add(&outbox->bytes, bytes);
    atomic_fetch_add(&outbox->holders, 1);
}

static void take_off(struct ob_outbox *outbox, size_t bytes) {
    atomic_fetch_sub(&outbox->bytes, bytes);
    ob_outbox_drop(outbox);
}

static void release(void *data, void *hint) {
    struct parcel *parcel = hint;
    (void)data;
    (void)atomic_load(&parcel->posted);
    take_off(parcel->of, parcel->bytes);
    take_off(parcel->all, parcel->bytes);
    free(parcel);
}

static size_t counted(size_t bytes) {
    return sizeof(struct parcel) + bytes;
}

bool ob_outbox_room(const struct ob_outbox *outbox, const struct ob_outbox *all, size_t bytes) {
    size_t mine = ob_outbox_bytes(outbox), together = ob_outbox_bytes(all);
    size_t left = together < OB_OUTBOXES_MAX ? OB_OUTBOXES_MAX - together : 0;
    size_t share = left / 4 < OB_OUTBOX_MAX ? left / 4 : OB_OUTBOX_MAX;
    return mine + counted(bytes) <= share;
}

bool ob_outbox_post(struct ob_outbox *outbox, struct ob_outbox *all, void *socket, const void *data,
                    size_t bytes) {
    zmq_msg_t message;
    struct parcel *parcel = malloc(counted(bytes));
    if (!parcel)
        return false;
    *parcel = (struct parcel){.of = outbox, .all = all, .bytes = counted(bytes)};
    if (bytes > 0)
        memcpy(parcel->data, data, bytes);
    if (zmq_msg_init_data(&message, parcel->data, bytes, release, parcel) != 0) {
        free(parcel);
        return false;
    }
    add(outbox, counted(bytes));
    add(all, counted(bytes));
    atomic_store(&parcel->posted, true);
    if (zmq_msg_send(&message, socket, ZMQ_DONTWAIT) >= 0)
        return true;
    int why = errno;
    zmq_msg_close(&message); /* calls release */
    errno = why;
    return false;
}
