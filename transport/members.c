/* members - the machines that are admitted or that we connect to: two sorted arrays of the same links, by
 * machine and by CURVE key, so that a handshake or a frame costs a binary search. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "transport/state.h"

static size_t position(struct ob_link *const *sorted, size_t count, const uint8_t *key, size_t offset) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp((const uint8_t *)sorted[middle] + offset, key, OB_KEY_BYTES) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

#define BY_MACHINE offsetof(struct ob_link, machine)
#define BY_CURVE   offsetof(struct ob_link, curve_key)

static struct ob_link *find(struct ob_link *const *sorted, size_t count, const uint8_t *key, size_t offset) {
    size_t at = position(sorted, count, key, offset);
    bool equal = at < count && memcmp((const uint8_t *)sorted[at] + offset, key, OB_KEY_BYTES) == 0;
    return equal ? sorted[at] : NULL;
}

struct ob_link *ob_link_find(const struct ob_transport *transport, const struct ob_machine_id *machine) {
    return find(transport->links, transport->link_count, machine->key, BY_MACHINE);
}

struct ob_link *ob_link_by_curve(const struct ob_transport *transport, const uint8_t *curve_key) {
    return find(transport->by_curve, transport->link_count, curve_key, BY_CURVE);
}

static void insert(struct ob_link **sorted, size_t count, struct ob_link *link, size_t offset) {
    size_t at = position(sorted, count, (const uint8_t *)link + offset, offset);
    memmove(sorted + at + 1, sorted + at, (count - at) * sizeof(struct ob_link *));
    sorted[at] = link;
}

static void take_out(struct ob_link **sorted, size_t count, const struct ob_link *link, size_t offset) {
    size_t at = position(sorted, count, (const uint8_t *)link + offset, offset);
    memmove(sorted + at, sorted + at + 1, (count - at - 1) * sizeof(struct ob_link *));
}

static enum ob_err grow(struct ob_transport *transport, struct ob_error *error) {
    if (transport->link_count < transport->link_room)
        return OB_OK;
    size_t room = 2 * transport->link_room + 16;
    struct ob_link **links = realloc(transport->links, room * sizeof(struct ob_link *));
    if (links)
        transport->links = links;
    struct ob_link **by_curve = realloc(transport->by_curve, room * sizeof(struct ob_link *));
    if (by_curve)
        transport->by_curve = by_curve;
    if (!links || !by_curve)
        return ob_fail(error, OB_ENOMEM, "not enough memory for another machine");
    transport->link_room = room;
    return OB_OK;
}

enum ob_err ob_link_take(struct ob_transport *transport, const struct ob_machine_id *machine,
                         struct ob_link **ret_link, struct ob_error *error) {
    struct ob_link *link = ob_link_find(transport, machine);
    if (link) {
        *ret_link = link;
        return OB_OK;
    }
    enum ob_err failed = grow(transport, error);
    if (failed)
        return failed;
    link = calloc(1, sizeof *link);
    if (!link)
        return ob_fail(error, OB_ENOMEM, "not enough memory for another machine");
    if (crypto_sign_ed25519_pk_to_curve25519(link->curve_key, machine->key) != 0) {
        free(link);
        return ob_fail(error, OB_EFORMAT, "the machine's key is not an Ed25519 public key");
    }
    link->outbox = ob_outbox_new();
    if (!link->outbox) {
        free(link);
        return ob_fail(error, OB_ENOMEM, "not enough memory for another machine");
    }
    link->machine = *machine;
    link->heard_s = ob_now_s();
    link->dealer.fd = link->sub.fd = link->monitor.fd = -1;
    link->change = (struct ob_source){.kind = OB_SOURCE_CHANGE, .owner = link, .fd = -1};
    insert(transport->links, transport->link_count, link, BY_MACHINE);
    insert(transport->by_curve, transport->link_count, link, BY_CURVE);
    transport->link_count++;
    *ret_link = link;
    return OB_OK;
}

void ob_link_remove(struct ob_transport *transport, struct ob_link *link) {
    take_out(transport->links, transport->link_count, link, BY_MACHINE);
    take_out(transport->by_curve, transport->link_count, link, BY_CURVE);
    transport->link_count--;
    ob_outbox_drop(link->outbox);
    free(link);
}
