/* fuzz_message - any bytes as messages to a peer that knows a few machines: none may break its invariants.
 *
 * The input is cut into messages: le16 length, then that many bytes; between two of them 100 ms pass.
 * Signatures are good when their first byte is that of the signed message's length, so that the fuzzer gets
 * past them. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/cursor.h"
#include "peer/peer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void sign(void *context, const void *message, size_t bytes, uint8_t ret_signature[64]) {
    (void)context;
    (void)message;
    memset(ret_signature, 0, 64);
    ret_signature[0] = (uint8_t)bytes;
}

static bool verify(void *context, const struct ob_machine_id *machine, const void *message, size_t bytes,
                   const uint8_t signature[64]) {
    (void)context;
    (void)machine;
    (void)message;
    return signature[0] == (uint8_t)bytes;
}

/* The last question for a digest, and whether our weights are being rebuilt: answered after the step. */
static void step(struct ob_peer *peer, const struct ob_event *event) {
    struct ob_event answers[2];
    size_t count = 0;
    struct ob_effects effects = ob_peer_step(peer, event);
    for (size_t i = 0; i < effects.count; i++) {
        const struct ob_effect *effect = &effects.items[i];
        assert(effect->kind != OB_EFFECT_PUBLISH || effect->bytes > 0);
        assert(effect->kind != OB_EFFECT_TELL || effect->text != NULL);
        bool digest = effect->kind == OB_EFFECT_DIGEST;
        if ((digest || effect->kind == OB_EFFECT_REBUILD) && count < 2)
            answers[count++] = (struct ob_event){.kind = digest ? OB_EVENT_DIGEST : OB_EVENT_REBUILT,
                                                 .now_ns = event->now_ns,
                                                 .log = effect->digest.log,
                                                 .weights = {{1}},
                                                 .healed = event->now_ns / 100000000 % 2 == 0};
    }
    if (ob_peer_check(peer) != NULL)
        abort();
    for (size_t i = 0; i < count; i++)
        step(peer, &answers[i]);
}

static struct ob_peer *start(uint64_t now_ns) {
    struct ob_peer_options options = {
        .machine = {{1}},
        .instance = 1,
        .bounds = {.max_rounds = 1000,
                   .max_machines = 8,
                   .samples_per_round = 4096,
                   .exponent_min = -40,
                   .exponent_max = 40,
                   .profiles = 1},
        .max_staleness = 1,
        .rejoin_wait_ns = 1000000000,
        .may_start_alone = true,
        .machines_max = 8,
        .digest_interval = 2,
        .open = true,
        .protocol_lowest = 2,
        .protocol_highest = 3,
        .crypto = {.sign = sign, .verify = verify},
    };
    struct ob_peer *peer;
    if (ob_peer_new(&options, &peer, NULL) != OB_OK)
        abort();
    step(peer, &(struct ob_event){.kind = OB_EVENT_START, .now_ns = now_ns});
    for (uint8_t i = 2; i < 5; i++)
        step(peer, &(struct ob_event){.kind = OB_EVENT_LINK_UP, .now_ns = now_ns, .machine = {{i}}});
    return peer;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    uint64_t now_ns = 1000000000;
    struct ob_peer *peer = start(now_ns);
    struct ob_reader reader = ob_reader_init(data, bytes);
    for (uint8_t number = 0; reader.left > 2; number++) {
        size_t length = ob_read_u16(&reader);
        if (length > reader.left)
            length = reader.left;
        const uint8_t *message = ob_read_view(&reader, length);
        uint8_t *copy = malloc(length > 0 ? length : 1); /* exactly as long, so that a read too far is seen */
        if (copy == NULL)
            abort();
        memcpy(copy, message, length);
        step(peer, &(struct ob_event){.kind = OB_EVENT_MESSAGE,
                                      .now_ns = now_ns,
                                      .machine = {{(uint8_t)(1 + number % 5)}},
                                      .data = copy,
                                      .bytes = length});
        free(copy);
        now_ns += 100000000;
        static const uint8_t BYTES[2] = {0x60, 0x61};
        step(peer, &(struct ob_event){.kind = OB_EVENT_TICK, .now_ns = now_ns});
        step(peer,
             &(struct ob_event){.kind = OB_EVENT_ROUND_DONE, .now_ns = now_ns, .data = BYTES, .bytes = 2});
    }
    ob_peer_free(peer);
    return 0;
}
