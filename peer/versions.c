#include "peer/versions.h"

#include <assert.h>
#include <stdio.h>

#include "peer/effects.h"
#include "peer/message.h"
#include "peer/spoken.h"
#include "peer/state.h"

static_assert(OB_VERSIONS_BYTES <= OB_SMALL_MESSAGE_BYTES_MAX, "small messages");

size_t ob_versions_encode(const struct ob_versions *versions, uint8_t ret_data[static OB_VERSIONS_BYTES]) {
    struct ob_writer writer =
        ob_message_start(OB_MESSAGE_VERSIONS, &versions->run, ret_data, OB_VERSIONS_BYTES);
    ob_write_u8(&writer, versions->lowest);
    ob_write_u8(&writer, versions->highest);
    ret_data[1] = versions->lowest;
    assert(!writer.failed && writer.used == OB_VERSIONS_BYTES);
    return writer.used;
}

bool ob_versions_decode(struct ob_reader body, struct ob_versions *ret_versions) {
    struct ob_versions versions;
    ob_read_bytes(&body, versions.run.hash.bytes, OB_HASH_BYTES);
    versions.lowest = ob_read_u8(&body);
    versions.highest = ob_read_u8(&body);
    if (!ob_message_read(&body) || versions.lowest < 1 || versions.lowest > versions.highest)
        return false;
    *ret_versions = versions;
    return true;
}

void ob_versions_send(struct ob_peer *peer, struct machine *to) {
    uint8_t *data = ob_effects_scratch(peer, OB_SMALL_MESSAGE_BYTES_MAX);
    if (data == NULL)
        return;
    struct ob_versions versions = {
        .run = peer->options.run,
        .lowest = peer->options.protocol_lowest,
        .highest = peer->options.protocol_highest,
    };
    ob_effects_send_as(peer, to, data, ob_versions_encode(&versions, data));
}

/* ---- without a version in common ---- */

static const char *range(uint8_t lowest, uint8_t highest, char buffer[static 24]) {
    if (lowest == highest)
        (void)snprintf(buffer, 24, "version %u", lowest);
    else
        (void)snprintf(buffer, 24, "versions %u to %u", lowest, highest);
    return buffer;
}

static bool is_due(const struct ob_peer *peer, struct machine *sender) {
    if (sender->contact.told_version_ns != 0 &&
        peer->now_ns - sender->contact.told_version_ns < TELL_EVERY_NS)
        return false;
    sender->contact.told_version_ns = peer->now_ns;
    return true;
}

static void tell(struct ob_peer *peer, struct machine *sender, uint8_t lowest, uint8_t highest) {
    char theirs[24], ours[24];
    if (!is_due(peer, sender))
        return;
    (void)range(lowest, highest, theirs);
    (void)range(peer->options.protocol_lowest, peer->options.protocol_highest, ours);
    ob_effects_tell(peer, OB_NOTICE_VERSION, &sender->id,
                    "speaks protocol %s, this machine %s: upgrade onebyte %s", theirs, ours,
                    highest > peer->options.protocol_highest ? "on this machine" : "there");
    ob_versions_send(peer, sender);
}

/* Who speaks one of ours, as it said, published this for others, or did not hear what we speak. */
bool ob_versions_admit(struct ob_peer *peer, struct machine *sender, uint8_t version) {
    struct machine_versions *versions = &sender->versions;
    versions->last = version;
    if (ob_spoken_here(peer, version))
        return true;
    if (versions->highest == 0 || ob_spoken_common(peer, sender) == 0) {
        peer->counters.refused++;
        tell(peer, sender, versions->highest > 0 ? versions->lowest : version,
             versions->highest > 0 ? versions->highest : version);
    } else if (is_due(peer, sender)) {
        ob_versions_send(peer, sender);
    }
    return false;
}

void ob_versions_forget(struct machine *machine) {
    machine->versions = (struct machine_versions){0};
}

void ob_receive_versions(struct ob_peer *peer, struct machine *sender, struct ob_reader body) {
    struct ob_versions versions;
    if (!ob_versions_decode(body, &versions)) {
        ob_effects_refuse(peer, sender, "a malformed message about versions");
        return;
    }
    if (!ob_hash_equal(&versions.run.hash, &peer->options.run.hash)) {
        ob_effects_refuse(peer, sender, "a message about versions of another run");
        return;
    }
    bool new = sender->versions.lowest != versions.lowest || sender->versions.highest != versions.highest;
    sender->versions.lowest = versions.lowest;
    sender->versions.highest = versions.highest;
    if (ob_spoken_common(peer, sender) == 0)
        tell(peer, sender, versions.lowest, versions.highest);
    else if (new &&is_due(peer, sender))
        ob_versions_send(peer, sender);
}
