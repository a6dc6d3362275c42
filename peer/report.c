#include "peer/report.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "peer/effects.h"
#include "peer/machines.h"
#include "peer/state.h"

#define REPORT_EVERY_NS (5 * SECONDS)
#define LOSS_MAX        1e6
#define RATE_MAX        1e9

static_assert(sizeof OB_REPORT_LABEL - 1 == 16, "the label's length is part of the format");
static_assert(OB_REPORT_BYTES_MAX <= OB_SMALL_MESSAGE_BYTES_MAX, "small messages");

/* ---- on the wire ---- */

static void write_report(struct ob_writer *writer, const struct ob_report *report) {
    size_t length = strlen(report->version);
    ob_write_bytes(writer, report->run.hash.bytes, OB_HASH_BYTES);
    ob_write_bytes(writer, report->machine.key, OB_KEY_BYTES);
    ob_write_u64(writer, report->instance);
    ob_write_u64(writer, report->sequence);
    ob_write_f64(writer, report->loss);
    ob_write_f64(writer, report->rate);
    ob_write_u8(writer, (uint8_t)length);
    ob_write_bytes(writer, report->version, length);
}

size_t ob_report_body(const struct ob_report *report, uint8_t ret_body[static OB_REPORT_BODY_MAX]) {
    struct ob_writer writer = ob_writer_init(ret_body, OB_REPORT_BODY_MAX);
    ob_write_bytes(&writer, OB_REPORT_LABEL, sizeof OB_REPORT_LABEL - 1);
    write_report(&writer, report);
    assert(!writer.failed);
    return writer.used;
}

size_t ob_report_encode(const struct ob_report *report, uint8_t ret_data[static OB_REPORT_BYTES_MAX]) {
    struct ob_writer writer = ob_writer_init(ret_data, OB_REPORT_BYTES_MAX);
    ob_write_u8(&writer, OB_MESSAGE_REPORT);
    ob_write_u8(&writer, OB_PROTOCOL_VERSION);
    write_report(&writer, report);
    ob_write_bytes(&writer, report->signature, 64);
    assert(!writer.failed);
    return writer.used;
}

bool ob_report_decode(struct ob_reader reader, struct ob_report *ret_report) {
    struct ob_report report = {0};
    ob_read_bytes(&reader, report.run.hash.bytes, OB_HASH_BYTES);
    ob_read_bytes(&reader, report.machine.key, OB_KEY_BYTES);
    report.instance = ob_read_u64(&reader);
    report.sequence = ob_read_u64(&reader);
    report.loss = ob_read_f64(&reader);
    report.rate = ob_read_f64(&reader);
    uint8_t length = ob_read_u8(&reader);
    if (length > OB_REPORT_VERSION_MAX)
        return false;
    ob_read_bytes(&reader, report.version, length);
    report.signature = ob_read_view(&reader, 64);
    bool plain = true;
    for (uint8_t i = 0; i < length; i++)
        plain = plain && report.version[i] > ' ' && report.version[i] <= '~';
    bool bounded =
        (isnan(report.loss) || fabs(report.loss) <= LOSS_MAX) && report.rate >= 0 && report.rate <= RATE_MAX;
    if (!ob_message_read(&reader) || !plain || !bounded)
        return false;
    *ret_report = report;
    return true;
}

/* ---- saying ---- */

void ob_report_set(struct ob_peer *peer, const struct ob_event *event) {
    bool finite = isfinite(event->loss) && fabs(event->loss) <= LOSS_MAX;
    peer->report.known = true;
    peer->report.loss = finite ? event->loss : NAN;
    peer->report.rate = event->rate >= 0 && event->rate <= RATE_MAX ? event->rate : 0;
}

void ob_report_tick(struct ob_peer *peer) {
    struct report *own = &peer->report;
    bool due = own->told_ns == 0 || peer->now_ns - own->told_ns >= REPORT_EVERY_NS;
    if (!peer->options.share_metrics || !own->known || !due)
        return;
    uint8_t *data = ob_effects_scratch(peer, OB_SMALL_MESSAGE_BYTES_MAX);
    if (data == NULL)
        return;
    struct ob_report report = {
        .run = peer->options.run,
        .machine = peer->options.machine,
        .instance = peer->options.instance,
        .sequence = ++own->sequence,
        .loss = own->loss,
        .rate = own->rate,
    };
    static_assert(sizeof report.version == sizeof peer->options.version, "the version that we tell");
    memcpy(report.version, peer->options.version, sizeof report.version);
    uint8_t body[OB_REPORT_BODY_MAX], signature[64];
    size_t body_bytes = ob_report_body(&report, body);
    peer->options.crypto.sign(peer->options.crypto.context, body, body_bytes, signature);
    report.signature = signature;
    ob_effects_publish(peer, data, ob_report_encode(&report, data));
    own->told_ns = peer->now_ns;
}

/* ---- hearing ---- */

void ob_receive_report(struct ob_peer *peer, struct machine *sender, struct ob_reader body) {
    const struct ob_peer_crypto *crypto = &peer->options.crypto;
    struct ob_report report;
    uint8_t signed_body[OB_REPORT_BODY_MAX];
    if (!ob_report_decode(body, &report)) {
        ob_effects_refuse(peer, sender, "a malformed report");
        return;
    }
    if (!ob_hash_equal(&report.run.hash, &peer->options.run.hash)) {
        ob_effects_refuse(peer, sender, "a report of another run");
        return;
    }
    struct machine *machine = ob_machines_find(peer, &report.machine);
    if (machine == NULL || machine == peer->own)
        return;
    struct machine_report *last = &machine->report;
    bool newer = report.instance > last->instance ||
                 (report.instance == last->instance && report.sequence > last->sequence);
    if (last->heard && !newer)
        return;
    size_t bytes = ob_report_body(&report, signed_body);
    if (!crypto->verify(crypto->context, &report.machine, signed_body, bytes, report.signature)) {
        peer->counters.bad_signatures++;
        ob_effects_refuse(peer, sender, "a report with a bad signature");
        return;
    }
    *last = (struct machine_report){.heard = true,
                                    .instance = report.instance,
                                    .sequence = report.sequence,
                                    .heard_ns = peer->now_ns,
                                    .loss = report.loss,
                                    .rate = report.rate};
    memcpy(last->version, report.version, sizeof last->version);
    uint8_t *data = peer->options.relay ? ob_effects_scratch(peer, OB_SMALL_MESSAGE_BYTES_MAX) : NULL;
    if (data != NULL)
        ob_effects_publish(peer, data, ob_report_encode(&report, data));
}
